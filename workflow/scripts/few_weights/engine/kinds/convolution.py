"""Convolutions of any kernel, stride, padding and dilation in machine code, with an image in each lane."""

from dataclasses import dataclass

from few_weights.engine.kinds.kind import Plain
from few_weights.engine.layouts import Map
from few_weights.engine.machine_code import LANES, ZERO, Code, Number, Program
from few_weights.engine.products import Depth, Matrix, write_gradient_sums, write_sums


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

    def write_backward(self, program: Program, name: str, to_values: bool) -> Code:
        """(values, kernel, upstream, kernel_gradient, bias_gradient, values_gradient).

        All gradients are added to what is there; that of the values only where `to_values` asks for it.
        """
        code = program.define(
            name, ["values", "kernel", "upstream", "kernel_gradient", "bias_gradient", "values_gradient"]
        )
        values, kernel, upstream, kernel_gradient, bias_gradient, values_gradient = code.named.values()
        channels, filters = self.values.channels, self.output.channels
        (down, across), (dilation, spread) = self.strides, self.dilation
        top, left = self.padding
        positions = [
            Depth(self.output.rows, down * self.values.row_stride, self.output.row_stride),
            Depth(self.output.columns, across * self.values.column_stride, self.output.column_stride),
        ]
        received = Matrix(upstream, self.output.first, LANES, LANES)
        # The rows of the sums are channels; of images with one channel, the columns of the kernel.
        merged = channels == 1
        rows, rise = (self.size[1], spread * self.values.column_stride) if merged else (channels, LANES)
        columns = 1 if merged else self.size[1]
        with code.loop(self.size[0]) as kernel_row, code.loop(columns) as kernel_column:
            first = self.values.at(
                code,
                code.add(code.multiply(kernel_row, dilation), -top),
                code.add(code.multiply(kernel_column, spread), -left),
            )
            begin = code.add(
                code.multiply(kernel_row, self._row_size), code.multiply(kernel_column, channels * filters)
            )
            write_gradient_sums(
                code,
                Matrix(values, first, rise, 0),
                received,
                Matrix(kernel_gradient, begin, filters, 1),
                (rows, filters),
                positions,
            )
        if self.bias:
            for filter_, count in code.parts(filters, LANES):
                sums = [code.variable(ZERO) for _ in range(count)]
                with code.loop(self.output.rows) as row, code.loop(self.output.columns) as column:
                    for number, total in enumerate(sums):
                        place = self.output.at(code, row, column, code.add(filter_, number))
                        code.set(total, code.builder.fadd(code.get(total), code.load(upstream, place)))
                totals = code.lane_sums([code.get(total) for total in sums])
                before = code.load(bias_gradient, filter_)
                code.store(code.builder.fadd(before, totals), bias_gradient, filter_, count)
        if to_values:
            loops = (self.output.rows, *self.size)
            with code.loops(*loops) as (row, kernel_row, kernel_column):
                image_row, column, step = self._seen(code, row, kernel_row, kernel_column)
                begin = code.add(
                    code.multiply(kernel_row, self._row_size),
                    code.multiply(kernel_column, channels * filters),
                )
                write_sums(
                    code,
                    Matrix(kernel, begin, filters, 1),
                    self.output.matrix(code, upstream, row),
                    self.values.matrix(code, values_gradient, image_row, column, step),
                    (channels, self.output.columns),
                    [Depth(filters, 1, LANES)],
                    None,
                )
        code.finish()
        return code
