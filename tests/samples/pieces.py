"""Runs single pieces of machine code on NumPy arrays."""

import numpy as np

from few_weights.engine.group_program import OPTIONAL
from few_weights.engine.layouts import Map
from few_weights.engine.machine_code import LANES, Program

#: Numbers that are written behind each array before a piece runs, to see whether it writes there.
BEHIND = 64


def run(write, *arrays, numbers=()):
    """Compile one function and call it once.

    Args:
        write: (code, numbers as values, pointers as values) -> None; writes the body.
        arrays: float32 or int32, contiguous; the function changes them.
        numbers: integers that it takes first.
    """
    program = Program()
    names = [[f"{kind}_{each}" for each in range(len(of))] for kind, of in (("a", arrays), ("n", numbers))]
    code = program.define("piece", *names, may_overlap=True)
    write(code, *code.named.values())
    code.finish()
    program.compile("piece")["piece"](*numbers, *(array.ctypes.data for array in arrays))


def apply(function, values):
    """Apply a function of one vector, (code, vector) -> vector, to each number of an array."""
    count = len(values)
    padded = np.zeros(-(-count // LANES) * LANES, np.float32)
    padded[:count] = values
    result = np.zeros_like(padded)

    def write(code, source, target):
        with code.without_denormals(), code.loop(len(padded), LANES) as offset:
            code.store(function(code, code.load(source, offset)), target, offset)

    run(write, padded, result)
    return result[:count]


class KindRun:
    """A kind of layer on its own, for up to `LANES` images.

    Args:
        kind: the layer.
        inputs: an array (images, rows, columns, channels) for each input.
        maps: the memory layouts of the inputs.
        weights: arrays by name.
        numbers: what the functions ask for by name.
    """

    def __init__(self, kind, inputs, maps, weights=None, **numbers):
        self.kind, self.numbers, self.count = kind, numbers, len(inputs[0])
        names = ["values", *(f"values_{number}" for number in range(1, len(inputs)))]
        self.maps = dict(zip(names, maps, strict=True)) | {"output": kind.output}
        self.memory = {"output": self._empty(kind.output), "upstream": self._empty(kind.output)}
        for name, array in zip(names, inputs, strict=True):
            self.memory[name] = self._packed(self.maps[name], array)
            self.memory[f"{name}_gradient"] = self._empty(self.maps[name])
        for name, array in (weights or {}).items():
            self.memory[name] = np.append(np.float32(array).ravel(), np.zeros(BEHIND, np.float32))
            self.memory[f"{name}_gradient"] = np.zeros_like(self.memory[name])
        for name in OPTIONAL:
            self.memory.setdefault(name, np.zeros(BEHIND, np.float32))
            self.memory.setdefault(f"{name}_gradient", np.zeros(BEHIND, np.float32))
        for name in ("scratch", "shared"):
            self.memory[name] = np.zeros(getattr(kind, f"{name}_size") + BEHIND, np.float32)

    def call(self, method, *options):
        """Run the function that a method of the kind writes."""
        program = Program()
        code = getattr(self.kind, method)(program, "piece", *options)
        arguments = [
            self.numbers[name] if name in self.numbers else self.memory[name].ctypes.data
            for name in code.named
        ]
        program.compile("piece")["piece"](*arguments)

    def forward(self, method="write_forward"):
        """The output."""
        self.call(method)
        return self.values_of("output", self.kind.output)

    def backward(self, upstream, *options):
        """The gradient of the first input; the options are those of `write_backward`."""
        packed = self._packed(self.kind.output, upstream)
        # Its border may hold anything: other kinds that read the tensor may have added to it.
        self.memory["upstream"] = np.full_like(packed, np.nan)
        inside = self._inside(packed, self.kind.output)
        self._inside(self.memory["upstream"], self.kind.output)[...] = inside
        self.call("write_backward", *(options or (True,)))
        return self.values_of("values_gradient", self.maps["values"])

    def values_of(self, name, layout):
        """An array (images, rows, columns, channels) out of memory."""
        return np.moveaxis(self._inside(self.memory[name], layout), 3, 0)[: self.count]

    @staticmethod
    def _empty(layout):
        return np.zeros(layout.size + BEHIND, np.float32)

    def _packed(self, layout, array):
        memory = self._empty(layout)
        # As when they are gathered, lanes without an image repeat the last one.
        lanes = np.minimum(np.arange(LANES), len(array) - 1)
        self._inside(memory, layout)[...] = np.moveaxis(np.asarray(array, np.float32)[lanes], 0, 3)
        return memory

    @staticmethod
    def _inside(memory, layout: Map):
        """A view [row, column, channel, lane] without the border."""
        width = layout.left + layout.columns + layout.right
        whole = memory[: layout.size].reshape(-1, width, layout.channels, LANES)
        rows, columns = (
            slice(start, start + count)
            for start, count in ((layout.top, layout.rows), (layout.left, layout.columns))
        )
        return whole[rows, columns]
