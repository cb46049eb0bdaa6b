"""Fully connected layers in machine code, with an image in each lane of a vector."""

from dataclasses import dataclass

from few_weights.engine.layouts import Features
from few_weights.engine.machine_code import LANES, ZERO, Code, Program
from few_weights.engine.products import Matrix, write_dots, write_product

#: Inputs that are multiplied before the next: with them, what a product needs stays in the cache.
DEPTH = 256


#: Rows of the weights' gradient that are computed together, for the same reason.
ROWS = 64


@dataclass(frozen=True)
class Dense:
    """A fully connected layer, perhaps with ReLU, whose weights are [feature, unit]."""

    features: Features
    units: Features
    relu: bool

    @property
    def size(self) -> int:
        """How many units."""
        return self.units.columns

    @property
    def output_stride(self) -> int:
        """From the units of a group to those of the next."""
        return self.units.group_stride

    def write_forward(self, program: Program, name: str) -> Code:
        """(groups; features, weights, bias, units)."""
        code = program.function(name, numbers=1, pointers=4)
        groups, features, weights, bias, units = code.arguments
        result = self.units.matrix(units, 0, 0, code)
        with code.loop(groups) as group, code.loop(self.size) as unit:
            code.store(code.spread(bias, unit), *result.at(code, unit, group))
        for row, column, length in self.features.parts(code, DEPTH):
            write_product(
                code,
                self._weights_at(weights, row, column, code).turned(),
                self.features.matrix(features, row, column, code),
                result,
                (self.size, length, groups),
                add=True,
            )
        if self.relu:
            with code.loop(groups) as group, code.loop(self.size) as unit:
                place = result.at(code, unit, group)
                value = code.load(*place)
                code.store(code.where_positive(value, value), *place)
        code.finish()
        return code

    def write_backward(self, program: Program, name: str, to_features: bool) -> Code:
        """(groups; features, weights, units, upstream, and the gradients of weights, bias and features).

        `upstream` is the gradient of the units; where a unit's ReLU gave 0, it is set to 0 there.
        """
        code = program.function(name, numbers=1, pointers=7)
        groups, features, weights, units, upstream, *gradients = code.arguments
        gradient, bias_gradient, features_gradient = gradients
        output = self.units.matrix(units, 0, 0, code)
        received = self.units.matrix(upstream, 0, 0, code)
        for first, count in code.parts(self.size, LANES):
            sums = [code.variable(ZERO) for _ in range(count)]
            with code.loop(groups) as group:
                for number, total in enumerate(sums):
                    place = received.at(code, code.add(first, number), group)
                    value = code.load(*place)
                    if self.relu:
                        value = code.where_positive(
                            code.load(*output.at(code, code.add(first, number), group)), value
                        )
                        code.store(value, *place)
                    code.set(total, code.builder.fadd(code.get(total), value))
            totals = code.lane_sums([code.get(total) for total in sums])
            code.store(totals, bias_gradient, first, count)
        for row, column, length in self.features.parts(code, ROWS):
            write_dots(
                code,
                self.features.matrix(features, row, column, code),
                received.turned(),
                self._weights_at(gradient, row, column, code),
                (length, groups, self.size),
            )
            if to_features:
                write_product(
                    code,
                    self._weights_at(weights, row, column, code),
                    received,
                    self.features.matrix(features_gradient, row, column, code),
                    (length, self.size, groups),
                )
        code.finish()
        return code

    def _weights_at(self, pointer, row, column, code):
        feature = code.add(code.multiply(row, self.features.columns), column)
        return Matrix(pointer, code.multiply(feature, self.size), self.size, 1)
