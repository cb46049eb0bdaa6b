"""3 x 3 convolutions with a quarter of the multiplications, with an image in each lane of a vector.

Winograd's algorithm F(4 x 4, 3 x 3): a tile of 4 x 4 output pixels and the 6 x 6 input pixels it comes from
are taken as polynomials and evaluated at six points in each direction. There a convolution is a product, 36
for the tile instead of 144; over channels and filters these are 36 matrix products. As in S. Winograd,
*Arithmetic Complexity of Computations* (1980), and for networks A. Lavin and S. Gray, *Fast Algorithms for
Convolutional Neural Networks* (2016).

It is the same sum in another order. All steps are done for a few tiles at a time, so that nothing in between
leaves the cache; the gradients are the transposed algorithm.
"""

import contextlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from llvmlite import ir

from few_weights.engine.machine_code import INTEGERS, LANES, NO_BITS, ZERO, Code, Program, constant
from few_weights.engine.products import Matrix, write_dots, write_product

#: The points are 0, these two with both signs, and infinity. Of 14 pairs tried this one rounds best: sums of
#: 288 products come out with 5 times the error of the plain sum; with the usual 1 and 2 it is 11 times.
NEAR, FAR = 2 / 3, 3 / 2

#: About how many tiles are transformed before they are multiplied. From 4 to 18 it hardly matters.
BLOCK = 9


