"""Activations in machine code: a function of each value, and its derivative."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from llvmlite import ir

from few_weights.engine.kinds import functions
from few_weights.engine.kinds.kind import Plain
from few_weights.engine.layouts import Map
from few_weights.engine.machine_code import LANES, ZERO, Code, Number, Program, constant


def _relu(code: Code, x: ir.Value) -> ir.Value:
    return code.where_positive(x, x)


def _relu_slope(code: Code, x: ir.Value, y: ir.Value) -> ir.Value:
    return code.where_positive(y, constant(1.0))


def _gelu(code: Code, x: ir.Value) -> ir.Value:
    half = code.multiply_add(0.5, functions.erf(code, code.scale(math.sqrt(0.5), x)), constant(0.5))
    return code.builder.fmul(x, half)


def _gelu_slope(code: Code, x: ir.Value, y: ir.Value) -> ir.Value:
    return functions.gelu_slope(code, x)


def _tanh_slope(code: Code, x: ir.Value, y: ir.Value) -> ir.Value:
    return code.builder.fsub(constant(1.0), code.builder.fmul(y, y))


def _sigmoid_slope(code: Code, x: ir.Value, y: ir.Value) -> ir.Value:
    return code.builder.fmul(y, code.builder.fsub(constant(1.0), y))


def _silu(code: Code, x: ir.Value) -> ir.Value:
    return code.builder.fmul(x, functions.sigmoid(code, x))


def _silu_slope(code: Code, x: ir.Value, y: ir.Value) -> ir.Value:
    sigmoid = functions.sigmoid(code, x)
    return code.multiply_add(y, code.builder.fsub(constant(1.0), sigmoid), sigmoid)


def _elu(code: Code, x: ir.Value) -> ir.Value:
    below = code.builder.fsub(functions.exp(code, x), constant(1.0))
    return code.choose(code.builder.fcmp_ordered(">", x, ZERO), x, below)


def _elu_slope(code: Code, x: ir.Value, y: ir.Value) -> ir.Value:
    above = code.builder.fcmp_ordered(">", y, ZERO)
    return code.builder.select(above, constant(1.0), code.builder.fadd(y, constant(1.0)))


def _hard_sigmoid(code: Code, x: ir.Value) -> ir.Value:
    shifted = code.builder.fadd(x, constant(3.0))
    return code.builder.fdiv(functions.bounded(code, shifted, 0.0, 6.0), constant(6.0))


def _hard_sigmoid_slope(code: Code, x: ir.Value, y: ir.Value) -> ir.Value:
    above = code.builder.fcmp_ordered(">", y, ZERO)
    inside = code.builder.and_(above, code.builder.fcmp_ordered("<", y, constant(1.0)))
    return code.builder.select(inside, constant(1 / 6), ZERO)


def _positive(code: Code, x: ir.Value) -> ir.Value:
    return code.builder.fcmp_ordered(">", x, ZERO)


def _linear(code: Code, x: ir.Value) -> ir.Value:
    return x


def _linear_slope(code: Code, x: ir.Value, y: ir.Value) -> ir.Value:
    return constant(1.0)


class Function(NamedTuple):
    """An activation.

    Attributes:
        value: (code, x) -> y.
        slope: (code, x, y) -> the derivative at x.
        from_output: whether the slope goes by y alone. Then y may replace x in its buffer.
    """

    value: Callable[[Code, ir.Value], ir.Value]
    slope: Callable[[Code, ir.Value, ir.Value], ir.Value]
    from_output: bool = False


#: By Keras' name.
ACTIVATIONS = {
    "linear": Function(_linear, _linear_slope),
    "relu": Function(_relu, _relu_slope, from_output=True),
    "gelu": Function(_gelu, _gelu_slope),
    "tanh": Function(functions.tanh, _tanh_slope, from_output=True),
    "sigmoid": Function(functions.sigmoid, _sigmoid_slope, from_output=True),
    "silu": Function(_silu, _silu_slope),
    "elu": Function(_elu, _elu_slope, from_output=True),
    "hard_sigmoid": Function(_hard_sigmoid, _hard_sigmoid_slope, from_output=True),
}


@dataclass(frozen=True)
class Activation(Plain):
    """A function of each value.

    Args:
        values, output: what goes in and comes out.
        name: of `ACTIVATIONS`, or leaky_relu.
        slope: that of leaky_relu below 0.
        in_place: whether output and values are in one buffer, and their gradients in another one; only for
            functions with `from_output`, and for leaky_relu with a positive slope.
    """

    values: Map
    output: Map
    name: str
    slope: float = 0.0
    in_place: bool = False
    cheap: ClassVar[bool] = True

    @property
    def overwrites(self) -> bool:
        """Unless upstream is replaced."""
        return not self.in_place

    @property
    def needs_output(self) -> bool:
        """Whether the derivative depends on it."""
        return self.name != "linear"

    def _function(self, code: Code, x: ir.Value) -> ir.Value:
        if self.name == "leaky_relu":
            return code.builder.fmul(x, self._derivative(code, x, x))
        return ACTIVATIONS[self.name].value(code, x)

    def _derivative(self, code: Code, x: ir.Value, y: ir.Value) -> ir.Value:
        if self.name == "leaky_relu":
            return code.builder.select(_positive(code, y), constant(1.0), constant(self.slope))
        return ACTIVATIONS[self.name].slope(code, x, y)

    def _each(self, code: Code) -> Iterator[tuple[Number, Number]]:
        """Loops over all values; the offsets of input and output."""
        run = self.output.columns * self.output.channels * LANES
        with code.loop(self.output.rows) as row, code.loop(run, LANES) as offset:
            yield code.add(self.values.at(code, row), offset), code.add(self.output.at(code, row), offset)

    def write_forward(self, program: Program, name: str) -> Code:
        """(values, output); in place (output)."""
        code = program.define(name, ["output"] if self.in_place else ["values", "output"])
        output = code.named["output"]
        values = code.named.get("values", output)
        for place, target in self._each(code):
            code.store(self._function(code, code.load(values, place)), output, target)
        code.finish()
        return code

    def write_backward(self, program: Program, name: str, to_values: bool, overwrite: bool = False) -> Code:
        """(values, output, upstream, values_gradient); in place (output, upstream: replaced)."""
        if self.in_place:
            return self._write_backward_in_place(program, name)
        code = program.define(name, ["values", "output", "upstream", "values_gradient"])
        values, output, upstream, gradient = code.named.values()
        for place, target in self._each(code):
            x, y = code.load(values, place), code.load(output, target)
            slope = self._derivative(code, x, y)
            before = ZERO if overwrite else code.load(gradient, place)
            code.store(code.multiply_add(slope, code.load(upstream, target), before), gradient, place)
        code.finish()
        return code

    def _write_backward_in_place(self, program: Program, name: str) -> Code:
        code = program.define(name, ["output", "upstream"])
        output, upstream = code.named.values()
        for _, target in self._each(code):
            y = code.load(output, target)
            slope = self._derivative(code, y, y)
            code.store(code.builder.fmul(slope, code.load(upstream, target)), upstream, target)
        code.finish()
        return code
