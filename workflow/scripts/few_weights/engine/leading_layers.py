"""Layers without weights at the start of a network, applied once to all images instead of once per batch."""

import itertools
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Pool(NamedTuple):
    """A pooling layer.

    Args:
        largest: whether it takes the largest value of a window, or their mean.
        size, strides: of the windows, in rows and columns.
        input, output: rows, columns and channels that come in and out.
        before: rows above and columns left of the images that the first window includes.
    """

    largest: bool
    size: tuple[int, int]
    strides: tuple[int, int]
    input: tuple[int, int, int]
    output: tuple[int, int, int]
    before: tuple[int, int]

    @classmethod
    def from_list(cls, values: Sequence[Any]) -> "Pool":
        """Read one that JSON has turned into lists."""
        return cls(values[0], *map(tuple, values[1:]))

    def apply(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Pool images of shape (examples, rows, columns, channels)."""
        if self.largest:
            pooled = np.full((len(images), *self.output), -np.inf, np.float32)
            for target, source in self._places():
                part = pooled[:, target[0], target[1]]
                np.maximum(part, images[:, source[0], source[1]], out=part)
            return pooled
        pooled = np.zeros((len(images), *self.output), np.float32)
        counts = np.zeros((*self.output[:2], 1), np.float32)
        for target, source in self._places():
            pooled[:, target[0], target[1]] += images[:, source[0], source[1]]
            counts[target] += 1
        return pooled / counts

    def _places(self) -> Iterator[tuple[tuple[slice, slice], tuple[slice, slice]]]:
        """For each place in a window: for which windows it lies in the image, and on which pixels."""
        for offsets in itertools.product(*map(range, self.size)):
            axes = []
            for axis, offset in enumerate(offsets):
                stride, shift = self.strides[axis], offset - self.before[axis]
                first = max(0, -(shift // stride))
                last = min(self.output[axis] - 1, (self.input[axis] - 1 - shift) // stride)
                pixel = first * stride + shift
                count = last - first + 1
                axes.append((slice(first, last + 1), slice(pixel, pixel + (count - 1) * stride + 1, stride)))
            if all(target.stop > target.start for target, _ in axes):
                (rows, from_rows), (columns, from_columns) = axes
                yield (rows, columns), (from_rows, from_columns)


def prepare_images(images: NDArray[np.uint8], leading: Sequence[Pool]) -> NDArray[np.float32]:
    """Divide images by 255 and apply leading layers; in parts, to save memory.

    Args:
        images: uint8, (examples, rows, columns, channels).
        leading: the layers.

    Returns:
        float32, (examples, rows, columns, channels), as they come out.
    """
    shape = leading[-1].output if leading else images.shape[1:]
    prepared = np.empty((len(images), *shape), np.float32)
    parts = min(20, len(images))
    for before, after in zip(*(np.array_split(array, parts) for array in (images, prepared)), strict=True):
        # Divided here, and not multiplied by 1 / 255 in a compiled step: that may differ in the last bit.
        values: NDArray[np.float32] = np.divide(before, np.float32(255), dtype=np.float32)
        for pool in leading:
            values = pool.apply(values.reshape(-1, *pool.input))
        after[...] = values
    return prepared
