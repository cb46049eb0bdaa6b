"""Machine code for 3 x 3 convolutions with a quarter of the multiplications, by Winograd's algorithm.

Each lane of a vector computes one image. In F(4 x 4, 3 x 3), a tile of 4 x 4 output pixels and the 6 x 6
input pixels that it depends on are regarded as polynomials and evaluated at six points in each dimension. In
this transform domain a convolution is a product, 36 for the tile instead of 144; over channels and filters
these are 36 matrix products. See S. Winograd, *Arithmetic Complexity of Computations* (1980), and for
networks A. Lavin and S. Gray, *Fast Algorithms for Convolutional Neural Networks* (2016).

It is the plain sum in another order. All steps are done for a block of a few tiles, so that intermediate
results stay in the cache; the gradients are the transposed algorithm.
"""

import contextlib
import math
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from llvmlite import ir

from few_weights.engine.layouts import BLOCK, Images, padded_stride, whole_vectors
from few_weights.engine.machine_code import INTEGERS, LANES, NO_BITS, ZERO, Code, Number, Program, constant
from few_weights.engine.products import Matrix, write_dots, write_product
from few_weights.engine.winograd_transforms import (
    evaluate_input,
    evaluate_input_transposed,
    evaluate_kernel,
    evaluate_kernel_transposed,
    interpolate_output,
    interpolate_output_transposed,
    transform_rows_and_columns,
    windows,
)


