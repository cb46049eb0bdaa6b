"""Memory layouts: a group of images at a time, one in each lane of a vector."""

from collections.abc import Iterator
from dataclasses import dataclass

from llvmlite import ir

from few_weights.engine.machine_code import LANES, ZERO, Code, Number
from few_weights.engine.products import Matrix


def whole_vectors(size: int) -> int:
    """`size`, rounded up to a multiple of `LANES`."""
    return -(-size // LANES) * LANES


def padded_stride(size: int) -> int:
    """A stride of at least `size` float32 between arrays that are used together.

    It is an odd number of cache lines of 64 bytes: with a power of two, all would compete for the same few
    lines of the cache.
    """
    lines = -(-size // 16)
    return 16 * (lines + 1 - lines % 2)


#: The points of Winograd's algorithm are 0, these two with both signs, and infinity. Of 14 pairs tried, this
#: one rounds best: sums of 288 products have 5 times the error of the plain sum; with 1 and 2, 11 times.
NEAR, FAR = 2 / 3, 3 / 2


#: About how many tiles are transformed before they are multiplied. Between 4 and 18 it hardly matters.
BLOCK = 9


@dataclass(frozen=True)
class Images:
    """Memory layout of a group of images: [row, column, channel, lane].

    Args:
        rows, columns, channels: of an image.
        border: rows and columns of zeros before the first.
        height, width: rows and columns that are allocated.
    """

    rows: int
    columns: int
    channels: int
    border: int
    height: int
    width: int

    @property
    def size(self) -> int:
        return self.height * self.width * self.channels * LANES

    @property
    def row_stride(self) -> int:
        return self.width * self.channels * LANES

    @property
    def column_stride(self) -> int:
        return self.channels * LANES

    @property
    def first(self) -> int:
        """The offset of the first pixel."""
        return self.border * (self.row_stride + self.column_stride)

    def tile(self, size: int) -> list[int]:
        """Offsets of the size x size pixels of a tile from its corner, row by row."""
        return [
            row * self.row_stride + column * self.column_stride
            for row in range(size)
            for column in range(size)
        ]

    def write_zeros_outside(self, code: Code, pointer: ir.Value) -> None:
        """Write code that sets everything around the images to 0."""
        below, right = self.border + self.rows, self.border + self.columns
        rectangles = [
            (0, self.border, 0, self.width),
            (below, self.height, 0, self.width),
            (self.border, below, 0, self.border),
            (self.border, below, right, self.width),
        ]
        for top, bottom, first, last in rectangles:
            if top == bottom or first == last:
                continue
            with code.loop(bottom, start=top) as row:
                begin = code.add(code.multiply(row, self.row_stride), first * self.column_stride)
                with code.loop((last - first) * self.column_stride, LANES) as offset:
                    code.store(ZERO, pointer, code.add(begin, offset))


@dataclass(frozen=True)
class Features:
    """Memory layout of features: [group, row, column, lane], one image in each lane.

    Args:
        rows, columns: how many rows of how many features.
        first: the offset of the first feature.
        row_stride, group_stride: from one row to the next, and from one group of images to the next.
    """

    rows: int
    columns: int
    first: int
    row_stride: int
    group_stride: int

    def matrix(self, pointer: ir.Value, row: Number, column: Number, code: Code) -> Matrix:
        """The features from a column of a row on, as a matrix [feature, group]."""
        start = code.add(self.first, code.multiply(row, self.row_stride), code.multiply(column, LANES))
        return Matrix(pointer, start, LANES, self.group_stride)

    def parts(self, code: Code, size: int) -> Iterator[tuple[Number, Number, int]]:
        """All features, up to `size` of a row at a time: yields row, first column and how many columns."""
        with code.loop(self.rows) as row:
            for column, length in code.parts(self.columns, size):
                yield row, column, length


@dataclass(frozen=True)
class Map:
    """The memory layout of a tensor of one group: [row, column, channel, lane], in a border of zeros.

    Args:
        rows, columns, channels: of the tensor.
        top, left, bottom, right: rows and columns of zeros around it.
    """

    rows: int
    columns: int
    channels: int
    top: int = 0
    left: int = 0
    bottom: int = 0
    right: int = 0

    @property
    def column_stride(self) -> int:
        return self.channels * LANES

    @property
    def row_stride(self) -> int:
        return (self.left + self.columns + self.right) * self.column_stride

    @property
    def size(self) -> int:
        return (self.top + self.rows + self.bottom) * self.row_stride

    @property
    def first(self) -> int:
        """The offset of the first value."""
        return self.top * self.row_stride + self.left * self.column_stride

    def at(self, code: Code, row: Number, column: Number = 0, channel: Number = 0) -> Number:
        """The offset of a value; rows and columns may lie in the border."""
        return code.add(
            self.first,
            code.multiply(row, self.row_stride),
            code.multiply(column, self.column_stride),
            code.multiply(channel, LANES),
        )

    def matrix(self, code: Code, pointer: ir.Value, row: Number, column: Number = 0, step: int = 1) -> Matrix:
        """[channel, column] of a row, from a column on, every `step` columns."""
        return Matrix(pointer, self.at(code, row, column), LANES, step * self.column_stride)
