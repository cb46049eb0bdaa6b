"""Pooling in machine code, with an image in each lane of a vector."""

import contextlib
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from llvmlite import ir

from few_weights.engine.kinds.kind import Plain
from few_weights.engine.layouts import Map
from few_weights.engine.machine_code import FLOAT, LANES, ZERO, Code, Number, Program, constant

#: Loops over the values of a window: gives the offset of each, and its number in reading order.
Taps = Callable[[], Iterator[tuple[Number, Number]]]

#: Windows of so many values are written out; larger ones are loops.
WRITTEN_OUT = 9


@dataclass(frozen=True)
class Pooling(Plain):
    """The largest or the mean of each window of a channel; what of a window lies outside does not count.

    Args:
        values, output: what goes in and comes out.
        size, strides: rows and columns of a window, and from one to the next.
        padding: rows above and columns left of the values where the first window begins; less than 0 where
            it begins inside, which crops them.
        largest: whether the largest is taken; else the mean.
        shared: whether the gradient of the largest is divided among all that are equal to it, as in Keras'
            global pooling; else the first of them receives it, as in its pooling of windows.
    """

    values: Map
    output: Map
    size: tuple[int, int]
    strides: tuple[int, int]
    padding: tuple[int, int]
    largest: bool
    shared: bool = False

    @property
    def scratch_size(self) -> int:
        """For each output, which of its window's values was the largest, or how many of them were."""
        return self.output.size if self.largest else 0

    @property
    def overwrites(self) -> bool:
        """Where the windows cover all values, each once."""
        covered = tuple(
            count * size
            for count, size in zip((self.output.rows, self.output.columns), self.size, strict=True)
        )
        return (
            self.strides == self.size
            and not any(self.padding)
            and covered == (self.values.rows, self.values.columns)
        )

    @property
    def needs_output(self) -> bool:
        """To find all values that are equal to the largest."""
        return self.shared

    @property
    def _clipped(self) -> bool:
        """Whether some windows reach outside."""
        ends = [
            (count - 1) * stride + size - pad
            for count, stride, size, pad in zip(
                (self.output.rows, self.output.columns), self.strides, self.size, self.padding, strict=True
            )
        ]
        return (
            any(pad > 0 for pad in self.padding)
            or ends[0] > self.values.rows
            or ends[1] > self.values.columns
        )

    @contextlib.contextmanager
    def _windows(self, code: Code) -> Iterator[tuple[Number, Taps, ir.Value]]:
        """Loops over all windows: the offset of the output, a function that loops over the taps, 1 / size."""
        with code.loop(self.output.rows) as row, code.loop(self.output.columns) as column:
            corner = [
                code.add(code.multiply(index, stride), -pad)
                for index, stride, pad in zip((row, column), self.strides, self.padding, strict=True)
            ]
            target = self.output.at(code, row, column)
            with code.loop(self.output.channels * LANES, LANES) as channel:

                def taps() -> Iterator[tuple[Number, Number]]:
                    """Offsets of the window's values, each with its number in reading order."""
                    if not self._clipped and self.size[0] * self.size[1] <= WRITTEN_OUT:
                        for down, across in itertools.product(range(self.size[0]), range(self.size[1])):
                            place = self.values.at(
                                code, code.add(corner[0], down), code.add(corner[1], across)
                            )
                            yield code.add(place, channel), down * self.size[1] + across
                        return
                    bounds = [self._bounds(code, axis, corner[axis]) for axis in (0, 1)]
                    (top, below), (left, behind) = bounds
                    with code.loop(below, start=top) as down, code.loop(behind, start=left) as across:
                        place = self.values.at(code, code.add(corner[0], down), code.add(corner[1], across))
                        number = code.add(code.multiply(down, self.size[1]), across)
                        yield code.add(place, channel), number

                share = ir.Constant(FLOAT, 1 / (self.size[0] * self.size[1]))
                if self._clipped and not self.largest:
                    sides = [
                        code.builder.sub(*map(code.number, self._bounds(code, axis, corner[axis])[::-1]))
                        for axis in (0, 1)
                    ]
                    area = code.builder.sitofp(code.builder.mul(*sides), FLOAT)
                    share = code.builder.fdiv(ir.Constant(FLOAT, 1.0), area)
                yield code.add(target, channel), taps, code.broadcast(share)

    def _bounds(self, code: Code, axis: int, corner: Number) -> tuple[Number, Number]:
        """The first tap of a window along an axis that is within the values, and the one after the last."""
        length = (self.values.rows, self.values.columns)[axis]
        if not self._clipped:
            return 0, self.size[axis]
        corner = code.number(corner)
        negative = code.builder.neg(corner)
        zero = code.number(0)
        begin = code.builder.select(code.builder.icmp_signed("<", corner, zero), negative, zero)
        return begin, code.smaller(code.builder.sub(code.number(length), corner), self.size[axis])

    def write_forward(self, program: Program, name: str) -> Code:
        """(values, output, scratch)."""
        code = program.define(name, ["values", "output", "scratch"])
        values, output, scratch = code.named.values()
        with self._windows(code) as (target, taps, share):
            if self.largest:
                largest, chosen = code.variable(constant(float("-inf"))), code.variable(ZERO)
                for place, number in taps():
                    value = code.load(values, place)
                    # The first value is taken whatever it is, as not a number is larger than nothing.
                    larger = code.builder.fcmp_unordered(">", value, code.get(largest))
                    code.set(largest, code.builder.select(larger, value, code.get(largest)))
                    code.set(chosen, code.builder.select(larger, code.as_vector(number), code.get(chosen)))
                if self.shared:
                    code.set(chosen, ZERO)
                    for place, _ in taps():
                        equal = code.builder.fcmp_ordered("==", code.load(values, place), code.get(largest))
                        one = code.builder.select(equal, constant(1.0), ZERO)
                        code.set(chosen, code.builder.fadd(code.get(chosen), one))
                code.store(code.get(largest), output, target)
                code.store(code.get(chosen), scratch, target)
            else:
                total = code.variable(ZERO)
                for place, _ in taps():
                    code.set(total, code.builder.fadd(code.get(total), code.load(values, place)))
                code.store(code.builder.fmul(code.get(total), share), output, target)
        code.finish()
        return code

    def write_backward(self, program: Program, name: str, to_values: bool, overwrite: bool = False) -> Code:
        """(upstream, scratch, values_gradient; values, output)."""
        code = program.define(name, ["upstream", "scratch", "values_gradient", "values", "output"])
        upstream, scratch, gradient, values, output = code.named.values()
        with self._windows(code) as (target, taps, share):
            received = code.load(upstream, target)
            chosen = code.load(scratch, target) if self.largest else None
            part = code.builder.fmul(received, share)
            for place, number in taps():
                if self.shared:
                    here = code.builder.fcmp_ordered(
                        "==", code.load(values, place), code.load(output, target)
                    )
                    part = code.builder.select(here, code.builder.fdiv(received, chosen), ZERO)
                elif self.largest:
                    here = code.builder.fcmp_ordered("==", chosen, code.as_vector(number))
                    part = code.builder.select(here, received, ZERO)
                total = part if overwrite else code.builder.fadd(code.load(gradient, place), part)
                code.store(total, gradient, place)
        code.finish()
        return code
