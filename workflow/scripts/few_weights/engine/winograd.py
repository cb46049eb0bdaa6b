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
from dataclasses import dataclass

from few_weights.engine.layouts import BLOCK, Images, spread_stride, whole_vectors
from few_weights.engine.machine_code import INTEGERS, LANES, NO_BITS, ZERO, Code, Program, constant
from few_weights.engine.products import Matrix, write_dots, write_product
from few_weights.engine.winograd_transforms import (
    both_ways,
    evaluate_input,
    evaluate_input_transposed,
    evaluate_kernel,
    evaluate_kernel_transposed,
    interpolate_output,
    interpolate_output_transposed,
    windows,
)


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
        for window, place in zip(windows(pixels), places, strict=True):
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
        for window, members in enumerate(windows(range(16))):
            for number, pixel in enumerate(members):
                here = code.builder.fcmp_ordered("==", chosen[window], constant(number))
                pixels[pixel] = code.builder.select(here, gradients[window], ZERO)
        return pixels
