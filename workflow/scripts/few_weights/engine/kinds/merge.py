"""Sums and concatenations of branches in machine code."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

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
    cheap: ClassVar[bool] = True
    overwrites: ClassVar[bool] = True

    def _names(self, suffix: str = "") -> list[str]:
        return [f"values{f'_{number}' if number else ''}{suffix}" for number in range(len(self.inputs))]

    def _write(self, code: Code, move: Callable[[dict[int, Number], Number], None]) -> None:
        """Loops over all values: move(offsets in the inputs by their numbers, the offset in the output).

        What is added is read together, what is concatenated one input after the other.
        """
        numbers = range(len(self.inputs))
        before = 0
        for together in [numbers] if self.add else [[number] for number in numbers]:
            values = self.inputs[together[0]]
            with code.loop(values.rows) as row, code.loop(values.columns) as column:
                places = {number: self.inputs[number].at(code, row, column) for number in together}
                target = self.output.at(code, row, column, before)
                with code.loop(values.channels * LANES, LANES) as channel:
                    move(
                        {number: code.add(place, channel) for number, place in places.items()},
                        code.add(target, channel),
                    )
            before += values.channels

    def write_forward(self, program: Program, name: str) -> Code:
        """(values, values_1 ..., output)."""
        code = program.define(name, [*self._names(), "output"])
        *inputs, output = code.named.values()

        def move(places: dict[int, Number], target: Number) -> None:
            first, *others = (code.load(inputs[number], place) for number, place in places.items())
            code.store(functools.reduce(code.builder.fadd, others, first), output, target)

        self._write(code, move)
        code.finish()
        return code

    def write_backward(self, program: Program, name: str, to_values: bool, overwrite: bool = False) -> Code:
        """(upstream, values_gradient, values_1_gradient ...).

        The gradients may be of one tensor that is taken twice.
        """
        code = program.define(name, ["upstream", *self._names("_gradient")], may_overlap=True)
        upstream, *gradients = code.named.values()

        def move(places: dict[int, Number], target: Number) -> None:
            received = code.load(upstream, target)
            for number, place in places.items():
                total = received
                if not overwrite:
                    total = code.builder.fadd(code.load(gradients[number], place), received)
                code.store(total, gradients[number], place)

        self._write(code, move)
        code.finish()
        return code
