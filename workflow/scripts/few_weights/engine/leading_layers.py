"""Layers without weights at the start of a network, applied once to all images instead of once per batch."""

import itertools
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Pool(NamedTuple):
    """A pooling layer.

    Args:
        largest: whether it takes the largest value of a window, or their mean.
        size, strides: of the windows, in rows and columns.
        shape: rows, columns and channels that come out.
        before: rows above and columns left of the images that the first window includes.
    """

    largest: bool
    size: tuple[int, int]
    strides: tuple[int, int]
    shape: tuple[int, int, int]
    before: tuple[int, int]

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> "Pool":
        """Read what `_asdict` made, and JSON has turned into lists."""
        pairs = (tuple(values[key]) for key in ("size", "strides", "shape", "before"))
        return cls(values["largest"], *pairs)

    def apply(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Pool images of shape (examples, rows, columns, channels)."""
        if self.largest:
            pooled = np.full((len(images), *self.shape), -np.inf, np.float32)
            for target, source in self._places(images.shape[1:3]):
                part = pooled[:, target[0], target[1]]
                np.maximum(part, images[:, source[0], source[1]], out=part)
            return pooled
        pooled = np.zeros((len(images), *self.shape), np.float32)
        counts = np.zeros((*self.shape[:2], 1), np.float32)
        for target, source in self._places(images.shape[1:3]):
            pooled[:, target[0], target[1]] += images[:, source[0], source[1]]
            counts[target] += 1
        return pooled / counts

    def _places(self, shape: tuple[int, ...]) -> Iterator[tuple[tuple[slice, slice], tuple[slice, slice]]]:
        """For each place in a window: for which windows it lies in the image, and on which pixels."""
        for offsets in itertools.product(*map(range, self.size)):
            axes = []
            for axis, offset in enumerate(offsets):
                stride, shift = self.strides[axis], offset - self.before[axis]
                first = max(0, -(shift // stride))
                last = min(self.shape[axis] - 1, (shape[axis] - 1 - shift) // stride)
                pixel = first * stride + shift
                count = last - first + 1
                axes.append((slice(first, last + 1), slice(pixel, pixel + (count - 1) * stride + 1, stride)))
            if all(target.stop > target.start for target, _ in axes):
                (rows, from_rows), (columns, from_columns) = axes
                yield (rows, columns), (from_rows, from_columns)


def prepare_images(
    images: NDArray[np.uint8], leading: "list[Pool | tuple[int, ...]]", parts: int = 20
) -> NDArray[np.float32]:
    """Divide images by 255 and apply leading layers; in parts, to save memory.

    Args:
        images: uint8, (examples, rows, columns, channels).
        leading: pooling layers, and new shapes of an example.
        parts: how many.

    Returns:
        float32, (examples, the shape that comes out).
    """
    prepared: NDArray[np.float32] | None = None
    done = 0
    for part in np.array_split(images, min(parts, len(images))):
        # Divided here, and not multiplied by 1 / 255 in a compiled step: that may differ in the last bit.
        values: NDArray[np.float32] = np.divide(part, np.float32(255), dtype=np.float32)
        for each in leading:
            values = each.apply(values) if isinstance(each, Pool) else values.reshape(len(part), *each)
        if prepared is None:
            prepared = np.empty((len(images), *values.shape[1:]), np.float32)
        prepared[done : done + len(part)] = values
        done += len(part)
    assert prepared is not None
    return prepared