def whole_vectors(size: int) -> int:
    """`size`, rounded up to what whole vectors hold."""
    return -(-size // LANES) * LANES


def spread_stride(size: int) -> int:
    """A distance of at least `size` float32 between things that are used together.

    It is an odd number of cache lines of 64 bytes: a power of two would put them all into the same few places
    of the cache.
    """
    lines = -(-size // 16)
    return 16 * (lines + 1 - lines % 2)


@dataclass(frozen=True)
class Images:
    """How the images of a group lie in memory, one in each lane: [row, column, channel, lane].

    Args:
        rows, columns, channels: of an image.
        border: rows and columns of zeros before the first.
        height, width: rows and columns there is room for.
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
        """Offsets of a tile's size x size pixels from its corner, row by row."""
        return [
            row * self.row_stride + column * self.column_stride
            for row in range(size)
            for column in range(size)
        ]

    def write_zeros_outside(self, code: Code, pointer: ir.Value) -> None:
        """Set all that lies around the images to 0."""
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
class Convolution:
    """A 3 x 3 convolution, perhaps with ReLU and 2 x 2 max pooling behind it.

    Args:
        images, output: how what goes in and what comes out lies. Both have room for whole tiles.
        rows, columns: of what the convolution itself gives, before pooling.
    """

    images: Images
    output: Images
    rows: int
    columns: int
    relu: bool
    pooled: bool

    @property
    def output_stride(self) -> int:
        """From the output of a group to that of the next."""
        return spread_stride(self.output.size)

    @property
    def tile_rows(self) -> int:
        return -(-self.rows // 4)

    @property
    def tile_columns(self) -> int:
        return -(-self.columns // 4)

    @property
    def block(self) -> int:
        """Tiles that are transformed before they are multiplied."""
        tiles = self.tile_rows * self.tile_columns
        sizes = (size for size in range(1, tiles + 1) if tiles % size == 0)
        return min(sizes, key=lambda size: abs(math.log(size / BLOCK)))

    @property
    def points_size(self) -> int:
        """Room for the kernel at the points."""
        return 36 * self._kernel_stride

    @property
    def _kernel_stride(self) -> int:
        return whole_vectors(self.images.channels * self.output.channels)

    @property
    def scratch_size(self) -> int:
        """Room for a block's tiles at the points, and a mask for each of their pixels."""
        channels = max(self.images.channels, self.output.channels)
        return 36 * self._tiles_stride(channels) + self.block * 16 * LANES

    def _tiles_stride(self, channels):
        return spread_stride(channels * self.block * LANES)

    def write_kernel_transform(self, program: Program, name: str) -> Code:
        """(kernel, points): a kernel [3, 3, channel, filter] at the points, [36, channel, filter]."""
        code = program.function(name, pointers=2)
        kernel, points = code.arguments
        size = self.images.channels * self.output.channels
        with code.loop(size, LANES) as first:
            weights = [code.load(kernel, code.add(first, size * place)) for place in range(9)]
            for place, value in enumerate(both_ways(code, evaluate_kernel, weights)):
                code.store(value, points, code.add(first, place * self._kernel_stride))
        code.finish()
        return code

    def write_gradient_transform(self, program: Program, name: str) -> Code:
        """(points, sums, gradient, bias gradient): the gradients, from what `backward` added up.

        What it added up is set to 0 for the next step.
        """
        code = program.function(name, pointers=4)
        points, sums, gradient, bias_gradient = code.arguments
        filters = self.output.channels
        size = self.images.channels * filters
        for first, lanes in code.parts(size, LANES):
            places = [code.add(first, place * self._kernel_stride) for place in range(36)]
            values = [code.load(points, place) for place in places]
            for place in places:
                code.store(ZERO, points, place)
            for place, weight in enumerate(both_ways(code, evaluate_kernel_transposed, values)):
                code.store(weight, gradient, code.add(first, size * place), lanes)
        for first, lanes in code.parts(filters, LANES):
            places = [code.multiply(code.add(first, lane), LANES) for lane in range(lanes)]
            code.store(
                code.lane_sums([code.load(sums, place) for place in places]), bias_gradient, first, lanes
            )
            for place in places:
                code.store(ZERO, sums, place)
        code.finish()
        return code

    def write_forward(self, program: Program, name: str) -> Code:
        """(images, points, bias, output, choice, scratch, other scratch) of one group.

        Where there is pooling, `choice` is as large as the output and says which of its four pixels each was,
        in reading order, or 4 where ReLU gave 0.
        """
        code = program.function(name, pointers=7)
        images, points, bias, output, choice, inputs, outputs = code.arguments
        channels, filters = self.images.channels, self.output.channels
        with self._blocks(code) as first:
            self._write_input_points(code, first, images, inputs)
            with code.loop(36) as point:
                write_product(
                    code,
                    Matrix(points, code.multiply(point, self._kernel_stride), 1, filters),
                    self._tiles_at(code, inputs, point, channels),
                    self._tiles_at(code, outputs, point, filters),
                    (filters, channels, self.block),
                )
            masks = code.at(outputs, 36 * self._tiles_stride(filters))
            self._write_masks(code, first, images, masks)
            with self._tiles(code, filters) as (tile, filter_):
                values = [code.load(*place) for place in self._places(code, outputs, tile, filter_, filters)]
                added = code.spread(bias, filter_)
                pixels = []
                for number, pixel in enumerate(both_ways(code, interpolate_output, values)):
                    place = code.multiply(code.add(code.multiply(tile, 16), number), LANES)
                    mask = code.load(masks, place, INTEGERS)
                    pixels.append(code.builder.fadd(code.where(mask, pixel), added))
                self._write_pixels(code, first, tile, filter_, pixels, output, choice)
        if self._cuts_tiles():
            self.output.write_zeros_outside(code, output)
        code.finish()
        return code

    def write_backward(self, program: Program, name: str, to_images: bool) -> Code:
        """(images, points, output, choice, upstream, gradients of points, bias and images, two of scratch).

        Of one group. `upstream` is the gradient of the output. The gradient of the kernel at the points and
        that of the bias, [filter, lane], are added to what is there; that of the images is written where
        `to_images` asks for it.
        """
        code = program.function(name, pointers=10)
        images, points, output, choice, upstream, *gradients, inputs, outputs = code.arguments
        points_gradient, sums, images_gradient = gradients
        channels, filters = self.images.channels, self.output.channels
        if to_images:
            with code.loop(self.images.size, LANES) as offset:
                code.store(ZERO, images_gradient, offset)
        with self._blocks(code) as first:
            self._write_input_points(code, first, images, inputs)
            with self._tiles(code, filters) as (tile, filter_):
                pixels = self._load_upstream(code, first, tile, filter_, output, choice, upstream)
                place = sums, code.multiply(filter_, LANES)
                code.store(code.sum([code.load(*place), *pixels]), *place)
                values = both_ways(code, interpolate_output_transposed, pixels)
                for value, place in zip(
                    values, self._places(code, outputs, tile, filter_, filters), strict=True
                ):
                    code.store(value, *place)
            with code.loop(36) as point:
                input_tiles = self._tiles_at(code, inputs, point, channels)
                output_tiles = self._tiles_at(code, outputs, point, filters)
                start = code.multiply(point, self._kernel_stride)
                gradient = Matrix(points_gradient, start, filters, 1)
                shape = channels, self.block, filters
                write_dots(code, input_tiles, output_tiles.turned(), gradient, shape, add=True)
                if to_images:
                    # The input's values are not needed any more: their gradients take their place.
                    weights = Matrix(points, start, filters, 1)
                    write_product(code, weights, output_tiles, input_tiles, (channels, filters, self.block))
            if to_images:
                with self._tiles(code, channels) as (tile, channel):
                    values = [
                        code.load(*place) for place in self._places(code, inputs, tile, channel, channels)
                    ]
                    corner = self._corner(code, self.images, 4, first, tile, channel)
                    pixels = both_ways(code, evaluate_input_transposed, values)
                    for pixel, offset in zip(pixels, self.images.tile(6), strict=True):
                        place = images_gradient, code.add(corner, offset)
                        # Neighbouring tiles share two rows or columns of the input.
                        code.store(code.builder.fadd(code.load(*place), pixel), *place)
        if to_images:
            self.images.write_zeros_outside(code, images_gradient)
        code.finish()
        return code

    def _cuts_tiles(self):
        return self.rows % 4 or self.columns % 4

    def _blocks(self, code):
        """The first tile of each block."""
        return code.loop(self.tile_rows * self.tile_columns, self.block)

    @contextlib.contextmanager
    def _tiles(self, code, channels):
        """Each tile of a block, and each of its channels."""
        with code.loop(channels) as channel, code.loop(self.block) as tile:
            yield tile, channel

    def _tiles_at(self, code, pointer, point, channels):
        """A block's tiles at one of the 36 points: [channel, tile]."""
        start = code.multiply(point, self._tiles_stride(channels))
        return Matrix(pointer, start, self.block * LANES, LANES)

    def _places(self, code, pointer, tile, channel, channels):
        """Where a tile's 36 values are in scratch."""
        first = code.multiply(code.add(code.multiply(channel, self.block), tile), LANES)
        stride = self._tiles_stride(channels)
        return [(pointer, code.add(first, point * stride)) for point in range(36)]

    def _corner(self, code, images, size, first, tile, channel):
        """The offset of a tile's first pixel, where tiles are `size` pixels apart."""
        row, column = code.divide(code.add(first, tile), self.tile_columns)
        return code.add(
            code.multiply(row, size * images.row_stride),
            code.multiply(column, size * images.column_stride),
            code.multiply(channel, LANES),
        )

    def _write_input_points(self, code, first, images, inputs):
        channels = self.images.channels
        with self._tiles(code, channels) as (tile, channel):
            corner = self._corner(code, self.images, 4, first, tile, channel)
            pixels = [code.load(images, code.add(corner, offset)) for offset in self.images.tile(6)]
            values = both_ways(code, evaluate_input, pixels)
            for value, place in zip(values, self._places(code, inputs, tile, channel, channels), strict=True):
                code.store(value, *place)

    def _output_places(self, code, first, tile, filter_):
        """Offsets of what comes of a tile: 4 x 4 pixels, or the 2 x 2 they are pooled to."""
        size = 2 if self.pooled else 4
        corner = self._corner(code, self.output, size, first, tile, filter_)
        return [code.add(corner, self.output.first, offset) for offset in self.output.tile(size)]

    def _write_masks(self, code, first, images, masks):
        """Mark the pixels of a block's tiles under whose kernel all is 0, in all channels.

        As in the background of a digit. The plain sum is exactly 0 there, and as long as the bias is 0 too,
        its ReLU passes no gradient. Here it is a difference of products, and 0 but for rounding.
        """
        offsets = self.images.tile(6)
        with code.loop(self.block) as tile:
            corner = self._corner(code, self.images, 4, first, tile, 0)
            rows = []
            for row in range(6):
                seen = [code.variable(NO_BITS) for _ in range(6)]
                with code.loop(self.images.channels) as channel:
                    for column, bits in enumerate(seen):
                        offset = code.add(corner, code.multiply(channel, LANES), offsets[6 * row + column])
                        pixel = code.load(images, offset, INTEGERS)
                        code.set(bits, code.builder.or_(code.get(bits), pixel))
                seen = [code.get(bits) for bits in seen]
                rows.append([self._any(code, seen[column : column + 3]) for column in range(4)])
            for number in range(16):
                row, column = divmod(number, 4)
                bits = self._any(code, [rows[row + down][column] for down in range(3)])
                place = code.multiply(code.add(code.multiply(tile, 16), number), LANES)
                code.store(code.mark(bits), masks, place)

    @staticmethod
    def _any(code, three):
        return code.builder.or_(code.builder.or_(three[0], three[1]), three[2])

    def _write_pixels(self, code, first, tile, filter_, pixels, output, choice):
        places = self._output_places(code, first, tile, filter_)
        if not self.pooled:
            for pixel, place in zip(pixels, places, strict=True):
                code.store(code.where_positive(pixel, pixel) if self.relu else pixel, output, place)
            return
        for window, place in zip(_windows(pixels), places, strict=True):
            largest, chosen = window[0], ZERO
            for number, pixel in enumerate(window[1:], 1):
                larger = code.builder.fcmp_ordered(">", pixel, largest)
                largest = code.builder.select(larger, pixel, largest)
                chosen = code.builder.select(larger, constant(number), chosen)
            if self.relu:
                off = code.builder.fcmp_ordered("<=", largest, ZERO)
                largest = code.builder.select(off, ZERO, largest)
                chosen = code.builder.select(off, constant(4), chosen)
            code.store(largest, output, place)
            code.store(chosen, choice, place)

    def _load_upstream(self, code, first, tile, filter_, output, choice, upstream):
        """The gradient of a tile's 4 x 4 pixels, before pooling and ReLU."""
        places = self._output_places(code, first, tile, filter_)
        gradients = [code.load(upstream, place) for place in places]
        if not self.pooled:
            if not self.relu:
                return gradients
            return [
                code.where_positive(code.load(output, place), gradient)
                for gradient, place in zip(gradients, places, strict=True)
            ]
        chosen = [code.load(choice, place) for place in places]
        pixels = [None] * 16
        for window, members in enumerate(_windows(range(16))):
            for number, pixel in enumerate(members):
                here = code.builder.fcmp_ordered("==", chosen[window], constant(number))
                pixels[pixel] = code.builder.select(here, gradients[window], ZERO)
        return pixels


def _windows(pixels: Sequence) -> list[list]:
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
