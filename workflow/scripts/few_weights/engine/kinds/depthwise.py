"""Depthwise convolutions in machine code, with an image in each lane of a vector."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from llvmlite import ir

from few_weights.engine.kinds.kind import Plain
from few_weights.engine.layouts import Map
from few_weights.engine.machine_code import LANES, ZERO, Code, Number, Program

#: Columns that are computed together: with nine weights and three rows of pixels they fill the registers.
COLUMNS = 4


@dataclass(frozen=True)
class Depthwise(Plain):
    """A depthwise convolution with a kernel [row, column, channel, multiple], without activation.

    Args:
        values, output: what goes in and comes out; `values` has a border that holds the padding. The output's
            channel c * multiples + m is that of channel c and multiple m.
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
    def _multiples(self) -> int:
        return self.output.channels // self.values.channels

    def _taps(self) -> list[tuple[int, int]]:
        return list(itertools.product(range(self.size[0]), range(self.size[1])))

    def _weight(self, code: Code, channel: Number, tap: tuple[int, int], multiple: int) -> Number:
        """The offset of a weight; `tap` is its row and column."""
        number = tap[0] * self.size[1] + tap[1]
        return code.add(number * self.output.channels, code.multiply(channel, self._multiples), multiple)

    def _pixels(
        self, code: Code, pointer: ir.Value, row: Number, column: Number, channel: Number
    ) -> Callable[[tuple[int, int], int], ir.Value]:
        """Loads of the images for `count` columns of the output, by row and column relative to the first."""
        (down, across), (dilation, spread) = self.strides, self.dilation
        top, left = self.padding
        start = self.values.at(
            code,
            code.add(code.multiply(row, down), -top),
            code.add(code.multiply(column, across), -left),
            channel,
        )
        seen: dict[tuple[int, int], ir.Value] = {}

        def pixel(tap: tuple[int, int], number: int) -> ir.Value:
            key = (tap[0] * dilation, tap[1] * spread + number * across)
            if key not in seen:
                offset = key[0] * self.values.row_stride + key[1] * self.values.column_stride
                seen[key] = code.load(pointer, code.add(start, offset))
            return seen[key]

        return pixel

    def write_forward(self, program: Program, name: str) -> Code:
        """(values, kernel, bias, output)."""
        code = program.define(name, ["values", "kernel", "bias", "output"])
        values, kernel, bias, output = code.named.values()
        with code.loop(self.values.channels) as channel:
            for multiple in range(self._multiples):
                filter_ = code.add(code.multiply(channel, self._multiples), multiple)
                weights = [
                    code.load_broadcast(kernel, self._weight(code, channel, tap, multiple))
                    for tap in self._taps()
                ]
                begin = code.load_broadcast(bias, filter_) if self.bias else ZERO
                with code.loop(self.output.rows) as row:
                    for column, count in code.parts(self.output.columns, COLUMNS):
                        pixel = self._pixels(code, values, row, column, channel)
                        sums = [begin] * count
                        for tap, weight in zip(self._taps(), weights, strict=True):
                            for number in range(count):
                                sums[number] = code.multiply_add(weight, pixel(tap, number), sums[number])
                        for number, total in enumerate(sums):
                            place = self.output.at(code, row, code.add(column, number), filter_)
                            code.store(total, output, place)
        code.finish()
        return code

    def write_backward(self, program: Program, name: str, to_values: bool, overwrite: bool = False) -> Code:
        """(values, kernel, upstream, kernel_gradient, bias_gradient, values_gradient).

        All gradients are added to what is there; that of the values only where `to_values` asks for it.
        """
        code = program.define(
            name, ["values", "kernel", "upstream", "kernel_gradient", "bias_gradient", "values_gradient"]
        )
        values, kernel, upstream, kernel_gradient, bias_gradient, values_gradient = code.named.values()
        taps = self._taps()
        with code.loop(self.values.channels) as channel:
            for multiple in range(self._multiples):
                filter_ = code.add(code.multiply(channel, self._multiples), multiple)
                for first in range(0, len(taps) + self.bias, LANES):
                    here = taps[first : first + LANES]
                    with_bias = self.bias and first + LANES > len(taps)
                    sums = [code.variable(ZERO) for _ in range(len(here) + with_bias)]
                    with code.loop(self.output.rows) as row:
                        for column, count in code.parts(self.output.columns, COLUMNS):
                            pixel = self._pixels(code, values, row, column, channel)
                            for number in range(count):
                                place = self.output.at(code, row, code.add(column, number), filter_)
                                received = code.load(upstream, place)
                                for tap, total in zip(here, sums, strict=False):
                                    code.set(
                                        total,
                                        code.multiply_add(received, pixel(tap, number), code.get(total)),
                                    )
                                if with_bias:
                                    code.set(sums[-1], code.builder.fadd(code.get(sums[-1]), received))
                    totals = code.lane_sums([code.get(total) for total in sums])
                    places = [(kernel_gradient, self._weight(code, channel, tap, multiple)) for tap in here]
                    places += [(bias_gradient, filter_)] if with_bias else []
                    for lane, place in enumerate(places):
                        code.add_lane(totals, lane, *place)
        if to_values:
            with code.loop(self.values.channels) as channel:
                for multiple in range(self._multiples):
                    weights = [
                        code.load_broadcast(kernel, self._weight(code, channel, tap, multiple))
                        for tap in taps
                    ]
                    filter_ = code.add(code.multiply(channel, self._multiples), multiple)
                    with code.loop(self.output.rows) as row:
                        for column, count in code.parts(self.output.columns, COLUMNS):
                            received = [
                                code.load(
                                    upstream, self.output.at(code, row, code.add(column, number), filter_)
                                )
                                for number in range(count)
                            ]
                            self._write_spread(
                                code, values_gradient, (row, column, channel), weights, received
                            )
        code.finish()
        return code

    def _write_spread(
        self,
        code: Code,
        gradient: ir.Value,
        place: tuple[Number, Number, Number],
        weights: Sequence[ir.Value],
        received: Sequence[ir.Value],
    ) -> None:
        """Add some columns' gradients, times the weights, to the gradients of the values that they came from.

        Args:
            gradient: of the values.
            place: row and first column of the output, and channel of the values.
            weights: of each element of the kernel.
            received: the gradients of the columns.
        """
        row, column, channel = place
        (down, across), (dilation, spread) = self.strides, self.dilation
        top, left = self.padding
        first_column = code.add(code.multiply(column, across), -left)
        for kernel_row in range(self.size[0]):
            image_row = code.add(code.multiply(row, down), kernel_row * dilation - top)
            start = self.values.at(code, image_row, first_column, channel)
            totals: dict[int, ir.Value] = {}
            for (tap_row, tap_column), weight in zip(self._taps(), weights, strict=True):
                if tap_row != kernel_row:
                    continue
                for number, vector in enumerate(received):
                    key = tap_column * spread + number * across
                    target = code.add(start, key * self.values.column_stride)
                    before = totals.get(key) or code.load(gradient, target)
                    totals[key] = code.multiply_add(weight, vector, before)
            for key, total in totals.items():
                code.store(total, gradient, code.add(start, key * self.values.column_stride))
