"""The memory of a program: one array, in which every buffer is a known offset.

The machine code is given the array's address with each call, so the code is the same in every process.
"""

from typing import NamedTuple

import numpy as np
from llvmlite import ir
from numpy.typing import NDArray

from few_weights.engine.layouts import padded_stride
from few_weights.engine.machine_code import LANES, Code, Number


class Buffer(NamedTuple):
    """A part of an arena, in units of float32.

    Args:
        offset: where it begins.
        stride: from the part of one group of images to that of the next; 0 if all groups share one part.
    """

    offset: int
    stride: int = 0

    def of(self, code: Code, group: Number = 0) -> Number:
        """The offset of a group's part."""
        return code.add(self.offset, code.multiply(group, self.stride)) if self.stride else self.offset

    def at(self, code: Code, group: Number = 0) -> ir.Value:
        """A pointer to a group's part, in a function with an argument named "arena"."""
        return code.at(code.named["arena"], self.of(code, group))


class Arena:
    """Hands out the buffers of a program; `size` is how many float32 they take together."""

    def __init__(self) -> None:
        self.size = 0

    def buffer(self, size: int, groups: int = 1) -> Buffer:
        """Reserve a buffer for each group, or one for all; a whole vector may be written after its end."""
        offset, stride = self.size, padded_stride(size + LANES)
        self.size += stride * groups
        return Buffer(offset, stride if groups > 1 else 0)


def allocate(size: int) -> NDArray[np.float32]:
    """The memory of an arena of a size: zeros, aligned to a cache line."""
    memory = np.zeros(size + 32, np.float32)
    start = -memory.ctypes.data // 4 % 16
    return memory[start : start + size]
