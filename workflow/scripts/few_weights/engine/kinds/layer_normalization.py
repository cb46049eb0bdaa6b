"""Layer normalisation in machine code, with an image in each lane of a vector."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from llvmlite import ir

from few_weights.engine.kinds.kind import Plain
from few_weights.engine.layouts import Map
from few_weights.engine.machine_code import ZERO, Code, Number, Program, constant


@dataclass(frozen=True)
class LayerNormalization(Plain):
    """The channels of each position shifted and scaled to mean 0 and variance 1 (Ba and others 2016).

    Args:
        values, output: what goes in and comes out.
        scale, center: whether there are gamma and beta.
        epsilon: added to the variance.
    """

    values: Map
    output: Map
    scale: bool
    center: bool
    epsilon: float
    overwrites: ClassVar[bool] = True

    def _moments(
        self, code: Code, values: ir.Value, row: Number, column: Number
    ) -> tuple[ir.Value, ir.Value]:
        """The mean of a position's channels and 1 / their deviation, a number in each lane."""
        share = constant(1 / self.values.channels)

        def mean(term: Callable[[ir.Value], ir.Value]) -> ir.Value:
            total = code.variable(ZERO)
            with code.loop(self.values.channels) as channel:
                value = code.load(values, self.values.at(code, row, column, channel))
                code.set(total, code.builder.fadd(code.get(total), term(value)))
            return code.builder.fmul(code.get(total), share)

        middle = mean(lambda value: value)

        def squared(value: ir.Value) -> ir.Value:
            difference = code.builder.fsub(value, middle)
            return code.builder.fmul(difference, difference)

        variance = code.builder.fadd(mean(squared), constant(self.epsilon))
        return middle, code.builder.fdiv(constant(1.0), code.elementwise("sqrt", variance))

    def write_forward(self, program: Program, name: str) -> Code:
        """(values, gamma, beta, output)."""
        code = program.define(name, ["values", "gamma", "beta", "output"])
        values, gamma, beta, output = code.named.values()
        with code.loop(self.values.rows) as row, code.loop(self.values.columns) as column:
            mean, inverse = self._moments(code, values, row, column)
            with code.loop(self.values.channels) as channel:
                value = code.load(values, self.values.at(code, row, column, channel))
                value = code.builder.fmul(code.builder.fsub(value, mean), inverse)
                if self.scale:
                    value = code.builder.fmul(value, code.load_broadcast(gamma, channel))
                if self.center:
                    value = code.builder.fadd(value, code.load_broadcast(beta, channel))
                code.store(value, output, self.output.at(code, row, column, channel))
        code.finish()
        return code

    def write_backward(self, program: Program, name: str, to_values: bool, overwrite: bool = False) -> Code:
        """(values, gamma, upstream, gamma_gradient, beta_gradient, values_gradient)."""
        names = ["values", "gamma", "upstream", "gamma_gradient", "beta_gradient", "values_gradient"]
        code = program.define(name, names)
        values, gamma, upstream, gamma_gradient, beta_gradient, values_gradient = code.named.values()
        builder = code.builder
        share = constant(1 / self.values.channels)
        with code.loop(self.values.rows) as row, code.loop(self.values.columns) as column:
            mean, inverse = self._moments(code, values, row, column)

            def parts(
                channel: Number,
                row: Number = row,
                column: Number = column,
                mean: ir.Value = mean,
                inverse: ir.Value = inverse,
            ) -> tuple[ir.Value, ir.Value, ir.Value]:
                value = code.load(values, self.values.at(code, row, column, channel))
                normalised = builder.fmul(builder.fsub(value, mean), inverse)
                received = code.load(upstream, self.output.at(code, row, column, channel))
                scaled = (
                    builder.fmul(received, code.load_broadcast(gamma, channel)) if self.scale else received
                )
                return normalised, received, scaled

            sums = [code.variable(ZERO) for _ in range(2)]
            with code.loop(self.values.channels) as channel:
                normalised, received, scaled = parts(channel)
                for total, term in zip(sums, (scaled, builder.fmul(scaled, normalised)), strict=True):
                    code.set(total, builder.fadd(code.get(total), term))
                for has, weight, term in (
                    (self.scale, gamma_gradient, builder.fmul(received, normalised)),
                    (self.center, beta_gradient, received),
                ):
                    if has:
                        code.add_lane(code.lane_sums([term]), 0, weight, channel)
            means = [builder.fmul(code.get(total), share) for total in sums]
            if to_values:
                with code.loop(self.values.channels) as channel:
                    normalised, _, scaled = parts(channel)
                    part = builder.fsub(builder.fsub(scaled, means[0]), builder.fmul(normalised, means[1]))
                    place = self.values.at(code, row, column, channel)
                    before = ZERO if overwrite else code.load(values_gradient, place)
                    code.store(code.multiply_add(inverse, part, before), values_gradient, place)
        code.finish()
        return code
