"""Convolutions of any kernel, stride, padding and dilation in machine code, with an image in each lane."""

from collections.abc import Sequence
from dataclasses import dataclass

from llvmlite import ir

from few_weights.engine.kinds.kind import Plain
from few_weights.engine.layouts import Map
from few_weights.engine.machine_code import LANES, ZERO, Code, Number, Program
from few_weights.engine.products import Depth, Matrix, write_gradient_sums, write_sums

#: Bytes of the fastest cache, about.
CACHE = 2**15


@dataclass(frozen=True)
class Convolution(Plain):
    """A convolution with a kernel [row, column, channel, filter], without activation.

    Args:
        values, output: what goes in and comes out; `values` has a border that holds the padding.
        size: rows and columns of the kernel.
        strides, dilation: of rows and columns.
        padding: rows above and columns left of the values that the kernel reads.
        bias: whether there is one.
    """

    values: Map
    output: Map
    size: tuple[int, int]
    strides: tuple[int, int]
    dilation: tuple[int, int]
    padding: tuple[int, int]
    bias: bool

    @property
    def overwrites(self) -> bool:
        """Where gradients of values are gathered."""
        return self._gathers

    @property
    def shared_size(self) -> int:
        """The sums of the kernel's gradient in each lane, and upstream in a border."""
        return self._sums_size + (self._padded.size if self._gathers and self._copies else 0)

    @property
    def _copies(self) -> bool:
        """Whether upstream has to be copied: its own border may hold anything, whatever its size."""
        return self.size != (1, 1) or self._padded != self.output

    @property
    def _sums_size(self) -> int:
        return self._kernel_size * LANES if self._by_row else 0

    @property
    def _kernel_size(self) -> int:
        """Numbers of the kernel."""
        return self.size[0] * self._row_size

    @property
    def _by_row(self) -> bool:
        """Whether the kernel's gradient goes through one row after the other: a row stays in the cache."""
        return 4 * self.values.size > CACHE and self.output.columns >= LANES

    @property
    def _gathers(self) -> bool:
        """Whether gradients of values are gathered; in small outputs that would be mostly zeros."""
        positions = self.values.rows * self.values.columns
        return self.strides == (1, 1) and positions <= 1.5 * self.output.rows * self.output.columns

    @property
    def _padded(self) -> Map:
        """The layout of upstream in the zeros that a kernel meets which begins at each value."""
        rows, columns, filters = self.output.rows, self.output.columns, self.output.channels
        if self.size == (1, 1):
            return self.output
        top, left = (
            (size - 1) * dilation - before
            for size, dilation, before in zip(self.size, self.dilation, self.padding, strict=True)
        )
        bottom = self.values.rows + self.padding[0] - rows
        right = self.values.columns + self.padding[1] - columns
        return Map(rows, columns, filters, top, left, bottom, right)

    @property
    def _row_size(self) -> int:
        """Numbers of a row of the kernel."""
        return self.size[1] * self.values.channels * self.output.channels

    def _seen(
        self, code: Code, row: Number, kernel_row: Number, kernel_column: Number = 0
    ) -> tuple[Number, Number, int]:
        """Which row and first column of the values a row of the output meets at an element of the kernel;
        and the columns from one to the next."""
        (down, across), (dilation, spread) = self.strides, self.dilation
        top, left = self.padding
        image_row = code.add(code.multiply(row, down), code.multiply(kernel_row, dilation), -top)
        return image_row, code.add(code.multiply(kernel_column, spread), -left), across

    def write_forward(self, program: Program, name: str) -> Code:
        """(values, kernel, bias, output)."""
        code = program.define(name, ["values", "kernel", "bias", "output"])
        values, kernel, bias, output = code.named.values()
        channels, filters = self.values.channels, self.output.channels
        down = self.dilation[0] * self.values.row_stride
        across = self.dilation[1] * self.values.column_stride
        depths = [
            Depth(self.size[0], self._row_size, down),
            Depth(self.size[1], channels * filters, across),
            Depth(channels, filters, LANES),
        ]
        with code.loop(self.output.rows) as row:
            image_row, column, step = self._seen(code, row, 0)
            write_sums(
                code,
                Matrix(kernel, 0, 1, filters),
                self.values.matrix(code, values, image_row, column, step),
                self.output.matrix(code, output, row),
                (filters, self.output.columns),
                depths,
                (lambda filter_: code.load_broadcast(bias, filter_)) if self.bias else (lambda filter_: ZERO),
            )
        code.finish()
        return code

    def write_backward(self, program: Program, name: str, to_values: bool, overwrite: bool = False) -> Code:
        """(values, kernel, upstream, kernel_gradient, bias_gradient, values_gradient, shared).

        All gradients are added to what is there; that of the values only where `to_values` asks for it.
        """
        pointers = ["values", "kernel", "upstream", "kernel_gradient", "bias_gradient", "values_gradient"]
        code = program.define(name, [*pointers, "shared"])
        self._write_kernel_gradient(code)
        if self.bias:
            self._write_bias_gradient(code)
        if to_values and self._gathers:
            self._write_gathered(code, overwrite)
        elif to_values:
            self._write_spread(code)
        code.finish()
        return code

    def _write_kernel_gradient(self, code: Code) -> None:
        """The products of values and upstream, summed over all positions and then over the lanes."""
        channels, filters = self.values.channels, self.output.channels
        along = Depth(
            self.output.columns, self.strides[1] * self.values.column_stride, self.output.column_stride
        )
        below = Depth(self.output.rows, self.strides[0] * self.values.row_stride, self.output.row_stride)
        # The rows of the sums are channels; if they follow each other in memory, columns of the kernel, too.
        merged = self.dilation[1] == 1 or channels == 1
        rows, columns = (self.size[1] * channels, 1) if merged else (channels, self.size[1])
        rise = self.dilation[1] * self.values.column_stride if channels == 1 else LANES
        shared, gradient = code.named["shared"], code.named["kernel_gradient"]

        def write(row: Number, depths: Sequence[Depth], lanes: ir.Value | None) -> None:
            with code.loop(self.size[0]) as kernel_row, code.loop(columns) as kernel_column:
                image_row, column, _ = self._seen(code, row, kernel_row, kernel_column)
                begin = code.add(
                    code.multiply(kernel_row, self._row_size),
                    code.multiply(kernel_column, channels * filters),
                )
                write_gradient_sums(
                    code,
                    Matrix(code.named["values"], self.values.at(code, image_row, column), rise, 0),
                    Matrix(code.named["upstream"], self.output.at(code, row), LANES, LANES),
                    Matrix(gradient, begin, filters, 1),
                    (rows, filters),
                    depths,
                    lanes,
                )

        if not self._by_row:
            write(0, [below, along], None)
            return
        with code.loop(self._kernel_size * LANES, LANES) as place:
            code.store(ZERO, shared, place)
        with code.loop(self.output.rows) as row:
            write(row, [along], shared)
        for first, count in code.parts(self._kernel_size, LANES):
            places = [code.multiply(code.add(first, number), LANES) for number in range(count)]
            totals = code.lane_sums([code.load(shared, place) for place in places])
            totals = code.builder.fadd(code.load(gradient, first), totals)
            code.store(totals, gradient, first, count)

    def _write_bias_gradient(self, code: Code) -> None:
        upstream, gradient = code.named["upstream"], code.named["bias_gradient"]
        for filter_, count in code.parts(self.output.channels, LANES):
            sums = [code.variable(ZERO) for _ in range(count)]
            with code.loop(self.output.rows) as row, code.loop(self.output.columns) as column:
                for number, total in enumerate(sums):
                    place = self.output.at(code, row, column, code.add(filter_, number))
                    code.set(total, code.builder.fadd(code.get(total), code.load(upstream, place)))
            totals = code.lane_sums([code.get(total) for total in sums])
            before = code.load(gradient, filter_)
            code.store(code.builder.fadd(before, totals), gradient, filter_, count)

    def _write_spread(self, code: Code) -> None:
        """Add the gradient of each position of the output to those of the values that it came from."""
        channels, filters = self.values.channels, self.output.channels
        with code.loops(self.output.rows, *self.size) as (row, kernel_row, kernel_column):
            image_row, column, step = self._seen(code, row, kernel_row, kernel_column)
            begin = code.add(
                code.multiply(kernel_row, self._row_size),
                code.multiply(kernel_column, channels * filters),
            )
            write_sums(
                code,
                Matrix(code.named["kernel"], begin, filters, 1),
                self.output.matrix(code, code.named["upstream"], row),
                self.values.matrix(code, code.named["values_gradient"], image_row, column, step),
                (channels, self.output.columns),
                [Depth(filters, 1, LANES)],
                None,
            )

    def _write_gathered(self, code: Code, overwrite: bool) -> None:
        """Collect the gradient of each value from the positions of the output that it went to.

        This is a convolution of upstream, in a border of zeros, with the reversed kernel. The terms of each
        sum have the same order as in `_write_spread`, and so the sum has the same bits.
        """
        filters, padded = self.output.channels, self._padded
        received = code.named["upstream"]
        if self._copies:
            upstream, received = received, code.at(code.named["shared"], self._sums_size)
            run = self.output.columns * filters * LANES
            with code.loop(self.output.rows) as row, code.loop(run, LANES) as offset:
                vector = code.load(upstream, code.add(self.output.at(code, row), offset))
                code.store(vector, received, code.add(padded.at(code, row), offset))
        depths = [
            Depth(self.size[0], -self._row_size, self.dilation[0] * padded.row_stride),
            Depth(self.size[1], self.values.channels * filters, -self.dilation[1] * padded.column_stride),
            Depth(filters, 1, LANES),
        ]
        # The last row and the first column of the kernel come first.
        top, left = self.padding[0] - (self.size[0] - 1) * self.dilation[0], self.padding[1]
        with code.loop(self.values.rows) as row:
            write_sums(
                code,
                Matrix(code.named["kernel"], (self.size[0] - 1) * self._row_size, filters, 1),
                padded.matrix(code, received, code.add(row, top), left),
                self.values.matrix(code, code.named["values_gradient"], row),
                (self.values.channels, self.values.columns),
                depths,
                (lambda _: ZERO) if overwrite else None,
            )