@dataclass(frozen=True)
class Convolution:
    """A 3 x 3 convolution, optionally followed by ReLU and by 2 x 2 max pooling.

    Args:
        images, output: memory layouts of input and output, both large enough for whole tiles.
        rows, columns: of the convolution's own output, before pooling.
        relu, pooled: what follows the convolution.
    """

    images: Images
    output: Images
    rows: int
    columns: int
    relu: bool
    pooled: bool

    @property
    def output_stride(self) -> int:
        """Offset from the output of a group of images to that of the next."""
        return padded_stride(self.output.size)

    @property
    def tile_rows(self) -> int:
        return -(-self.rows // 4)

    @property
    def tile_columns(self) -> int:
        return -(-self.columns // 4)

    @property
    def block(self) -> int:
        """Tiles per block, which are transformed before they are multiplied."""
        tiles = self.tile_rows * self.tile_columns
        sizes = (size for size in range(1, tiles + 1) if tiles % size == 0)
        return min(sizes, key=lambda size: abs(math.log(size / BLOCK)))

    @property
    def transformed_kernel_size(self) -> int:
        """Size of the kernel in the transform domain."""
        return 36 * self._kernel_stride

    @property
    def _kernel_stride(self) -> int:
        return whole_vectors(self.images.channels * self.output.channels)

    @property
    def scratch_size(self) -> int:
        """Size of a block's tiles in the transform domain, and of a mask for each of their pixels."""
        channels = max(self.images.channels, self.output.channels)
        return 36 * self._tiles_stride(channels) + self.block * 16 * LANES

    def _tiles_stride(self, channels: int) -> int:
        return padded_stride(channels * self.block * LANES)

    def write_kernel_transform(self, program: Program, name: str) -> Code:
        """Write the transform of a kernel from [3, 3, channel, filter] to [36, channel, filter].

        Its arguments: (kernel, transformed kernel).
        """
        code = program.define(name, ["kernel", "transformed"])
        kernel, transformed = code.named.values()
        size = self.images.channels * self.output.channels
        with code.loop(size, LANES) as first:
            weights = [code.load(kernel, code.add(first, size * index)) for index in range(9)]
            for point, value in enumerate(transform_rows_and_columns(code, evaluate_kernel, weights)):
                code.store(value, transformed, code.add(first, point * self._kernel_stride))
        code.finish()
        return code

    def write_gradient_transform(self, program: Program, name: str) -> Code:
        """Write the last step of the backward pass: the gradients from the sums that `backward` accumulated.

        The sums are set to 0 for the next step of training.

        Its arguments: (gradient of the transformed kernel, bias gradient [filter, lane], kernel gradient,
        bias gradient).
        """
        sums = ["transformed_gradient", "bias_gradient_lanes"]
        code = program.define(name, [*sums, "kernel_gradient", "bias_gradient"])
        transformed_gradient, bias_gradient_lanes, gradient, bias_gradient = code.named.values()
        filters = self.output.channels
        size = self.images.channels * filters
        for first, lanes in code.parts(size, LANES):
            offsets = [code.add(first, point * self._kernel_stride) for point in range(36)]
            values = [code.load(transformed_gradient, offset) for offset in offsets]
            for offset in offsets:
                code.store(ZERO, transformed_gradient, offset)
            weights = transform_rows_and_columns(code, evaluate_kernel_transposed, values)
            for index, weight in enumerate(weights):
                code.store(weight, gradient, code.add(first, size * index), lanes)
        for first, lanes in code.parts(filters, LANES):
            offsets = [code.multiply(code.add(first, lane), LANES) for lane in range(lanes)]
            sums = code.lane_sums([code.load(bias_gradient_lanes, offset) for offset in offsets])
            code.store(sums, bias_gradient, first, lanes)
            for offset in offsets:
                code.store(ZERO, bias_gradient_lanes, offset)
        code.finish()
        return code

    def write_forward(self, program: Program, name: str) -> Code:
        """Write the forward pass of one group of images.

        With pooling, `argmax` is as large as the output: the index of the largest of the four pixels of a
        window, in reading order, or 4 where ReLU returned 0.

        Its arguments: (images, transformed kernel, bias, output, argmax, scratch, other scratch).
        """
        buffers = ["output", "argmax", "inputs", "outputs"]
        code = program.define(name, ["images", "transformed", "bias", *buffers])
        images, kernel, bias, output, argmax, inputs, outputs = code.named.values()
        channels, filters = self.images.channels, self.output.channels
        with self._blocks(code) as first:
            self._transform_input(code, first, images, inputs)
            with code.loop(36) as point:
                write_product(
                    code,
                    Matrix(kernel, code.multiply(point, self._kernel_stride), 1, filters),
                    self._tiles_at(code, inputs, point, channels),
                    self._tiles_at(code, outputs, point, filters),
                    (filters, channels, self.block),
                )
            masks = code.at(outputs, 36 * self._tiles_stride(filters))
            self._write_masks(code, first, images, masks)
            with self._tiles(code, filters) as (tile, filter_):
                values = self._load_tile(code, outputs, tile, filter_, filters)
                added = code.load_broadcast(bias, filter_)
                pixels = []
                for number, pixel in enumerate(transform_rows_and_columns(code, interpolate_output, values)):
                    mask = code.load(masks, self._mask_offset(code, tile, number), INTEGERS)
                    pixels.append(code.builder.fadd(code.where(mask, pixel), added))
                self._write_pixels(code, first, tile, filter_, pixels, output, argmax)
        if self._cuts_tiles():
            self.output.write_zeros_outside(code, output)
        code.finish()
        return code

    def write_backward(self, program: Program, name: str, to_images: bool) -> Code:
        """Write the backward pass of one group of images.

        The gradients of the transformed kernel and of the bias, [filter, lane], are added to their buffers.

        Its arguments: (images, transformed kernel, output, argmax, upstream, gradients of transformed kernel,
        bias and images, scratch, other scratch). `upstream` is the gradient of the output.

        Args:
            to_images: whether to compute the gradient of the images.
        """
        gradients = ["transformed_gradient", "bias_gradient_lanes", "images_gradient"]
        known = ["images", "transformed", "output", "argmax", "upstream"]
        code = program.define(name, [*known, *gradients, "inputs", "outputs"])
        images, kernel, output, argmax, upstream, *rest = code.named.values()
        kernel_gradient, bias_gradient_lanes, images_gradient, inputs, outputs = rest
        channels, filters = self.images.channels, self.output.channels
        if to_images:
            with code.loop(self.images.size, LANES) as offset:
                code.store(ZERO, images_gradient, offset)
        with self._blocks(code) as first:
            self._transform_input(code, first, images, inputs)
            with self._tiles(code, filters) as (tile, filter_):
                pixels = self._load_upstream(code, first, tile, filter_, output, argmax, upstream)
                address = bias_gradient_lanes, code.multiply(filter_, LANES)
                code.store(code.sum([code.load(*address), *pixels]), *address)
                values = transform_rows_and_columns(code, interpolate_output_transposed, pixels)
                self._store_tile(code, values, outputs, tile, filter_, filters)
            with code.loop(36) as point:
                input_tiles = self._tiles_at(code, inputs, point, channels)
                output_tiles = self._tiles_at(code, outputs, point, filters)
                start = code.multiply(point, self._kernel_stride)
                gradient = Matrix(kernel_gradient, start, filters, 1)
                shape = channels, self.block, filters
                write_dots(code, input_tiles, output_tiles.transposed(), gradient, shape, add=True)
                if to_images:
                    # The input's values are not needed any more: their gradients overwrite them.
                    weights = Matrix(kernel, start, filters, 1)
                    write_product(code, weights, output_tiles, input_tiles, (channels, filters, self.block))
            if to_images:
                with self._tiles(code, channels) as (tile, channel):
                    values = self._load_tile(code, inputs, tile, channel, channels)
                    corner = self._corner(code, self.images, 4, first, tile, channel)
                    pixels = transform_rows_and_columns(code, evaluate_input_transposed, values)
                    for pixel, offset in zip(pixels, self.images.tile(6), strict=True):
                        address = images_gradient, code.add(corner, offset)
                        # Neighbouring tiles share two rows or columns of the input.
                        code.store(code.builder.fadd(code.load(*address), pixel), *address)
        if to_images:
            self.images.write_zeros_outside(code, images_gradient)
        code.finish()
        return code

    def _cuts_tiles(self) -> bool:
        """Whether the last tiles reach beyond the output."""
        return bool(self.rows % 4 or self.columns % 4)

    def _blocks(self, code: Code) -> AbstractContextManager[Number]:
        """A loop over all blocks of tiles; yields the first tile of each."""
        return code.loop(self.tile_rows * self.tile_columns, self.block)

    @contextlib.contextmanager
    def _tiles(self, code: Code, channels: int) -> Iterator[tuple[Number, Number]]:
        """A loop over the tiles of a block and their channels; yields tile and channel."""
        with code.loop(channels) as channel, code.loop(self.block) as tile:
            yield tile, channel

    def _tiles_at(self, code: Code, pointer: ir.Value, point: Number, channels: int) -> Matrix:
        """A block's tiles at one of the 36 points of the transform domain: [channel, tile]."""
        start = code.multiply(point, self._tiles_stride(channels))
        return Matrix(pointer, start, self.block * LANES, LANES)

    def _tile_offsets(self, code: Code, tile: Number, channel: Number, channels: int) -> list[Number]:
        """The offsets of a tile's 36 values in scratch."""
        first = code.multiply(code.add(code.multiply(channel, self.block), tile), LANES)
        stride = self._tiles_stride(channels)
        return [code.add(first, point * stride) for point in range(36)]

    def _load_tile(
        self, code: Code, pointer: ir.Value, tile: Number, channel: Number, channels: int
    ) -> list[ir.Value]:
        """Read a tile's 36 values from scratch."""
        return [code.load(pointer, offset) for offset in self._tile_offsets(code, tile, channel, channels)]

    def _store_tile(
        self,
        code: Code,
        values: Sequence[ir.Value],
        pointer: ir.Value,
        tile: Number,
        channel: Number,
        channels: int,
    ) -> None:
        """Write a tile's 36 values to scratch."""
        offsets = self._tile_offsets(code, tile, channel, channels)
        for value, offset in zip(values, offsets, strict=True):
            code.store(value, pointer, offset)

    @staticmethod
    def _mask_offset(code: Code, tile: Number, pixel: int) -> Number:
        """The offset of the mask of one of a tile's 16 pixels."""
        return code.multiply(code.add(code.multiply(tile, 16), pixel), LANES)

    def _corner(
        self, code: Code, images: Images, size: int, first: Number, tile: Number, channel: Number
    ) -> Number:
        """The offset of a tile's first pixel; tiles are `size` pixels apart, the block begins at `first`."""
        row, column = code.divide(code.add(first, tile), self.tile_columns)
        return code.add(
            code.multiply(row, size * images.row_stride),
            code.multiply(column, size * images.column_stride),
            code.multiply(channel, LANES),
        )

    def _transform_input(self, code: Code, first: Number, images: ir.Value, inputs: ir.Value) -> None:
        """Transform the input of a block of tiles."""
        channels = self.images.channels
        with self._tiles(code, channels) as (tile, channel):
            corner = self._corner(code, self.images, 4, first, tile, channel)
            pixels = [code.load(images, code.add(corner, offset)) for offset in self.images.tile(6)]
            values = transform_rows_and_columns(code, evaluate_input, pixels)
            self._store_tile(code, values, inputs, tile, channel, channels)

    def _output_offsets(self, code: Code, first: Number, tile: Number, filter_: Number) -> list[Number]:
        """Offsets of a tile's output: 4 x 4 pixels, or the 2 x 2 to which they are pooled."""
        size = 2 if self.pooled else 4
        corner = self._corner(code, self.output, size, first, tile, filter_)
        return [code.add(corner, self.output.first, offset) for offset in self.output.tile(size)]

    def _write_masks(self, code: Code, first: Number, images: ir.Value, masks: ir.Value) -> None:
        """Mask the output pixels of a block's tiles whose 3 x 3 input pixels are all 0, in all channels.

        This is the background of a digit. The plain sum is exactly 0 there, and as long as the bias is 0 too,
        its ReLU passes no gradient. Winograd's sum is a difference of products, and 0 only up to rounding.
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
                offset = self._mask_offset(code, tile, number)
                code.store(code.nonzero_mask(bits), masks, offset)

    @staticmethod
    def _any(code: Code, three: Sequence[ir.Value]) -> ir.Value:
        """The bits that are set in any of three vectors."""
        return code.builder.or_(code.builder.or_(three[0], three[1]), three[2])

    def _write_pixels(
        self,
        code: Code,
        first: Number,
        tile: Number,
        filter_: Number,
        pixels: Sequence[ir.Value],
        output: ir.Value,
        argmax: ir.Value,
    ) -> None:
        """Apply ReLU and pooling to a tile's 4 x 4 pixels, and write the output."""
        offsets = self._output_offsets(code, first, tile, filter_)
        if not self.pooled:
            for pixel, offset in zip(pixels, offsets, strict=True):
                code.store(code.where_positive(pixel, pixel) if self.relu else pixel, output, offset)
            return
        for window, offset in zip(windows(pixels), offsets, strict=True):
            largest, index = window[0], ZERO
            for number, pixel in enumerate(window[1:], 1):
                larger = code.builder.fcmp_ordered(">", pixel, largest)
                largest = code.builder.select(larger, pixel, largest)
                index = code.builder.select(larger, constant(number), index)
            if self.relu:
                off = code.builder.fcmp_ordered("<=", largest, ZERO)
                largest = code.builder.select(off, ZERO, largest)
                index = code.builder.select(off, constant(4), index)
            code.store(largest, output, offset)
            code.store(index, argmax, offset)

    def _load_upstream(
        self,
        code: Code,
        first: Number,
        tile: Number,
        filter_: Number,
        output: ir.Value,
        argmax: ir.Value,
        upstream: ir.Value,
    ) -> list[ir.Value]:
        """The gradients of a tile's 4 x 4 pixels before ReLU and pooling."""
        offsets = self._output_offsets(code, first, tile, filter_)
        gradients = [code.load(upstream, offset) for offset in offsets]
        if not self.pooled:
            if not self.relu:
                return gradients
            return [
                code.where_positive(code.load(output, offset), gradient)
                for gradient, offset in zip(gradients, offsets, strict=True)
            ]
        indices = [code.load(argmax, offset) for offset in offsets]
        pixels = [ZERO] * 16
        for window, members in enumerate(windows(range(16))):
            for number, pixel in enumerate(members):
                is_largest = code.builder.fcmp_ordered("==", indices[window], constant(number))
                pixels[pixel] = code.builder.select(is_largest, gradients[window], ZERO)
        return pixels
