"""Machine code for fully connected layers, with one image in each lane of a vector."""

from dataclasses import dataclass

from llvmlite import ir

from few_weights.engine.layouts import Features
from few_weights.engine.machine_code import LANES, ZERO, Code, Number, Program
from few_weights.engine.products import Matrix, write_dots, write_product

#: Inputs per block of a product: so many that the data of a block stay in the cache.
DEPTH = 256


#: Rows per block of the weights' gradient, for the same reason.
ROWS = 64


@dataclass(frozen=True)
class Dense:
    """A fully connected layer with weights [feature, unit].

    Args:
        features, units: memory layouts of its input and its output.
        relu: whether its activation is ReLU; linear if not.
    """

    features: Features
    units: Features
    relu: bool

    @property
    def size(self) -> int:
        """Number of units."""
        return self.units.columns

    @property
    def output_stride(self) -> int:
        """Offset from the units of a group of images to those of the next."""
        return self.units.group_stride

    def write_forward(self, program: Program, name: str) -> Code:
        """Write the forward pass. Its arguments: (groups; features, weights, bias, units)."""
        code = program.define(name, ["features", "weights", "bias", "units"], ["groups"])
        groups, features, weights, bias, units = code.named.values()
        result = self.units.matrix(units, 0, 0, code)
        with code.loop(groups) as group, code.loop(self.size) as unit:
            code.store(code.load_broadcast(bias, unit), *result.at(code, unit, group))
        for row, column, length in self.features.parts(code, DEPTH):
            write_product(
                code,
                self._weights_at(weights, row, column, code).transposed(),
                self.features.matrix(features, row, column, code),
                result,
                (self.size, length, groups),
                add=True,
            )
        if self.relu:
            with code.loop(groups) as group, code.loop(self.size) as unit:
                address = result.at(code, unit, group)
                value = code.load(*address)
                code.store(code.where_positive(value, value), *address)
        code.finish()
        return code

    def write_backward(self, program: Program, name: str, to_features: bool) -> Code:
        """Write the backward pass.

        Its arguments: (groups; features, weights, units, upstream, and the gradients of weights, bias and
        features). `upstream` is the gradient of the units; it is set to 0 where ReLU returned 0.

        Args:
            to_features: whether to compute the gradient of the features.
        """
        gradients = ["weights_gradient", "bias_gradient", "features_gradient"]
        code = program.define(name, ["features", "weights", "units", "upstream", *gradients], ["groups"])
        groups, features, weights, units, upstream, *rest = code.named.values()
        gradient, bias_gradient, features_gradient = rest
        output = self.units.matrix(units, 0, 0, code)
        received = self.units.matrix(upstream, 0, 0, code)
        for first, count in code.parts(self.size, LANES):
            partial_sums = [code.variable(ZERO) for _ in range(count)]
            with code.loop(groups) as group:
                for number, total in enumerate(partial_sums):
                    address = received.at(code, code.add(first, number), group)
                    value = code.load(*address)
                    if self.relu:
                        value = code.where_positive(
                            code.load(*output.at(code, code.add(first, number), group)), value
                        )
                        code.store(value, *address)
                    code.set(total, code.builder.fadd(code.get(total), value))
            totals = code.lane_sums([code.get(total) for total in partial_sums])
            code.store(totals, bias_gradient, first, count)
        for row, column, length in self.features.parts(code, ROWS):
            write_dots(
                code,
                self.features.matrix(features, row, column, code),
                received.transposed(),
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

    def _weights_at(self, pointer: ir.Value, row: Number, column: Number, code: Code) -> Matrix:
        feature = code.add(code.multiply(row, self.features.columns), column)
        return Matrix(pointer, code.multiply(feature, self.size), self.size, 1)
