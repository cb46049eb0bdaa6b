"""The program that trains a network of a `GroupPlan`, a group of images at a time.

Without batch normalisation all layers of a group are computed, forward and backward, before the next group:
what a group needs stays in the cache. Batch normalisation needs sums over the whole batch. It divides the
program into phases; in each of them all groups are computed in turn, and every group has its own buffers.
"""

import math
from collections.abc import Mapping, Sequence, Set
from typing import Any, NamedTuple

import keras
import numpy as np
from llvmlite import ir

from few_weights.engine.arena import Arena, Buffer
from few_weights.engine.gather import groups_of, write_gather
from few_weights.engine.group_memory import GroupMemory
from few_weights.engine.group_plan import GroupPlan
from few_weights.engine.kinds.batch_normalization import BatchNormalization
from few_weights.engine.layouts import Features, Map
from few_weights.engine.loss import write_loss
from few_weights.engine.machine_code import LANES, ZERO, Code, Number, Program
from few_weights.engine.updates import Update, write_update

#: Weights that a layer may lack. Its functions are given the arena instead, and leave it alone.
OPTIONAL = ("bias", "gamma", "beta")


class Batch(NamedTuple):
    """The images of a step: how many, the number of the step, and where they begin in the order."""

    images: Number
    step: Number
    first: Number


