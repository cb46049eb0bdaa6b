"""Machine code that gathers the images of a batch from the data into the lanes of vectors."""

from collections.abc import Callable, Sequence

from llvmlite import ir

from few_weights.engine.layouts import Features
from few_weights.engine.machine_code import BYTE, LANES, Code, Number, Program


def groups_of(code: Code, count: ir.Value) -> ir.Value:
    """How many groups of `LANES` images so many images are, rounded up."""
    return code.divide(code.add(count, LANES - 1), LANES)[0]


def write_gather(program: Program, name: str, target: Features, pixels: bool) -> Code:
    """Write a function that copies the examples which `order` names, one into each lane.

    Unused lanes in the last group repeat the last example. The numbers of an example are contiguous in
    `data`, in rows of at least `LANES`: float32, or with `pixels` uint8, which are divided by 255. Labels are
    float32.

    Its arguments: (count; data, labels, order, images, image labels).
    """
    code = program.define(name, ["data", "labels", "order", "images", "image_labels"], ["count"])
    count, data, labels, order, images, image_labels = code.named.values()
    last = code.subtract(count, 1)
    load: Callable[[ir.Value, Number], ir.Value] = code.load
    if pixels:
        data, load = code.builder.bitcast(data, BYTE.as_pointer()), code.load_pixels
    with code.loop(groups_of(code, count)) as group:
        sources = []
        for lane in range(LANES):
            image = code.add(code.multiply(group, LANES), lane)
            example = code.load_index(order, code.smaller(image, last))
            code.builder.store(code.builder.load(code.at(labels, example)), code.at(image_labels, image))
            sources.append(code.at(data, code.multiply(example, target.rows * target.columns)))
        to_group = code.builder.mul(group, code.number(target.group_stride))
        with code.loop(target.rows) as row:

            def move(
                column: Number,
                row: Number = row,
                sources: Sequence[ir.Value] = sources,
                to_group: ir.Value = to_group,
            ) -> None:
                begin = code.add(code.multiply(row, target.columns), column)
                vectors = code.transpose([load(source, begin) for source in sources])
                start = code.add(
                    to_group,
                    code.multiply(row, target.row_stride),
                    code.multiply(column, LANES),
                    target.first,
                )
                for number, vector in enumerate(vectors):
                    code.store(vector, images, code.add(start, number * LANES))

            with code.loop(target.columns // LANES * LANES, LANES) as column:
                move(column)
            # The last ones together with some that have been moved already, as vectors are whole.
            if target.columns % LANES:
                move(target.columns - LANES)
    code.finish()
    return code
