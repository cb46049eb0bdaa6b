"""Machine code for matrix products, with one image in each lane of a vector.

A matrix of activations is [row, column] of vectors; a matrix of weights is [row, column] of single numbers.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from llvmlite import ir

from few_weights.engine.machine_code import LANES, ZERO, Code, Number

#: Vectors of a product that are computed together: some of 16 registers are left for the factors.
ACCUMULATORS = 12

#: Columns of a sum over lanes that are computed together: two rows of four need six loads for eight products.
SIDE = 4


class Matrix(NamedTuple):
    """A matrix in memory: [row, column] is at start + row * down + column * across, in units of float32."""

    pointer: ir.Value
    start: Number
    down: int
    across: int

    def at(self, code: Code, row: Number, column: Number) -> tuple[ir.Value, Number]:
        """Pointer and offset of an element, as `Code.load` takes them."""
        offset = code.add(self.start, code.multiply(row, self.down), code.multiply(column, self.across))
        return self.pointer, offset

    def transposed(self) -> "Matrix":
        return self._replace(down=self.across, across=self.down)


def write_product(
    code: Code,
    weights: Matrix,
    activations: Matrix,
    result: Matrix,
    shape: tuple[int, int, Number],
    add: bool = False,
) -> None:
    """Write result = weights @ activations.

    Args:
        shape: rows of the weights, depth, columns of the activations.
        add: write result += instead.
    """
    rows, depth, columns = shape
    width = min(range(1, 7), key=lambda size: _cost(rows, columns, size)) if isinstance(columns, int) else 4
    for column, across in code.parts(columns, width):
        for row, down in code.parts(rows, ACCUMULATORS // width):
            _write_block(code, weights, activations, result, (row, down), depth, (column, across), add)


def _cost(rows: int, columns: int, width: int) -> float:
    """A measure of the time of a product in blocks of `width` columns.

    A block takes the time of its loads or of its multiplications, whichever is longer; a multiplication takes
    about 0.6 times as long as a load. Blocks at the edge, with unused accumulators, take as long as others.
    """
    height = ACCUMULATORS // width
    blocks = -(-rows // height) * -(-columns // width)
    return blocks * max(width + min(height, rows), ACCUMULATORS * 0.6)


def _write_block(
    code: Code,
    weights: Matrix,
    activations: Matrix,
    result: Matrix,
    row_part: tuple[Number, int],
    depth: int,
    column_part: tuple[Number, int],
    add: bool,
) -> None:
    """Write a part of the result, with each of its vectors in a separate register."""
    (row, down), (column, across) = row_part, column_part
    cells = [(r, c) for r in range(down) for c in range(across)]
    addresses = [result.at(code, code.add(row, r), code.add(column, c)) for r, c in cells]
    accumulators = [code.variable(code.load(*address) if add else ZERO) for address in addresses]
    with code.loop(depth) as step:
        vectors = [code.load(*activations.at(code, step, code.add(column, c))) for c in range(across)]
        for r in range(down):
            factor = code.load_broadcast(*weights.at(code, code.add(row, r), step))
            for c, vector in enumerate(vectors):
                total = accumulators[r * across + c]
                code.set(total, code.multiply_add(factor, vector, code.get(total)))
    for address, total in zip(addresses, accumulators, strict=True):
        code.store(code.get(total), *address)


def write_dots(
    code: Code, left: Matrix, right: Matrix, result: Matrix, shape: tuple[int, Number, int], add: bool = False
) -> None:
    """Write result = left @ right of two matrices of activations, summed over the lanes: a matrix of numbers.

    Args:
        shape: rows of the left, depth, columns of the right. The result's columns are contiguous.
        add: write result += instead.
    """
    rows, depth, columns = shape
    for column, across in code.parts(columns, LANES):
        # As many sums as one vector holds once the lanes have been added up.
        for row, down in code.parts(rows, max(1, LANES // across)):
            cells = [(r, c) for r in range(down) for c in range(across)]
            accumulators = [code.variable(ZERO) for _ in cells]
            with code.loop(depth) as step:
                lefts = [code.load(*left.at(code, code.add(row, r), step)) for r in range(down)]
                rights = [code.load(*right.at(code, step, code.add(column, c))) for c in range(across)]
                for (r, c), total in zip(cells, accumulators, strict=True):
                    code.set(total, code.multiply_add(lefts[r], rights[c], code.get(total)))
            totals = code.lane_sums([code.get(total) for total in accumulators])
            if across == LANES:
                _store_sums(code, totals, result.at(code, row, column), LANES, add)
                continue
            # The sums of each row to the front of a vector; what follows is not stored.
            for r in range(down):
                lanes = [min(r * across + c, LANES - 1) for c in range(LANES)]
                part = code.shuffle(totals, totals, lanes)
                _store_sums(code, part, result.at(code, code.add(row, r), column), across, add)


def _store_sums(
    code: Code, vector: ir.Value, address: tuple[ir.Value, Number], lanes: int, add: bool
) -> None:
    # Lanes after the last are read but not written; buffers of weights are allocated for it.
    code.store(code.builder.fadd(code.load(*address), vector) if add else vector, *address, lanes=lanes)


class Depth(NamedTuple):
    """One loop of a sum of products: how often, and by how much both factors go on, counted in float32."""

    times: Number
    first_step: int
    second_step: int


def write_sums(
    code: Code,
    weights: Matrix,
    activations: Matrix,
    result: Matrix,
    shape: tuple[int, int],
    depths: Sequence[Depth],
    start: Callable[[Number], ir.Value] | None,
) -> None:
    """result[row, column] = start(row) + the sum over all depths of weight times activation.

    Args:
        weights: [row, 0], to which the depths add their first steps. Single numbers.
        activations: [0, column], to which the depths add their second steps. Vectors.
        shape: rows and columns.
        start: gives the vector that a row's sums start from; None to add to what the result holds.
    """
    rows, columns = shape
    width = min(range(1, 7), key=lambda size: _cost(rows, columns, size))
    for column, across in code.parts(columns, width):
        for row, down in code.parts(rows, ACCUMULATORS // width):
            cells = [(r, c) for r in range(down) for c in range(across)]
            targets = [result.at(code, code.add(row, r), code.add(column, c)) for r, c in cells]
            if start is None:
                sums = [code.variable(code.load(*target)) for target in targets]
            else:
                begins = [start(code.add(row, r)) for r in range(down)]
                sums = [code.variable(begins[r]) for r, _ in cells]
            with _over(code, depths) as (first, second):

                def vector_at(c: int, column: Number = column, second: Number = second) -> ir.Value:
                    offset = code.add(activations.at(code, 0, code.add(column, c))[1], second)
                    return code.load(activations.pointer, offset)

                def factor_at(r: int, row: Number = row, first: Number = first) -> ir.Value:
                    offset = code.add(weights.at(code, code.add(row, r), 0)[1], first)
                    return code.load_broadcast(weights.pointer, offset)

                _write_outer_product(code, factor_at, vector_at, sums, (down, across))
            for target, total in zip(targets, sums, strict=True):
                code.store(code.get(total), *target)


def write_gradient_sums(
    code: Code,
    left: Matrix,
    right: Matrix,
    result: Matrix,
    shape: tuple[int, int],
    depths: Sequence[Depth],
    lanes: ir.Value | None = None,
) -> None:
    """result[row, column] += the sum over all depths and lanes of left times right, both vectors.

    Args:
        left: [row, 0], to which the depths add their first steps.
        right: [0, column], to which the depths add their second steps.
        result: single numbers, whose columns lie side by side.
        shape: rows and columns.
        lanes: where there is a vector for each number of the result; the sums are added to these instead.
    """
    rows, columns = shape
    for column, across in code.parts(columns, SIDE if rows > 1 else LANES):
        for row, down in code.parts(rows, ACCUMULATORS // across if rows % 3 == 0 else LANES // across):
            cells = [(r, c) for r in range(down) for c in range(across)]
            places = [
                code.multiply(result.at(code, code.add(row, r), code.add(column, c))[1], LANES)
                for r, c in cells
            ]
            sums = [code.variable(ZERO if lanes is None else code.load(lanes, place)) for place in places]
            with _over(code, depths) as (first, second):

                def left_at(r: int, row: Number = row, first: Number = first) -> ir.Value:
                    return code.load(left.pointer, code.add(left.at(code, code.add(row, r), 0)[1], first))

                def right_at(c: int, column: Number = column, second: Number = second) -> ir.Value:
                    offset = code.add(right.at(code, 0, code.add(column, c))[1], second)
                    return code.load(right.pointer, offset)

                _write_outer_product(code, left_at, right_at, sums, (down, across))
            if lanes is not None:
                for place, total in zip(places, sums, strict=True):
                    code.store(code.get(total), lanes, place)
                continue
            for r in range(down):
                totals = code.lane_sums([code.get(total) for total in sums[r * across :][:across]])
                _store_sums(code, totals, result.at(code, code.add(row, r), column), across, True)


def _write_outer_product(
    code: Code,
    left_at: Callable[[int], ir.Value],
    right_at: Callable[[int], ir.Value],
    sums: Sequence[ir.Value],
    shape: tuple[int, int],
) -> None:
    """sums[row * columns + column] += left[row] * right[column].

    The shorter side is loaded first, the other one vector at a time: twelve sums, three vectors and one more
    fill the registers.
    """
    rows, columns = shape
    turned = rows > columns
    first_at, second_at = (right_at, left_at) if turned else (left_at, right_at)
    kept = [first_at(number) for number in range(min(shape))]
    for other in range(max(shape)):
        vector = second_at(other)
        for number, each in enumerate(kept):
            total = sums[other * columns + number if turned else number * columns + other]
            code.set(total, code.multiply_add(vector, each, code.get(total)))


@contextlib.contextmanager
def _over(code: Code, depths: Sequence[Depth]) -> Iterator[tuple[Number, Number]]:
    """Loops in each other; gives the offsets that they have come to."""
    with contextlib.ExitStack() as stack:
        first: Number = 0
        second: Number = 0
        for depth in depths:
            index = stack.enter_context(code.loop(depth.times))
            first = code.add(first, code.multiply(index, depth.first_step))
            second = code.add(second, code.multiply(index, depth.second_step))
        yield first, second