class GroupProgram:
    """Writes the functions "train", "evaluate" and "differentiate" for one network.

    Their arguments are those of `NetworkCode`; `step` is the number of the first step. "differentiate" leaves
    the gradient of the mean loss over all its examples in the arena.

    Args:
        program: in which they are written.
        plan: the network.
        starts: where each of the plan's variables begins among the weights; None for one that is not trained.
        size: how many numbers the weights have.
        update, settings: the optimizer's; None where the weights are updated elsewhere.
        batch_size: images per step.
        pixels: whether the data are uint8, to be divided by 255.
    """

    def __init__(
        self,
        program: Program,
        plan: GroupPlan,
        starts: Sequence[int | None],
        size: int,
        update: Update | None,
        settings: Mapping[str, Any],
        batch_size: int,
        pixels: bool,
    ) -> None:
        self._program, self._plan, self._batch_size, self._size = program, plan, batch_size, size
        self.arena = Arena()
        state = len(update.state) if update else 0
        self.weights, self.gradients, *self.state = (self.arena.buffer(size).offset for _ in range(2 + state))
        #: Where each of the plan's variables and its gradient are in the arena.
        self.variables = [
            (self.arena.buffer(_size_of(variable)).offset, 0)
            if start is None
            else (self.weights + start, self.gradients + start)
            for variable, start in zip(plan.variables, starts, strict=True)
        ]
        self._memory = GroupMemory(plan)
        self._phases = self._memory.phases
        groups = -(-batch_size // LANES) if len(self._phases) > 1 else 1
        self._values = self._buffers(self._memory.kept_values, groups)
        self._value_gradients = self._buffers(self._memory.kept_gradients, groups)
        last = self._phases[-1]
        self._scratch = [
            self.arena.buffer(step.kind.scratch_size, 1 if number in last else groups)
            for number, step in enumerate(plan.steps)
        ]
        self._shared = [self.arena.buffer(step.kind.shared_size) for step in plan.steps]
        self._labels = self.arena.buffer(LANES).offset
        self._gather = write_gather(program, "gather", _features_of(plan.maps[0]), pixels)
        self._loss = write_loss(program, "loss", Features(1, plan.maps[plan.logits].channels, 0, 0, 0))
        self._functions: dict[tuple[object, ...], Code | None] = {}
        self._write_evaluate()
        self._write_differentiate()
        if update:
            self._update = write_update(program, "update", update, settings, size)
            self._write_train()

    def _buffers(self, kept: Set[int], groups: int) -> list[Buffer]:
        """A buffer for each tensor, for so many groups if it is kept, else for one."""
        known: dict[int, Buffer] = {}
        for buffer, values in zip(self._plan.buffers, self._plan.maps, strict=True):
            if buffer not in known:
                known[buffer] = self.arena.buffer(values.size, groups if buffer in kept else 1)
        return [known[buffer] for buffer in self._plan.buffers]

    def _write_zero_gradients(self, code: Code, phase: int, group: Number) -> None:
        """Set the gradients of a group to 0 to which a phase adds."""
        for buffer in sorted(self._memory.zeroed[phase]):
            tensor = self._plan.buffers.index(buffer)
            first = self._value_gradients[tensor].of(code, group)
            self._write_zeros(code, first, self._plan.maps[tensor].size)

    # Calls of the functions of the steps

    def _function(self, number: int, method: str, *options: bool) -> Code | None:
        """The function that a method of a step's kind writes; equal kinds share it."""
        kind = self._plan.steps[number].kind
        key = (method, kind, *options)
        if key not in self._functions:
            name = f"{method.removeprefix('write_')}_{number}"
            self._functions[key] = getattr(kind, method)(self._program, name, *options)
        return self._functions[key]

    def _call(
        self, code: Code, batch: Batch, number: int, method: str, group: Number, *options: bool
    ) -> None:
        """Call a function of a step with the arguments that their names ask for."""
        function = self._function(number, method, *options) or self._function(number, "write_forward")
        assert function is not None
        step, arena = self._plan.steps[number], code.named["arena"]
        first = code.multiply(group, LANES)
        offsets: dict[str, Number] = {
            "output": self._values[step.output].of(code, group),
            "upstream": self._value_gradients[step.output].of(code, group),
            "scratch": self._scratch[number].of(code, group),
            "shared": self._shared[number].offset,
        }
        for index, tensor in enumerate(step.inputs):
            name = f"values_{index}" if index else "values"
            offsets[name] = self._values[tensor].of(code, group)
            offsets[f"{name}_gradient"] = self._value_gradients[tensor].of(code, group)
        for weight, variable in step.weights.items():
            offsets[weight], offsets[f"{weight}_gradient"] = self.variables[variable]
        numbers = {
            "count": self._used_lanes(code, batch, group),
            "batch": batch.images,
            "step": batch.step,
            "first": first,
        }
        for weight in OPTIONAL:
            offsets.setdefault(weight, 0)
            offsets.setdefault(f"{weight}_gradient", 0)
        if unknown := set(function.named) - set(offsets) - set(numbers):
            raise ValueError(f"{step.kind} asks for {', '.join(sorted(unknown))}, which no function is given")
        arguments = {
            name: numbers[name] if name in numbers else code.at(arena, offsets[name])
            for name in function.named
        }
        code.invoke(function, **arguments)

    def _used_lanes(self, code: Code, batch: Batch, group: Number) -> Number:
        return code.smaller(code.subtract(code.number(batch.images), code.multiply(group, LANES)), LANES)

    # The parts of a step

    def _write_zeros(self, code: Code, first: Number, size: int) -> None:
        with code.loop(size, LANES) as offset:
            code.store(ZERO, code.named["arena"], code.add(first, offset))

    def _write_gather(self, code: Code, batch: Batch, group: Number, buffer_group: Number) -> None:
        named, arena = code.named, code.named["arena"]
        order = code.at(named["order"], code.add(batch.first, code.multiply(group, LANES)))
        images = code.at(arena, self._values[0].of(code, buffer_group))
        labels = code.at(arena, self._labels)
        count = self._used_lanes(code, batch, group)
        code.call(self._gather, count, named["data"], named["labels"], order, images, labels)

    def _write_labels(self, code: Code, batch: Batch, group: Number) -> None:
        """Fetch the labels of a group again, since all groups share their buffer."""
        named, first = code.named, code.add(batch.first, code.multiply(group, LANES))
        with code.loop(self._used_lanes(code, batch, group)) as lane:
            example = code.load_index(named["order"], code.add(first, lane))
            label = code.builder.load(code.at(named["labels"], example))
            code.builder.store(label, code.at(named["arena"], code.add(self._labels, lane)))

    def _write_loss(self, code: Code, batch: Batch, group: Number, buffer_group: Number) -> None:
        named, arena, logits = code.named, code.named["arena"], self._plan.logits
        first = code.add(batch.first, code.multiply(group, LANES))
        values, gradients = (
            code.at(arena, buffers[logits].of(code, buffer_group))
            for buffers in (self._values, self._value_gradients)
        )
        outcome = [code.at(named[name], first) for name in ("losses", "predictions")]
        count, labels = self._used_lanes(code, batch, group), code.at(arena, self._labels)
        code.call(self._loss, count, batch.images, values, labels, gradients, *outcome)

    def _write_forward(self, code: Code, batch: Batch, phase: int, group: Number) -> None:
        """A phase of a group in training; the last phase ends with the loss."""
        if phase == 0:
            self._write_gather(code, batch, group, group)
        for number in self._phases[phase]:
            self._call(code, batch, number, "write_forward", group)
        if phase < len(self._phases) - 1:
            self._call(code, batch, self._phases[phase + 1][0], "write_sums", group)
            return
        if phase > 0:
            self._write_labels(code, batch, group)
        self._write_loss(code, batch, group, group)

    def _write_backward(self, code: Code, batch: Batch, phase: int, group: Number) -> None:
        """The gradients of a phase of a group; those of the next phase's batch normalisation come first."""
        self._write_zero_gradients(code, phase, group)
        for number in self._memory.again[phase]:
            self._call(code, batch, number, "write_forward", group)
        if phase < len(self._phases) - 1:
            number = self._phases[phase + 1][0]
            overwrite = number in self._memory.overwriting
            self._call(code, batch, number, "write_backward", group, True, overwrite)
        for number in reversed(self._phases[phase]):
            step = self._plan.steps[number]
            if isinstance(step.kind, BatchNormalization):
                self._call(code, batch, number, "write_backward_sums", group)
            else:
                options = 0 not in step.inputs, number in self._memory.overwriting
                self._call(code, batch, number, "write_backward", group, *options)

    def _write_gradient(self, code: Code, batch: Batch) -> None:
        """The gradient of the mean loss of a batch."""
        groups, last = groups_of(code, code.number(batch.images)), len(self._phases) - 1
        self._write_zeros(code, self.gradients, self._size)
        for phase in range(last + 1):
            if phase:
                self._call(code, batch, self._phases[phase][0], "write_finish", 0)
            with code.loop(groups) as group:
                self._write_forward(code, batch, phase, group)
                if phase == last:
                    self._write_backward(code, batch, phase, group)
        for phase in reversed(range(last)):
            self._call(code, batch, self._phases[phase + 1][0], "write_backward_finish", 0)
            with code.loop(groups) as group:
                self._write_backward(code, batch, phase, group)
        for number, factor in self._plan.penalties.items():
            self._write_penalty(code, number, factor)

    def _write_penalty(self, code: Code, number: int, factor: float) -> None:
        """Add the gradient of factor times the sum of a variable's squares."""
        arena, (weights, gradients) = code.named["arena"], self.variables[number]
        for first, lanes in code.parts(int(np.prod(self._plan.variables[number].shape)), LANES):
            weight = code.load(arena, code.add(weights, first))
            before = code.load(arena, code.add(gradients, first))
            total = code.multiply_add(2 * factor, weight, before)
            code.store(total, arena, code.add(gradients, first), lanes)

    # The functions

    def _define(self, name: str, *others: str) -> Code:
        pointers = ["data", "labels", "order", "losses", "predictions", "arena", *others]
        return self._program.define(name, pointers, ["examples", "step"], may_overlap=True)

    def _write_evaluate(self) -> None:
        code = self._define("evaluate")
        batch = Batch(code.named["examples"], code.named["step"], 0)
        with code.without_denormals():
            for number, *_ in self._phases[1:]:
                self._call(code, batch, number, "write_inference_setup", 0)
            with code.loop(groups_of(code, code.named["examples"])) as group:
                # All groups use the buffers of the first one.
                self._write_gather(code, batch, group, 0)
                for number in range(len(self._plan.steps)):
                    self._call(code, batch, number, "write_inference", 0)
                self._write_loss(code, batch, group, 0)
        code.finish()

    def _write_differentiate(self) -> None:
        code = self._define("differentiate")
        with code.without_denormals():
            self._write_gradient(code, Batch(code.named["examples"], code.named["step"], 0))
        code.finish()

    def _write_train(self) -> None:
        code = self._define("train", "rates")
        named = code.named
        with code.without_denormals(), code.loop(named["examples"], self._batch_size) as first:
            number: ir.Value = code.divide(first, self._batch_size)[0]
            count = code.smaller(code.subtract(named["examples"], first), self._batch_size)
            self._write_gradient(code, Batch(count, code.add(named["step"], number), first))
            offsets = (self.weights, self.gradients, *self.state)
            arrays = [code.at(named["arena"], offset) for offset in offsets]
            code.call(self._update, code.at(named["rates"], number), *arrays)
        code.finish()


def _size_of(variable: keras.Variable) -> int:
    """How many float32 a variable takes in the arena; a random state is of integers."""
    return int(math.prod(variable.shape)) * np.dtype(variable.dtype).itemsize // 4


def _features_of(images: Map) -> Features:
    """How the images of a group are fetched: row by row, or as one row if there is no border."""
    columns = images.columns * images.channels
    if columns * LANES == images.row_stride:
        return Features(1, images.rows * columns, images.first, 0, 0)
    return Features(images.rows, columns, images.first, images.row_stride, 0)
