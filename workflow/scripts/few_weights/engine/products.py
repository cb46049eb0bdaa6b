"""Products of matrices in machine code, with an image in each lane of a vector.

A matrix of activations is [row, column] of vectors, a matrix of weights [row, column] of single numbers.
"""

from typing import NamedTuple

from llvmlite import ir

from few_weights.engine.machine_code import LANES, ZERO, Code, Number

#: Vectors of a product that are computed at once: as many as leave some of 16 registers for the factors.
ACCUMULATORS = 12


class Matrix(NamedTuple):
    """Where [row, column] is in memory: at start + row * down + column * across, counted in float32."""

    pointer: ir.Value
    start: Number
    down: int
    across: int

    def at(self, code: Code, row: Number, column: Number) -> tuple[ir.Value, Number]:
        offset = code.add(self.start, code.multiply(row, self.down), code.multiply(column, self.across))
        return self.pointer, offset

    def turned(self) -> "Matrix":
        return self._replace(down=self.across, across=self.down)


def write_product(
    code: Code,
    weights: Matrix,
    activations: Matrix,
    result: Matrix,
    shape: tuple[int, int, Number],
    add: bool = False,
) -> None:
    """result = weights @ activations, or += where `add` says so.

    Args:
        shape: rows of the weights, depth, columns of the activations.
    """
    rows, depth, columns = shape
    width = min(range(1, 7), key=lambda size: _waste(rows, columns, size)) if isinstance(columns, int) else 4
    for column, across in code.parts(columns, width):
        for row, down in code.parts(rows, ACCUMULATORS // width):
            _write_block(code, weights, activations, result, (row, down), depth, (column, across), add)


def _waste(rows, columns, width):
    """Loads of a product in blocks of so many columns: a measure of its time, as is what is not filled."""
    height = ACCUMULATORS // width
    blocks = -(-rows // height) * -(-columns // width)
    return blocks * max(width + min(height, rows), ACCUMULATORS * 0.6)


def _write_block(code, weights, activations, result, row_part, depth, column_part, add):
    """A part of the result with each of its vectors in a register of its own."""
    (row, down), (column, across) = row_part, column_part
    cells = [(r, c) for r in range(down) for c in range(across)]
    places = [result.at(code, code.add(row, r), code.add(column, c)) for r, c in cells]
    sums = [code.variable(code.load(*place) if add else ZERO) for place in places]
    with code.loop(depth) as step:
        vectors = [code.load(*activations.at(code, step, code.add(column, c))) for c in range(across)]
        for r in range(down):
            factor = code.spread(*weights.at(code, code.add(row, r), step))
            for c, vector in enumerate(vectors):
                total = sums[r * across + c]
                code.set(total, code.multiply_add(factor, vector, code.get(total)))
    for place, total in zip(places, sums, strict=True):
        code.store(code.get(total), *place)


def write_dots(
    code: Code, left: Matrix, right: Matrix, result: Matrix, shape: tuple[int, Number, int], add: bool = False
) -> None:
    """result = left @ right of two matrices of activations, summed over the lanes: one of single numbers.

    Args:
        shape: rows of the left, depth, columns of the right. The result's columns lie side by side.
        add: result += instead.
    """
    rows, depth, columns = shape
    for column, across in code.parts(columns, LANES):
        for row, down in code.parts(rows, max(1, LANES // across)):
            cells = [(r, c) for r in range(down) for c in range(across)]
            sums = [code.variable(ZERO) for _ in cells]
            with code.loop(depth) as step:
                lefts = [code.load(*left.at(code, code.add(row, r), step)) for r in range(down)]
                rights = [code.load(*right.at(code, step, code.add(column, c))) for c in range(across)]
                for (r, c), total in zip(cells, sums, strict=True):
                    code.set(total, code.multiply_add(lefts[r], rights[c], code.get(total)))
            totals = code.lane_sums([code.get(total) for total in sums])
            if across == LANES:
                _store_sums(code, totals, result.at(code, row, column), LANES, add)
                continue
            for r in range(down):
                lanes = [min(r * across + c, LANES - 1) for c in range(LANES)]
                part = code.pick(totals, totals, lanes)
                _store_sums(code, part, result.at(code, code.add(row, r), column), across, add)


def _store_sums(code, vector, place, lanes, add):
    # What is read beyond the last lane is not written; arrays of weights end in room for it.
    code.store(code.builder.fadd(code.load(*place), vector) if add else vector, *place, lanes=lanes)
