"""PReLU in machine code: x above 0, and below it x times a slope that is trained (He and others 2015)."""

from dataclasses import dataclass

from few_weights.engine.kinds.kind import Plain
from few_weights.engine.layouts import Map
from few_weights.engine.machine_code import ZERO, Code, Number, Program


@dataclass(frozen=True)
class PReLU(Plain):
    """Values with a trained slope below 0.

    Args:
        values, output: what goes in and comes out.
        shared: whether the slope is the same for all rows, columns and channels; `alpha` has size 1 there.
    """

    values: Map
    output: Map
    shared: tuple[bool, bool, bool]

    @property
    def overwrites(self) -> bool:
        """Each value has one gradient."""
        return True

    @property
    def _own(self) -> list[int]:
        """The axes along which slopes differ; 0 is the rows."""
        return [axis for axis in range(3) if not self.shared[axis]]

    @property
    def _sizes(self) -> tuple[int, int, int]:
        return self.output.rows, self.output.columns, self.output.channels

    def _slope_at(self, code: Code, own: tuple[Number, ...]) -> Number:
        """Where in `alpha` the slope is of these indices along its own axes."""
        place: Number = 0
        for axis, index in zip(self._own, own, strict=True):
            place = code.add(code.multiply(place, self._sizes[axis]), index)
        return place

    def _position(self, own: tuple[Number, ...], rest: tuple[Number, ...]) -> list[Number]:
        """Row, column and channel, from the indices along the slopes' own axes and along the shared ones."""
        left, right = iter(own), iter(rest)
        return [next(right) if is_shared else next(left) for is_shared in self.shared]

    def _loop_sizes(self) -> tuple[list[int], list[int]]:
        own = self._own
        return [self._sizes[axis] for axis in own], [
            self._sizes[axis] for axis in range(3) if axis not in own
        ]

    def write_forward(self, program: Program, name: str) -> Code:
        """(values, alpha, output)."""
        code = program.define(name, ["values", "alpha", "output"])
        builder, (values, alpha, output) = code.builder, code.named.values()
        own_sizes, shared_sizes = self._loop_sizes()
        with code.loops(*own_sizes) as own:
            slope = code.load_broadcast(alpha, self._slope_at(code, own))
            with code.loops(*shared_sizes) as rest:
                position = self._position(own, rest)
                x = code.load(values, self.values.at(code, *position))
                is_positive = builder.fcmp_ordered(">", x, ZERO)
                y = code.choose(is_positive, x, builder.fmul(slope, x))
                code.store(y, output, self.output.at(code, *position))
        code.finish()
        return code

    def write_backward(self, program: Program, name: str, to_values: bool, overwrite: bool = False) -> Code:
        """(values, alpha, upstream, alpha_gradient, values_gradient); the last only with `to_values`.

        At 0 the gradients are 0, as they are in Keras.
        """
        names = ["values", "alpha", "upstream", "alpha_gradient", *(["values_gradient"] if to_values else [])]
        code = program.define(name, names)
        builder, named = code.builder, code.named
        own_sizes, shared_sizes = self._loop_sizes()
        with code.loops(*own_sizes) as own:
            place = self._slope_at(code, own)
            slope = code.load_broadcast(named["alpha"], place)
            total = code.variable(ZERO)
            with code.loops(*shared_sizes) as rest:
                position = self._position(own, rest)
                at = self.values.at(code, *position)
                x = code.load(named["values"], at)
                received = code.load(named["upstream"], self.output.at(code, *position))
                is_negative = builder.fcmp_ordered("<", x, ZERO)
                share = code.choose(is_negative, builder.fmul(received, x), ZERO)
                code.set(total, builder.fadd(code.get(total), share))
                if to_values:
                    below = code.choose(is_negative, builder.fmul(slope, received), ZERO)
                    part = code.choose(builder.fcmp_ordered(">", x, ZERO), received, below)
                    if not overwrite:
                        part = builder.fadd(code.load(named["values_gradient"], at), part)
                    code.store(part, named["values_gradient"], at)
            code.add_lane(code.lane_sums([code.get(total)]), 0, named["alpha_gradient"], place)
        code.finish()
        return code
