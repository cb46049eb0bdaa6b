"""The transforms of Winograd's F(4 x 4, 3 x 3), and their transposes for the backward pass: machine code."""

import math
from collections.abc import Callable, Sequence

from llvmlite import ir

from few_weights.engine.layouts import FAR, NEAR
from few_weights.engine.machine_code import Code


def windows(pixels: Sequence) -> list[list]:
    """The four 2 x 2 windows of a tile of 4 x 4."""
    return [
        [pixels[4 * (row + i) + column + j] for i in (0, 1) for j in (0, 1)]
        for row in (0, 2)
        for column in (0, 2)
    ]


def both_ways(code: Code, transform: Callable, tile: Sequence[ir.Value]) -> list[ir.Value]:
    """A transform along the rows of a square tile, and then along its columns; row by row."""
    size = math.isqrt(len(tile))
    rows = [transform(code, tile[first : first + size]) for first in range(0, len(tile), size)]
    columns = [transform(code, column) for column in zip(*rows, strict=True)]
    return [value for row in zip(*columns, strict=True) for value in row]


# The transforms in one direction. A pair of points with opposite signs shares its even and its odd powers.


def _kernel_factors() -> list[list[float]]:
    """The three powers of each point, over the differences to the other finite points."""
    points = [0.0, NEAR, -NEAR, FAR, -FAR]
    scales = [math.prod(point - other for other in points if other != point) for point in points]
    powers = [
        [point**power / scale for power in range(3)] for point, scale in zip(points, scales, strict=True)
    ]
    return [*powers, [0.0, 0.0, 1.0]]


def evaluate_kernel(code: Code, weights: Sequence[ir.Value]) -> list[ir.Value]:
    """Three weights at the points."""
    return [_weigh_nonzero(code, factors, weights) for factors in _kernel_factors()]


def evaluate_kernel_transposed(code: Code, values: Sequence[ir.Value]) -> list[ir.Value]:
    """What each of three weights receives from the values, as its gradient."""
    return [_weigh_nonzero(code, factors, values) for factors in zip(*_kernel_factors(), strict=True)]


def _weigh_nonzero(code, factors, vectors):
    terms = [(factor, vector) for factor, vector in zip(factors, vectors, strict=True) if factor]
    return code.weigh(*terms)


def evaluate_input(code: Code, pixels: Sequence[ir.Value]) -> list[ir.Value]:
    """Six pixels at the points, each times the polynomial that is 0 at all other finite points."""
    squares, product = NEAR**2 + FAR**2, (NEAR * FAR) ** 2

    def without_signed(three):
        return code.multiply_add(product, three[0], code.multiply_add(-squares, three[1], three[2]))

    values = [without_signed(pixels[0::2])]
    for point, other in ((NEAR, FAR), (FAR, NEAR)):
        even = code.multiply_add(-(other**2), pixels[2], pixels[4])
        odd = code.multiply_add(-(other**2), pixels[1], pixels[3])
        values += [code.multiply_add(sign * point, odd, even) for sign in (1, -1)]
    return [*values, without_signed(pixels[1::2])]


def evaluate_input_transposed(code: Code, values: Sequence[ir.Value]) -> list[ir.Value]:
    """What each of six pixels receives from the values, as its gradient."""
    squares, product = NEAR**2 + FAR**2, (NEAR * FAR) ** 2
    even, odd = _pair_sums(code, values)
    zero, infinity = values[0], values[5]
    return [
        code.scale(product, zero),
        code.weigh((product, infinity), (-NEAR * FAR**2, odd[0]), (-FAR * NEAR**2, odd[1])),
        code.weigh((-squares, zero), (-(FAR**2), even[0]), (-(NEAR**2), even[1])),
        code.weigh((-squares, infinity), (NEAR, odd[0]), (FAR, odd[1])),
        code.sum([zero, *even]),
        infinity,
    ]


def interpolate_output(code: Code, values: Sequence[ir.Value]) -> list[ir.Value]:
    """Four pixels from the products at the points."""
    even, odd = _pair_sums(code, values)
    return [
        code.sum([values[0], *even]),
        code.weigh((NEAR, odd[0]), (FAR, odd[1])),
        code.weigh((NEAR**2, even[0]), (FAR**2, even[1])),
        code.sum([values[5], code.weigh((NEAR**3, odd[0]), (FAR**3, odd[1]))]),
    ]


def interpolate_output_transposed(code: Code, pixels: Sequence[ir.Value]) -> list[ir.Value]:
    """What each of the products receives from four pixels, as its gradient."""
    values = [pixels[0]]
    for point in (NEAR, FAR):
        even = code.multiply_add(point**2, pixels[2], pixels[0])
        odd = code.multiply_add(point**2, pixels[3], pixels[1])
        values += [code.multiply_add(sign * point, odd, even) for sign in (1, -1)]
    return [*values, pixels[3]]


def _pair_sums(code, values):
    pairs = (values[1:3], values[3:5])
    return [code.builder.fadd(*pair) for pair in pairs], [code.builder.fsub(*pair) for pair in pairs]
