"""Dropout in machine code: what is dropped depends on the seed, the step, the image and the value only."""

from dataclasses import dataclass
from typing import ClassVar

from llvmlite import ir

from few_weights.engine.kinds.activation import Activation
from few_weights.engine.kinds.kind import Plain
from few_weights.engine.layouts import Map
from few_weights.engine.machine_code import INTEGER, INTEGERS, LANES, ZERO, Code, Program, constant


@dataclass(frozen=True)
class Dropout(Plain):
    """A share of the values set to 0 in training and the others scaled up, or a share of the channels.

    Args:
        values, output: what goes in and comes out.
        rate: the share.
        use: a number that tells this use of a layer from others.
        spatial: whether whole channels are dropped.
        in_place: whether output and values are in one buffer, and their gradients in another one.
    """

    values: Map
    output: Map
    rate: float
    use: int
    spatial: bool = False
    in_place: bool = False
    cheap: ClassVar[bool] = True

    @property
    def overwrites(self) -> bool:
        """Unless upstream is replaced."""
        return not self.in_place

    def _write(
        self, code: Code, source: ir.Value, source_map: Map, target: ir.Value, target_map: Map, add: bool
    ) -> None:
        """Write what is left of the source to the target, or add it."""
        builder, key = code.builder, self._key(code)
        threshold = ir.Constant(INTEGERS, [min(int(self.rate * 2**32), 2**32 - 1)] * LANES)
        with code.loops(self.values.rows, self.values.columns, self.values.channels) as (
            row,
            column,
            channel,
        ):
            number = code.number(channel)
            if not self.spatial:
                position = code.add(code.multiply(row, self.values.columns), column)
                number = code.number(code.add(code.multiply(position, self.values.channels), channel))
            bits = self._bits(code, key, builder.trunc(number, INTEGER))
            value = code.load(source, source_map.at(code, row, column, channel))
            scaled = builder.fmul(value, constant(1 / (1 - self.rate)))
            value = builder.select(builder.icmp_unsigned(">=", bits, threshold), scaled, ZERO)
            offset = target_map.at(code, row, column, channel)
            if add:
                value = builder.fadd(code.load(target, offset), value)
            code.store(value, target, offset)
        code.finish()

    def _key(self, code: Code) -> ir.Value:
        """32 random bits for each lane: of the seed, the use, the step, and the image's number."""
        builder = code.builder
        step, first = (builder.trunc(code.named[name], INTEGER) for name in ("step", "first"))
        lanes = ir.Constant(INTEGERS, list(range(LANES)))
        image = builder.add(code.broadcast(first), lanes)
        seed = builder.trunc(code.load_index(code.named["seed"], 0), INTEGER)
        seed = builder.add(seed, ir.Constant(INTEGER, 0x9E3779B9 * self.use % 2**32))
        key = _mixed(code, code.broadcast(builder.add(step, seed)))
        return _mixed(code, builder.xor(key, image))

    def _bits(self, code: Code, key: ir.Value, number: ir.Value) -> ir.Value:
        return _mixed(code, code.builder.add(key, _scrambled(code, code.broadcast(number))))

    def write_forward(self, program: Program, name: str) -> Code:
        """(values, output, seed; step, first); in place without values."""
        pointers = ["output", "seed"] if self.in_place else ["values", "output", "seed"]
        code = program.define(name, pointers, ["step", "first"])
        output = code.named["output"]
        values = code.named.get("values", output)
        self._write(code, values, self.values, output, self.output, add=False)
        return code

    def write_inference(self, program: Program, name: str) -> Code | None:
        """(values, output): nothing is dropped."""
        return Activation(self.values, self.output, "linear", in_place=self.in_place).write_forward(
            program, name
        )

    def write_backward(self, program: Program, name: str, to_values: bool, overwrite: bool = False) -> Code:
        """(upstream, values_gradient, seed; step, first); in place (upstream: replaced, seed; ...).

        `seed` is the state of the layer's random numbers.
        """
        pointers = ["upstream", "seed"] if self.in_place else ["upstream", "values_gradient", "seed"]
        code = program.define(name, pointers, ["step", "first"])
        upstream = code.named["upstream"]
        gradient = code.named.get("values_gradient", upstream)
        self._write(
            code, upstream, self.output, gradient, self.values, add=not self.in_place and not overwrite
        )
        return code


def _mixed(code: Code, bits: ir.Value) -> ir.Value:
    """The last steps of MurmurHash3 (Appleby 2011): each bit of the result depends on all bits."""
    builder = code.builder
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35), (16, None)):
        bits = builder.xor(bits, builder.lshr(bits, ir.Constant(INTEGERS, [shift] * LANES)))
        if factor:
            bits = builder.mul(bits, ir.Constant(INTEGERS, [factor] * LANES))
    return bits


def _scrambled(code: Code, bits: ir.Value) -> ir.Value:
    """Whole numbers spread over all of 32 bits, by the golden ratio (Knuth, volume 3, 6.4)."""
    return code.builder.mul(bits, ir.Constant(INTEGERS, [0x9E3779B9] * LANES))
