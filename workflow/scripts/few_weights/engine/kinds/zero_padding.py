"""Zeros around a tensor in machine code: rows and columns that belong to the output, unlike a border."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from few_weights.engine.kinds.kind import Plain
from few_weights.engine.layouts import Map
from few_weights.engine.machine_code import LANES, ZERO, Code, Number, Program


@dataclass(frozen=True)
class ZeroPadding(Plain):
    """Zeros around the values; how many rows below and columns right follows from the output.

    They are written in each forward pass, since an activation may have replaced them in place.

    Args:
        values, output: what goes in and comes out.
        top, left: rows of zeros above the values, and columns left of them.
    """

    values: Map
    output: Map
    top: int
    left: int
    cheap: ClassVar[bool] = True
    overwrites: ClassVar[bool] = True

    def _inside(self, code: Code) -> Iterator[tuple[Number, Number]]:
        """Loops over all values; the offsets of input and output."""
        run = self.values.columns * self.values.column_stride
        with code.loop(self.values.rows) as row, code.loop(run, LANES) as offset:
            target = self.output.at(code, code.add(row, self.top), self.left)
            yield code.add(self.values.at(code, row), offset), code.add(target, offset)

    def _outside(self, code: Code) -> Iterator[Number]:
        """Loops over all zeros; their offsets in the output."""
        bottom, right = self.top + self.values.rows, self.left + self.values.columns
        rectangles = [
            (0, self.top, 0, self.output.columns),
            (self.top, bottom, 0, self.left),
            (self.top, bottom, right, self.output.columns),
            (bottom, self.output.rows, 0, self.output.columns),
        ]
        for first_row, end_row, first_column, end_column in rectangles:
            if first_row == end_row or first_column == end_column:
                continue
            run = (end_column - first_column) * self.output.column_stride
            with code.loop(end_row, start=first_row) as row, code.loop(run, LANES) as offset:
                yield code.add(self.output.at(code, row, first_column), offset)

    def write_forward(self, program: Program, name: str) -> Code:
        """(values, output)."""
        code = program.define(name, ["values", "output"])
        values, output = code.named.values()
        for target in self._outside(code):
            code.store(ZERO, output, target)
        for place, target in self._inside(code):
            code.store(code.load(values, place), output, target)
        code.finish()
        return code

    def write_backward(self, program: Program, name: str, to_values: bool, overwrite: bool = False) -> Code:
        """(upstream, values_gradient)."""
        code = program.define(name, ["upstream", "values_gradient"])
        upstream, gradient = code.named.values()
        if to_values:
            for place, target in self._inside(code):
                received = code.load(upstream, target)
                total = received if overwrite else code.builder.fadd(code.load(gradient, place), received)
                code.store(total, gradient, place)
        code.finish()
        return code
