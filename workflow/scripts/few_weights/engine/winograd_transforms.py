"""Machine code for the transforms of Winograd's F(4 x 4, 3 x 3), and for their transposes, the gradients."""

import math
from collections.abc import Callable, Sequence
from typing import TypeVar

from llvmlite import ir

from few_weights.engine.layouts import FAR, NEAR
from few_weights.engine.machine_code import Code

Pixel = TypeVar("Pixel")


def windows(pixels: Sequence[Pixel]) -> list[list[Pixel]]:
    """The four 2 x 2 windows of a tile of 4 x 4 pixels, which is given row by row."""
    return [
        [pixels[4 * (row + i) + column + j] for i in (0, 1) for j in (0, 1)]
        for row in (0, 2)
        for column in (0, 2)
    ]


def transform_rows_and_columns(
    code: Code, transform: Callable[[Code, Sequence[ir.Value]], list[ir.Value]], tile: Sequence[ir.Value]
) -> list[ir.Value]:
    """Apply a transform along the rows of a square tile, then along its columns; row by row."""
    size = math.isqrt(len(tile))
    rows = [transform(code, tile[first : first + size]) for first in range(0, len(tile), size)]
    columns = [transform(code, column) for column in zip(*rows, strict=True)]
    return [value for row in zip(*columns, strict=True) for value in row]


# The transforms in one dimension. Two points with opposite signs share the sums of even and of odd powers.


def _kernel_factors() -> list[list[float]]:
    """The first three powers of each point, divided by its differences to the other finite points."""
    points = [0.0, NEAR, -NEAR, FAR, -FAR]
    scales = [math.prod(point - other for other in points if other != point) for point in points]
    powers = [
        [point**power / scale for power in range(3)] for point, scale in zip(points, scales, strict=True)
    ]
    return [*powers, [0.0, 0.0, 1.0]]


def evaluate_kernel(code: Code, weights: Sequence[ir.Value]) -> list[ir.Value]:
    """From three weights of a kernel to its values at the six points."""
    return [_nonzero_weighted_sum(code, factors, weights) for factors in _kernel_factors()]


def evaluate_kernel_transposed(code: Code, values: Sequence[ir.Value]) -> list[ir.Value]:
    """From the gradients of a kernel's values at the points to those of its three weights."""
    return [_nonzero_weighted_sum(code, factors, values) for factors in zip(*_kernel_factors(), strict=True)]


def _nonzero_weighted_sum(code: Code, factors: Sequence[float], vectors: Sequence[ir.Value]) -> ir.Value:
    terms = [(factor, vector) for factor, vector in zip(factors, vectors, strict=True) if factor]
    return code.weighted_sum(*terms)


def evaluate_input(code: Code, pixels: Sequence[ir.Value]) -> list[ir.Value]:
    """From six pixels to their part at each of the six points.

    At a finite point it is the product of the pixels with the coefficients of the polynomial (of degree 4, or
    less) that is 0 at the other finite points; at infinity, of the polynomial that is 0 at all five. The
    points are 0, NEAR, -NEAR, FAR and -FAR, so x⁴ - squares x² + product is 0 at all of them but 0.
    """
    squares, product = NEAR**2 + FAR**2, (NEAR * FAR) ** 2

    def without_signed(three: Sequence[ir.Value]) -> ir.Value:
        return code.multiply_add(product, three[0], code.multiply_add(-squares, three[1], three[2]))

    values = [without_signed(pixels[0::2])]
    for point, other in ((NEAR, FAR), (FAR, NEAR)):
        even = code.multiply_add(-(other**2), pixels[2], pixels[4])
        odd = code.multiply_add(-(other**2), pixels[1], pixels[3])
        values += [code.multiply_add(sign * point, odd, even) for sign in (1, -1)]
    return [*values, without_signed(pixels[1::2])]


def evaluate_input_transposed(code: Code, values: Sequence[ir.Value]) -> list[ir.Value]:
    """From the gradients at the points to those of six pixels: the transpose of `evaluate_input`."""
    squares, product = NEAR**2 + FAR**2, (NEAR * FAR) ** 2
    even, odd = _pair_sums(code, values)
    zero, infinity = values[0], values[5]
    return [
        code.scale(product, zero),
        code.weighted_sum((product, infinity), (-NEAR * FAR**2, odd[0]), (-FAR * NEAR**2, odd[1])),
        code.weighted_sum((-squares, zero), (-(FAR**2), even[0]), (-(NEAR**2), even[1])),
        code.weighted_sum((-squares, infinity), (NEAR, odd[0]), (FAR, odd[1])),
        code.sum([zero, *even]),
        infinity,
    ]


def interpolate_output(code: Code, values: Sequence[ir.Value]) -> list[ir.Value]:
    """From the products at the points to four pixels of the output.

    Pixel k is the sum over the finite points of the product there times the point to the power of k; the last
    one has the product at infinity, too.
    """
    even, odd = _pair_sums(code, values)
    return [
        code.sum([values[0], *even]),
        code.weighted_sum((NEAR, odd[0]), (FAR, odd[1])),
        code.weighted_sum((NEAR**2, even[0]), (FAR**2, even[1])),
        code.sum([values[5], code.weighted_sum((NEAR**3, odd[0]), (FAR**3, odd[1]))]),
    ]


def interpolate_output_transposed(code: Code, pixels: Sequence[ir.Value]) -> list[ir.Value]:
    """From the gradients of four output pixels to those of the products at the points."""
    values = [pixels[0]]
    for point in (NEAR, FAR):
        even = code.multiply_add(point**2, pixels[2], pixels[0])
        odd = code.multiply_add(point**2, pixels[3], pixels[1])
        values += [code.multiply_add(sign * point, odd, even) for sign in (1, -1)]
    return [*values, pixels[3]]


def _pair_sums(code: Code, values: Sequence[ir.Value]) -> tuple[list[ir.Value], list[ir.Value]]:
    """The sums, and the differences, of the values at each pair of points with opposite signs."""
    pairs = (values[1:3], values[3:5])
    return [code.builder.fadd(*pair) for pair in pairs], [code.builder.fsub(*pair) for pair in pairs]
