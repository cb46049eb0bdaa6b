"""The program that trains a small network, a group of images at a time.

Without batch normalisation all layers of a group are computed, forth and back, before the next group's turn: what a
group needs stays in the cache. Batch normalisation waits for the whole batch, and parts the program into phases, in
each of which all groups take their turn; then each group has memory of its own.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from few_weights.engine.gather import groups_of, write_gather
from few_weights.engine.group_plan import GroupPlan
from few_weights.engine.kinds.normalization import BatchNormalization
from few_weights.engine.layouts import Features, Map, padded_stride
from few_weights.engine.loss import write_loss
from few_weights.engine.machine_code import LANES, ZERO, Code, Program
from few_weights.engine.updates import Update, write_update


class Arena:
    """Memory of a program, counted in float32: each buffer is an offset in it."""

    def __init__(self):
        self.size = 0

    def buffer(self, size: int, groups: int = 1) -> tuple[int, int]:
        """The offset of a buffer, and the distance from one group's to the next.

        Behind each is room for the rest of a vector.
        """
        offset, stride = self.size, padded_stride(size + LANES)
        self.size += stride * groups
        return offset, stride if groups > 1 else 0


class GroupProgram:
    """Writes the functions "train", "evaluate" and "differentiate" for one network.

    They take (examples, step; data, labels, order, losses, predictions, arena), `step` being the number of the first
    step; "train" also takes the rate of each step. "differentiate" leaves the gradient of the mean loss over all its
    examples in the arena.

    Args:
        program: where they are written.
        plan: the network.
        starts, size: where each trainable variable begins among the weights (None for another), and how many numbers
            the weights take.
        update, settings: the optimizer's; None where its steps are taken elsewhere.
        batch_size: images per step.
    """

    def __init__(
        self,
        program: Program,
        plan: GroupPlan,
        starts: Sequence[int | None],
        size: int,
        update: Update | None,
        settings: Mapping,
        batch_size: int,
    ):
        self._program, self._plan, self._batch_size = program, plan, batch_size
        self.arena = Arena()
        kept = len(update.state) if update else 0
        self.weights, self.gradients, *self.kept = (self.arena.buffer(size)[0] for _ in range(2 + kept))
        self.weights_size = size
        #: Where each variable of the plan and its gradient lie in the arena.
        self.variables = [
            (self.weights + start, self.gradients + start)
            if start is not None
            else (self.arena.buffer(int(np.prod(variable.shape)))[0], 0)
            for variable, start in zip(plan.variables, starts, strict=True)
        ]
        self._phases = self._parted()
        groups = -(-batch_size // LANES) if len(self._phases) > 1 else 1
        self._values = self._buffers(groups)
        first = self.arena.size
        self._value_gradients = self._buffers(groups)
        self._gradient_part = first, self.arena.size - first
        self._scratch = [self.arena.buffer(step.kind.scratch_size, groups) for step in plan.steps]
        self._shared = [self.arena.buffer(step.kind.shared_size)[0] for step in plan.steps]
        self._labels = self.arena.buffer(LANES)[0]
        self._gather = write_gather(program, "gather", _features_of(plan.maps[0]))
        logits = plan.maps[plan.logits]
        self._loss = write_loss(program, "loss", Features(1, logits.channels, 0, 0, 0))
        self._functions: dict[tuple, Code] = {}
        self._write_evaluate()
        self._write_differentiate()
        if update:
            self._update = write_update(program, "update", update, settings, size)
            self._write_train()

    def _parted(self) -> list[list[int]]:
        """The steps in phases; each but the first begins with batch normalisation."""
        phases: list[list[int]] = [[]]
        for number, step in enumerate(self._plan.steps):
            if isinstance(step.kind, BatchNormalization):
                phases.append([])
            phases[-1].append(number)
        return phases

    def _buffers(self, groups: int) -> list[tuple[int, int]]:
        """A buffer for each tensor; some share one."""
        known: dict[int, tuple[int, int]] = {}
        for buffer, values in zip(self._plan.buffers, self._plan.maps, strict=True):
            if buffer not in known:
                known[buffer] = self.arena.buffer(values.size, groups)
        return [known[buffer] for buffer in self._plan.buffers]

    def _function(self, number: int, what: str, *options) -> Code | None:
        """A function of a step; steps of the same kind have the same."""
        kind = self._plan.steps[number].kind
        key = (what, kind, *options)
        if key not in self._functions:
            name = f"{what.removeprefix('write_')}_{number}"
            self._functions[key] = getattr(kind, what)(self._program, name, *options)
        return self._functions[key]

    def _call(self, code: Code, number: int, what: str, group, *options) -> None:
        """Call a function of a step, with what its arguments' names say."""
        function = self._function(number, what, *options)
        if function is None:
            function = self._function(number, "write_forward")
        step, arena = self._plan.steps[number], code.named["arena"]

        def at(buffer):
            offset, stride = buffer
            return code.at(
                arena,
                code.add(offset, code.builder.mul(code.number(group), code.number(stride)) if stride else 0),
            )

        begin = code.multiply(group, LANES)
        known = {
            "output": at(self._values[step.output]),
            "upstream": at(self._value_gradients[step.output]),
            "scratch": at(self._scratch[number]),
            "shared": code.at(arena, self._shared[number]),
            "count": code.smaller(code.subtract(code.number(self._count), begin), LANES),
            "batch": self._count,
            "step": self._step,
            "first": begin,
        }
        for index, tensor in enumerate(step.inputs):
            suffix = f"_{index}" if index else ""
            known[f"values{suffix}"] = at(self._values[tensor])
            known[f"values{suffix}_gradient"] = at(self._value_gradients[tensor])
        for name in function.named:
            if name not in known:
                weight = name.removesuffix("_gradient")
                # A weight that a layer does without has a pointer that is not used.
                offsets = self.variables[step.weights[weight]] if weight in step.weights else (0, 0)
                known[name] = code.at(arena, offsets[name != weight])
        code.invoke(function, **{name: known[name] for name in function.named})

    def _write_forward(self, code: Code, phase: int, group, first_example, training: bool) -> None:
        """A phase of one group; the last ends with the loss."""
        named, arena = code.named, code.named["arena"]
        begin = code.multiply(group, LANES)
        here = code.smaller(code.subtract(code.number(self._count), begin), LANES)
        example = code.add(first_example, begin)
        if phase == 0:
            offset, stride = self._values[0]
            images = code.add(
                offset, code.builder.mul(code.number(group), code.number(stride)) if stride else 0
            )
            order = code.at(named["order"], example)
            target = code.at(arena, images), code.at(arena, self._labels)
            code.call(self._gather, here, named["data"], named["labels"], order, *target)
        what = "write_forward" if training else "write_inference"
        for number in self._phases[phase]:
            self._call(code, number, what, group)
        if phase < len(self._phases) - 1:
            if training:
                self._call(code, self._phases[phase + 1][0], "write_sums", group)
            return
        if phase > 0:
            # The labels have one buffer, which other groups have used since.
            with code.loop(here) as lane:
                label = code.load_index(named["order"], code.add(example, lane))
                value = code.builder.load(code.at(named["labels"], label))
                code.builder.store(value, code.at(arena, code.add(self._labels, lane)))
        logits = self._plan.logits
        buffers = []
        for offset, stride in (self._values[logits], self._value_gradients[logits]):
            shift = code.builder.mul(code.number(group), code.number(stride)) if stride else 0
            buffers.append(code.at(arena, code.add(offset, shift)))
        outcome = [code.at(named[name], example) for name in ("losses", "predictions")]
        labels = code.at(arena, self._labels)
        code.call(self._loss, here, self._count, buffers[0], labels, buffers[1], *outcome)

    def _write_backward(self, code: Code, phase: int, group) -> None:
        """The gradients of a phase of one group, but for the batch normalisation that it begins with."""
        if phase < len(self._phases) - 1:
            self._call(code, self._phases[phase + 1][0], "write_backward", group, True)
        for number in reversed(self._phases[phase]):
            step = self._plan.steps[number]
            if isinstance(step.kind, BatchNormalization):
                self._call(code, number, "write_backward_sums", group)
            else:
                self._call(code, number, "write_backward", group, 0 not in step.inputs)

    def _write_gradient(self, code: Code, count, step, first_example) -> None:
        """The gradient of the mean loss of `count` images."""
        self._count, self._step = count, step
        arena, groups = code.named["arena"], groups_of(code, code.number(count))
        last = len(self._phases) - 1
        with code.loop(self.weights_size, LANES) as offset:
            code.store(ZERO, arena, code.add(self.gradients, offset))
        if last:
            self._write_zeros(code)
        for phase in range(last + 1):
            if phase:
                self._call(code, self._phases[phase][0], "write_finish", 0)
            with code.loop(groups) as group:
                if not last:
                    self._write_zeros(code)
                self._write_forward(code, phase, group, first_example, training=True)
                if phase == last:
                    self._write_backward(code, phase, group)
        for phase in reversed(range(last)):
            self._call(code, self._phases[phase + 1][0], "write_backward_finish", 0)
            with code.loop(groups) as group:
                self._write_backward(code, phase, group)

    def _write_zeros(self, code: Code) -> None:
        first, size = self._gradient_part
        with code.loop(size // LANES * LANES, LANES) as offset:
            code.store(ZERO, code.named["arena"], code.add(first, offset))

    def _define(self, name: str, *others: str) -> Code:
        pointers = ["data", "labels", "order", "losses", "predictions", "arena", *others]
        return self._program.define(name, pointers, ["examples", "step"], may_overlap=True)

    def _write_evaluate(self) -> None:
        code = self._define("evaluate")
        self._count, self._step = code.named["examples"], code.named["step"]
        with code.without_denormals():
            for number, *_ in self._phases[1:]:
                self._call(code, number, "write_inference_setup", 0)
            with code.loop(groups_of(code, self._count)) as group:
                # Each group takes the first group's memory.
                self._write_evaluation(code, group)
        code.finish()

    def _write_evaluation(self, code: Code, group) -> None:
        named, arena = code.named, code.named["arena"]
        begin = code.multiply(group, LANES)
        here = code.smaller(code.subtract(self._count, begin), LANES)
        order = code.at(named["order"], begin)
        images, labels = code.at(arena, self._values[0][0]), code.at(arena, self._labels)
        code.call(self._gather, here, named["data"], named["labels"], order, images, labels)
        for number in range(len(self._plan.steps)):
            self._call(code, number, "write_inference", 0)
        buffers = [
            code.at(arena, each[self._plan.logits][0]) for each in (self._values, self._value_gradients)
        ]
        outcome = [code.at(named[name], begin) for name in ("losses", "predictions")]
        code.call(self._loss, here, here, buffers[0], labels, buffers[1], *outcome)

    def _write_differentiate(self) -> None:
        code = self._define("differentiate")
        with code.without_denormals():
            self._write_gradient(code, code.named["examples"], code.named["step"], 0)
        code.finish()

    def _write_train(self) -> None:
        code = self._define("train", "rates")
        named = code.named
        with code.without_denormals(), code.loop(named["examples"], self._batch_size) as first_example:
            count = code.smaller(code.subtract(named["examples"], first_example), self._batch_size)
            number = code.divide(first_example, self._batch_size)[0]
            self._write_gradient(code, count, code.add(named["step"], number), first_example)
            parts = [code.at(named["arena"], offset) for offset in (self.weights, self.gradients, *self.kept)]
            code.call(self._update, code.at(named["rates"], number), *parts)
        code.finish()

    def new_arena(self) -> np.ndarray:
        """Memory for the program, all zeros, from a border of cache lines on."""
        memory = np.zeros(self.arena.size + 32, np.float32)
        start = -memory.ctypes.data // 4 % 16
        return memory[start : start + self.arena.size]


def _features_of(images: Map) -> Features:
    """The images of a group, whose rows are fetched one by one."""
    columns = images.columns * images.channels
    if columns * LANES == images.row_stride:  # without a border between rows
        return Features(1, images.rows * columns, images.first, 0, 0)
    return Features(images.rows, columns, images.first, images.row_stride, 0)
