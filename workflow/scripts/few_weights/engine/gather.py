"""The images of a batch, fetched from the data into the lanes of vectors, in machine code."""

from llvmlite import ir

from few_weights.engine.layouts import Features
from few_weights.engine.machine_code import LANES, Code, Program


def groups_of(code: Code, count: ir.Value) -> ir.Value:
    """How many vectors hold so many images."""
    return code.divide(code.add(count, LANES - 1), LANES)[0]


def write_gather(program: Program, name: str, target: Features) -> Code:
    """(count; data, labels, order, images, image labels): the examples `order` names, one in each lane.

    Lanes that are left over in the last group repeat the last example. An example's numbers lie side by side
    in `data`, in rows of at least `LANES`; labels are float32 here.
    """
    code = program.function(name, numbers=1, pointers=5)
    count, data, labels, order, images, image_labels = code.arguments
    last = code.subtract(count, 1)
    with code.loop(groups_of(code, count)) as group:
        sources = []
        for lane in range(LANES):
            place = code.add(code.multiply(group, LANES), lane)
            example = code.load_index(order, code.smaller(place, last))
            code.builder.store(code.builder.load(code.at(labels, example)), code.at(image_labels, place))
            sources.append(code.at(data, code.multiply(example, target.rows * target.columns)))
        to = code.builder.mul(group, code.number(target.group_stride))
        with code.loop(target.rows) as row:

            def move(column, row=row, sources=sources, to=to):
                begin = code.add(code.multiply(row, target.columns), column)
                vectors = code.transpose([code.load(source, begin) for source in sources])
                start = code.add(
                    to, code.multiply(row, target.row_stride), code.multiply(column, LANES), target.first
                )
                for number, vector in enumerate(vectors):
                    code.store(vector, images, code.add(start, number * LANES))

            with code.loop(target.columns // LANES * LANES, LANES) as column:
                move(column)
            if target.columns % LANES:
                move(target.columns - LANES)
    code.finish()
    return code
