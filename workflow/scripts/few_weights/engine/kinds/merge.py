"""Sums and concatenations of branches in machine code."""

from collections.abc import Callable
from dataclasses import dataclass

from few_weights.engine.kinds.kind import Plain
from few_weights.engine.layouts import Map
from few_weights.engine.machine_code import LANES, Code, Number, Program


@dataclass(frozen=True)
class Merge(Plain):
    """The sum of several tensors of one shape, or their channels one after the other.

    Args:
        inputs, output: what goes in and comes out.
        add: whether they are added; else concatenated.
    """

    inputs: tuple[Map, ...]
    output: Map
    add: bool

    def _names(self, suffix: str = "") -> list[str]:
        return [f"values{f'_{number}' if number else ''}{suffix}" for number in range(len(self.inputs))]

    def _write(self, code: Code, move: Callable[[int, Number, Number], None]) -> None:
        """Loops over all values: move(number of the input, its offset, the offset of the output)."""
        before = 0
        for number, values in enumerate(self.inputs):
            with code.loop(values.rows) as row, code.loop(values.columns) as column:
                place = values.at(code, row, column)
                target = self.output.at(code, row, column, before)
                with code.loop(values.channels * LANES, LANES) as channel:
                    move(number, code.add(place, channel), code.add(target, channel))
            before += 0 if self.add else values.channels

    def write_forward(self, program: Program, name: str) -> Code:
        """(values, values_1 ..., output)."""
        code = program.define(name, [*self._names(), "output"])
        *inputs, output = code.named.values()

        def move(number: int, place: Number, target: Number) -> None:
            value = code.load(inputs[number], place)
            if self.add and number:
                value = code.builder.fadd(code.load(output, target), value)
            code.store(value, output, target)

        self._write(code, move)
        code.finish()
        return code

    def write_backward(self, program: Program, name: str, to_values: bool) -> Code:
        """(upstream, values_gradient, values_1_gradient ...).

        The gradients may be of one tensor that is taken twice.
        """
        code = program.define(name, ["upstream", *self._names("_gradient")], may_overlap=True)
        upstream, *gradients = code.named.values()

        def move(number: int, place: Number, target: Number) -> None:
            total = code.builder.fadd(code.load(gradients[number], place), code.load(upstream, target))
            code.store(total, gradients[number], place)

        self._write(code, move)
        code.finish()
        return code
