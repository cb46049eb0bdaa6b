"""Weights of a few bits each: a variable's weights are whole multiples of one float16, its scale.

With b bits the multiples go from -(2^(b-1) - 1) to 2^(b-1) - 1. Training keeps the exact weights, too: it
computes gradients at the rounded ones, and applies them to the exact ones (BinaryConnect, Courbariaux, Bengio
and David 2015).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

#: As many scales are tried per variable, as shares of the one at which the largest weight is not cut off.
SHARES = np.linspace(0.6, 1.1, 26)

Floats = NDArray[np.float32]


def largest_multiple(bits: int) -> int:
    """The largest multiple of the scale that so many bits can hold; the smallest is its negative."""
    return int(2 ** (bits - 1) - 1)


def find_scales(weights: Floats, sizes: Sequence[int], bits: int) -> Floats:
    """The scale of each variable with the least squared error: one of 26, and 1 where all weights are 0.

    Args:
        weights: (weights,), those of all variables one after the other.
        sizes: how many weights each variable has.
        bits: of each weight.

    Returns:
        (variables,), float16 as float32.
    """
    scales = []
    for part in np.split(weights, np.cumsum(sizes)[:-1]):
        candidates = (np.abs(part).max() / largest_multiple(bits) * SHARES).astype(np.float16)
        candidates = candidates[(candidates > 0) & np.isfinite(candidates)].astype(np.float32)
        errors = [np.sum((round_weights(part, each, bits) - part) ** 2) for each in candidates]
        scales.append(candidates[int(np.argmin(errors))] if errors else np.float32(1))
    return np.array(scales, np.float32)


def round_weights(weights: Floats, scales: Floats | np.float32, bits: int) -> Floats:
    """The nearest weights that so many bits can hold; `scales` is that of each weight, or one for all."""
    largest = largest_multiple(bits)
    return np.clip(np.rint(weights / scales), -largest, largest).astype(np.float32) * scales


def pack(variables: Sequence[Floats], bits: int) -> bytes:
    """Weights as bytes: each variable's scale as float16, then the multiples of all, `bits` bits each.

    Multiples are stored as they are above the smallest, and numbers with their lowest byte and bit first.

    Args:
        variables: weights that `round_weights` made.
        bits: of each weight.

    Raises:
        ValueError: a variable is not made of multiples of one float16 that so many bits can represent.
    """
    largest = largest_multiple(bits)
    scales = [_scale_of(variable, bits) for variable in variables]
    multiples = [
        np.rint(variable.reshape(-1) / scale).astype(np.int64)
        for variable, scale in zip(variables, scales, strict=True)
    ]
    codes = np.concatenate(multiples) + largest
    bit_rows = (codes[:, None] >> np.arange(bits)) & 1
    packed = np.packbits(bit_rows.reshape(-1).astype(np.uint8), bitorder="little")
    return np.array(scales, "<f2").tobytes() + packed.tobytes()


def unpack(content: bytes, shapes: Sequence[tuple[int, ...]], bits: int) -> list[Floats]:
    """The weights that `pack` stored, variable by variable.

    Args:
        content: the bytes.
        shapes: of the variables.
        bits: of each weight.
    """
    scales = np.frombuffer(content, "<f2", len(shapes)).astype(np.float32)
    sizes = [int(np.prod(shape)) for shape in shapes]
    stored = np.frombuffer(content, np.uint8, offset=2 * len(shapes))
    bit_rows = np.unpackbits(stored, count=sum(sizes) * bits, bitorder="little").reshape(-1, bits)
    codes = bit_rows.astype(np.int64) @ (1 << np.arange(bits)) - largest_multiple(bits)
    parts = np.split(codes.astype(np.float32), np.cumsum(sizes)[:-1])
    return [(part * scale).reshape(shape) for part, scale, shape in zip(parts, scales, shapes, strict=True)]


def packed_bytes(sizes: Sequence[int], bits: int) -> int:
    """How many bytes `pack` returns for variables of so many weights."""
    return 2 * len(sizes) + -(-sum(sizes) * bits // 8)


def _scale_of(variable: Floats, bits: int) -> np.float32:
    """A scale of which all weights are multiples that so many bits can represent, from the weights alone."""
    magnitudes = np.abs(variable[variable != 0])
    if not magnitudes.size:
        return np.float32(1)
    for multiple in range(1, largest_multiple(bits) + 1):
        scale = np.float32(np.float16(magnitudes.min() / multiple))
        if scale > 0 and np.array_equal(round_weights(variable, scale, bits), variable):
            return scale
    raise ValueError(f"a variable's weights are not multiples of one number with {bits} bits")
