"""Batch normalisation in machine code, with an image in each lane of a vector."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from llvmlite import ir

from few_weights.engine.kinds.kind import Plain
from few_weights.engine.layouts import Map
from few_weights.engine.machine_code import FLOAT, LANES, ZERO, Code, Number, Program

#: (row, column, channel, the channel's numbers) -> two terms of sums over a channel.
Terms = Callable[[Number, Number, Number, Sequence[ir.Value]], tuple[ir.Value, ir.Value]]

#: Channels of a row that are computed together: their numbers are in registers, the row is in the cache.
TOGETHER = 8


@dataclass(frozen=True)
class BatchNormalization(Plain):
    """Each channel shifted and scaled to mean 0 and variance 1 over a batch (Ioffe and Szegedy 2015).

    It needs the whole batch twice: before its forward pass, for the sums of `write_sums`, and before its
        backward pass, for those of `write_backward_sums`. `shared` holds, for each channel, four vectors: the
        sums of values, of their squares, of upstream, and of upstream times normalised values; then four
        numbers: the mean (until it is known, the first value), 1 / standard deviation, the mean of upstream,
        and that of upstream times normalised values; then two vectors for two sums over one group.

    Args:
        values, output: what goes in and comes out.
        scale, center: whether there are gamma and beta.
        momentum, epsilon: as Keras names them.
    """

    values: Map
    output: Map
    scale: bool
    center: bool
    momentum: float
    epsilon: float
    cheap: ClassVar[bool] = True
    overwrites: ClassVar[bool] = True

    @property
    def shared_size(self) -> int:
        """Six vectors and four numbers for each channel."""
        return self.values.channels * (6 * LANES + 4)

    def _sum(self, number: int, code: Code, channel: Number) -> Number:
        """The offset of one of the four vectors of a channel."""
        return code.add(number * self.values.channels * LANES, code.multiply(channel, LANES))

    def _number(self, number: int, code: Code, channel: Number) -> Number:
        """The offset of one of the four numbers of a channel."""
        return code.add(self.values.channels * (4 * LANES + number), channel)

    def _partial(self, number: Number, code: Code, channel: Number) -> Number:
        """The offset of one of the two vectors for sums over a group of a channel."""
        size = self.values.channels
        return code.add(
            size * (4 * LANES + 4), code.multiply(number, size * LANES), code.multiply(channel, LANES)
        )

    @property
    def _positions(self) -> int:
        return self.values.rows * self.values.columns

    def _channels(
        self, code: Code, *numbers: int
    ) -> Iterator[tuple[Number, list[tuple[Number, list[ir.Value]]]]]:
        """Loops over rows, and over some channels at a time: each with its numbers, as vectors."""
        shared = code.named["shared"]
        with code.loop(self.values.rows) as row:
            for first, count in code.parts(self.values.channels, TOGETHER):
                channels = [code.add(first, number) for number in range(count)]
                yield (
                    row,
                    [
                        (
                            channel,
                            [code.load_broadcast(shared, self._number(n, code, channel)) for n in numbers],
                        )
                        for channel in channels
                    ],
                )

    def _write_pairs(self, code: Code, sums: tuple[int, int], numbers: Sequence[int], terms: Terms) -> None:
        """Adds two terms of each value to two of the sums; lanes without an image add nothing.

        A channel's values are added up row by row, in the last two vectors of `shared`.
        """
        shared = code.named["shared"]
        mask = code.lanes_below(code.named["count"])
        with code.loops(2, self.values.channels) as (number, channel):
            code.store(ZERO, shared, self._partial(number, code, channel))
        for row, channels in self._channels(code, *numbers):
            places = [self._partial(number, code, channel) for channel, _ in channels for number in (0, 1)]
            totals = [code.variable(code.load(shared, place)) for place in places]
            with code.loop(self.values.columns) as column:
                added = [term for channel, known in channels for term in terms(row, column, channel, known)]
                for total, term in zip(totals, added, strict=True):
                    code.set(total, code.builder.fadd(code.get(total), term))
            for total, place in zip(totals, places, strict=True):
                code.store(code.get(total), shared, place)
        with code.loop(self.values.channels) as channel:
            for number, target in enumerate(sums):
                place = self._sum(target, code, channel)
                total = code.load(shared, self._partial(number, code, channel))
                kept = code.builder.select(mask, total, ZERO)
                code.store(code.builder.fadd(code.load(shared, place), kept), shared, place)
        code.finish()

    def write_sums(self, program: Program, name: str) -> Code:
        """(values, shared; count, first): the sums of values and of squares, before the forward pass.

        Of each value, the first one of the batch is subtracted, which is about as far from the mean as the
        others are: otherwise the mean of squares less the square of the mean would lose digits.
        """
        code = program.define(name, ["values", "shared"], ["count", "first"])
        builder, (_, first, values, shared) = code.builder, code.named.values()
        is_first = builder.icmp_signed("==", first, code.number(0))
        with code.loop(self.values.channels) as channel:
            origin = code.at(shared, self._number(0, code, channel))
            value = code.lane(code.load(values, self.values.at(code, 0, 0, channel)), 0)
            builder.store(builder.select(is_first, value, builder.load(origin)), origin)

        def terms(
            row: Number, column: Number, channel: Number, known: Sequence[ir.Value]
        ) -> tuple[ir.Value, ir.Value]:
            value = builder.fsub(code.load(values, self.values.at(code, row, column, channel)), known[0])
            return value, builder.fmul(value, value)

        self._write_pairs(code, (0, 1), (0,), terms)
        return code

    def _write_each_channel(
        self, code: Code, numbers: tuple[int, int], finish: Callable[[Number, ir.Value, ir.Value], None]
    ) -> None:
        """For each channel, the means over the batch of two of the sums, which are set to 0."""
        shared = code.named["shared"]
        images = code.builder.sitofp(code.named["batch"], FLOAT)
        share = code.builder.fdiv(
            ir.Constant(FLOAT, 1.0), code.builder.fmul(images, ir.Constant(FLOAT, float(self._positions)))
        )
        with code.loop(self.values.channels) as channel:
            means = []
            for number in numbers:
                place = self._sum(number, code, channel)
                total = code.lane_sums([code.load(shared, place)])
                code.store(ZERO, shared, place)
                means.append(code.builder.fmul(code.lane(total, 0), share))
            finish(channel, *means)

    def write_finish(self, program: Program, name: str) -> Code:
        """(shared, moving_mean, moving_variance; batch): mean and deviation, and their moving means."""
        code = program.define(name, ["shared", "moving_mean", "moving_variance"], ["batch"])
        shared, moving_mean, moving_variance = (
            code.named[n] for n in ("shared", "moving_mean", "moving_variance")
        )
        builder = code.builder

        def finish(channel: Number, shifted_mean: ir.Value, square: ir.Value) -> None:
            variance = builder.fsub(square, builder.fmul(shifted_mean, shifted_mean))
            zero = ir.Constant(FLOAT, 0.0)
            variance = builder.select(builder.fcmp_ordered("<", variance, zero), zero, variance)
            origin = builder.load(code.at(shared, self._number(0, code, channel)))
            mean = builder.fadd(shifted_mean, origin)
            self._store_moments(code, shared, channel, mean, variance)
            for moving, value in ((moving_mean, mean), (moving_variance, variance)):
                place = code.at(moving, channel)
                before = builder.fmul(builder.load(place), ir.Constant(FLOAT, self.momentum))
                new = builder.fmul(value, ir.Constant(FLOAT, 1 - self.momentum))
                builder.store(builder.fadd(before, new), place)

        self._write_each_channel(code, (0, 1), finish)
        code.finish()
        return code

    def write_inference_setup(self, program: Program, name: str) -> Code:
        """(shared, moving_mean, moving_variance): the moving means are taken for the batch's."""
        code = program.define(name, ["shared", "moving_mean", "moving_variance"])
        shared, moving_mean, moving_variance = code.named.values()
        with code.loop(self.values.channels) as channel:
            mean, variance = (
                code.builder.load(code.at(each, channel)) for each in (moving_mean, moving_variance)
            )
            self._store_moments(code, shared, channel, mean, variance)
        code.finish()
        return code

    def _store_moments(
        self, code: Code, shared: ir.Value, channel: Number, mean: ir.Value, variance: ir.Value
    ) -> None:
        root = code.lane(
            code.elementwise(
                "sqrt", code.broadcast(code.builder.fadd(variance, ir.Constant(FLOAT, self.epsilon)))
            ),
            0,
        )
        inverse = code.builder.fdiv(ir.Constant(FLOAT, 1.0), root)
        for number, value in ((0, mean), (1, inverse)):
            code.builder.store(value, code.at(shared, self._number(number, code, channel)))

    def _normalised(
        self, code: Code, row: Number, column: Number, channel: Number, mean: ir.Value, inverse: ir.Value
    ) -> ir.Value:
        value = code.load(code.named["values"], self.values.at(code, row, column, channel))
        return code.builder.fmul(code.builder.fsub(value, mean), inverse)

    def write_forward(self, program: Program, name: str) -> Code:
        """(values, shared, gamma, beta, output)."""
        code = program.define(name, ["values", "shared", "gamma", "beta", "output"])
        _, _, gamma, beta, output = code.named.values()
        for row, channels in self._channels(code, 0, 1):
            gammas, betas = (
                [code.load_broadcast(weight, channel) if has else None for channel, _ in channels]
                for has, weight in ((self.scale, gamma), (self.center, beta))
            )
            with code.loop(self.values.columns) as column:
                for (channel, known), factor, term in zip(channels, gammas, betas, strict=True):
                    value = self._normalised(code, row, column, channel, *known)
                    value = value if factor is None else code.builder.fmul(value, factor)
                    value = value if term is None else code.builder.fadd(value, term)
                    code.store(value, output, self.output.at(code, row, column, channel))
        code.finish()
        return code

    def write_inference(self, program: Program, name: str) -> Code | None:
        """None: as in training, after `write_inference_setup`."""
        return None

    def write_backward_sums(self, program: Program, name: str) -> Code:
        """(values, upstream, shared; count, first): sums of upstream, and of it times normalised values."""
        code = program.define(name, ["values", "upstream", "shared"], ["count"])

        def terms(
            row: Number, column: Number, channel: Number, known: Sequence[ir.Value]
        ) -> tuple[ir.Value, ir.Value]:
            received = code.load(code.named["upstream"], self.output.at(code, row, column, channel))
            mean, inverse = known
            normalised = self._normalised(code, row, column, channel, mean, inverse)
            return received, code.builder.fmul(received, normalised)

        self._write_pairs(code, (2, 3), (0, 1), terms)
        return code

    def write_backward_finish(self, program: Program, name: str) -> Code:
        """(shared, gamma_gradient, beta_gradient; batch)."""
        code = program.define(name, ["shared", "gamma_gradient", "beta_gradient"], ["batch"])
        builder, shared = code.builder, code.named["shared"]
        images = builder.sitofp(code.named["batch"], FLOAT)
        values = builder.fmul(images, ir.Constant(FLOAT, float(self._positions)))

        def finish(channel: Number, mean: ir.Value, product: ir.Value) -> None:
            for number, value in ((2, mean), (3, product)):
                builder.store(value, code.at(shared, self._number(number, code, channel)))
            for has, weight, value in (
                (self.scale, "gamma_gradient", product),
                (self.center, "beta_gradient", mean),
            ):
                if has:
                    place = code.at(code.named[weight], channel)
                    builder.store(builder.fadd(builder.load(place), builder.fmul(value, values)), place)

        self._write_each_channel(code, (2, 3), finish)
        code.finish()
        return code

    def write_backward(self, program: Program, name: str, to_values: bool, overwrite: bool = False) -> Code:
        """(values, upstream, shared, gamma, values_gradient; count), after `write_backward_finish`."""
        pointers = ["values", "upstream", "shared", "gamma", "values_gradient"]
        code = program.define(name, pointers, ["count"])
        # Lanes without an image have no part in the means, but would have a gradient because of them.
        mask = code.lanes_below(code.named["count"])
        builder, upstream, gradient = code.builder, code.named["upstream"], code.named["values_gradient"]
        for row, channels in self._channels(code, 0, 1, 2, 3):
            factors = [known[1] for _, known in channels]
            if self.scale:
                gammas = [code.load_broadcast(code.named["gamma"], channel) for channel, _ in channels]
                factors = [builder.fmul(*pair) for pair in zip(factors, gammas, strict=True)]
            with code.loop(self.values.columns) as column:
                for (channel, (mean, inverse, received_mean, product)), factor in zip(
                    channels, factors, strict=True
                ):
                    received = code.load(upstream, self.output.at(code, row, column, channel))
                    normalised = self._normalised(code, row, column, channel, mean, inverse)
                    part = builder.fsub(
                        builder.fsub(received, received_mean), builder.fmul(normalised, product)
                    )
                    part = builder.select(mask, part, ZERO)
                    place = self.values.at(code, row, column, channel)
                    before = ZERO if overwrite else code.load(gradient, place)
                    code.store(code.multiply_add(factor, part, before), gradient, place)
        code.finish()
        return code
