"""The program that trains one network: how its layers lie in memory, and in what order they are called."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import keras
import numpy as np
from keras import layers

from few_weights.engine.dense import Dense
from few_weights.engine.gather import groups_of, write_gather
from few_weights.engine.layouts import Features, Images, spread_stride
from few_weights.engine.loss import write_loss
from few_weights.engine.machine_code import LANES, Code, Program
from few_weights.engine.updates import Update, write_update
from few_weights.engine.winograd import Convolution


class Plan(NamedTuple):
    """What a network is made of: convolutions, each with whether pooling follows it, then dense layers."""

    convolutions: list[tuple[layers.Conv2D, bool]]
    dense: list[layers.Dense]

    @property
    def variables(self) -> list[keras.Variable]:
        """Kernel and bias of each layer."""
        with_weights = [*(layer for layer, _ in self.convolutions), *self.dense]
        return [variable for layer in with_weights for variable in (layer.kernel, layer.bias)]

    def __str__(self) -> str:
        counts = {"convolution": len(self.convolutions), "dense layer": len(self.dense)}
        return " and ".join(f"{count} {name}{'s' * (count > 1)}" for name, count in counts.items() if count)


class Room(NamedTuple):
    """Memory of which each group of images has a part, or all take turns with one where `stride` is 0."""

    array: np.ndarray
    stride: int = 0

    def at(self, code: Code, group=0):
        return code.at(code.address(self.array), code.multiply(group, self.stride))


def lay_out(plan: Plan) -> tuple[list[Images], list[Convolution], list[Dense]]:
    """How all lies in memory: images before each convolution and behind the last, and the layers."""
    images, shapes = [], []
    for number, (layer, pooled) in enumerate(plan.convolutions):
        rows, columns, filters = layer.output.shape[1:]
        size = 2 if pooled else 4
        if number == 0:
            images.append(_room_for(layer.input.shape[1:], layer, (0, 0)))
        following = [*(after for after, _ in plan.convolutions[number + 1 :]), None][0]
        written = [size * -(-length // 4) for length in (rows, columns)]
        halved = (rows // 2, columns // 2, filters) if pooled else (rows, columns, filters)
        images.append(_room_for(halved, following, written))
        shapes.append((rows, columns, layer.activation is keras.activations.relu, pooled))
    convolutions = [
        Convolution(before, after, *shape)
        for before, after, shape in zip(images[:-1], images[1:], shapes, strict=True)
    ]
    dense = []
    features = _features_of(images[-1]) if images else _flat(plan.dense[0].kernel.shape[0])
    for layer in plan.dense:
        units = _flat(layer.units)
        dense.append(Dense(features, units, layer.activation is keras.activations.relu))
        features = units
    return images, convolutions, dense


def _room_for(shape, layer, written):
    """Images of that shape, with room for the whole tiles that are written and that `layer` reads."""
    rows, columns, channels = shape
    border = 1 if layer is not None and layer.padding == "same" else 0
    needed = [border + max(pair) for pair in zip((rows, columns), written, strict=True)]
    if layer is not None:
        read = [4 * -(-length // 4) + 2 for length in layer.output.shape[1:3]]
        needed = [max(pair) for pair in zip(needed, read, strict=True)]
    return Images(rows, columns, channels, border, *needed)


def _flat(size):
    return Features(1, size, 0, 0, spread_stride(size * LANES))


def _features_of(images):
    """Images row by row, or as one row where nothing lies between."""
    columns, stride = images.columns * images.channels, spread_stride(images.size)
    if images.width == images.columns:
        return Features(1, images.rows * columns, images.first, 0, stride)
    return Features(images.rows, columns, images.first, images.row_stride, stride)


def write_network(
    program: Program,
    plan: Plan,
    arrays: Sequence[np.ndarray],
    starts: Sequence[int],
    update: Update,
    settings: Mapping,
    batch_size: int,
) -> None:
    """Write the functions "train" and "evaluate".

    They take (examples; data, labels, order, losses, predictions), and "train" also the rate of each step.

    Args:
        arrays: all weights in one, and the same for each thing that the optimizer keeps.
        starts: where kernel and bias of each layer begin in them.
        update, settings: the optimizer's.
    """
    images, convolutions, dense = lay_out(plan)
    first = _features_of_pixels(images[0]) if images else dense[0].features
    groups = -(-batch_size // LANES)

    def room(stride):
        return Room(program.room(stride * groups), stride)

    gradients = program.room(len(arrays[0]))
    parameters = [(Room(arrays[0][start:]), Room(gradients[start:])) for start in starts]
    scratch = [Room(program.room(max([0, *(each.scratch_size for each in convolutions)]))) for _ in range(2)]
    network_input = values = room(first.group_stride)
    gradient = Room(program.room(images[0].size if images else 0))
    spatial, flat = [], []
    for number, layer in enumerate([*convolutions, *dense]):
        output = room(layer.output_stride)
        # What goes back from convolution to convolution is done with before the next group's turn.
        at_once = number < len(convolutions) - 1
        upstream = Room(program.room(layer.output_stride)) if at_once else room(layer.output_stride)
        (kernel, kernel_gradient), (bias, bias_gradient) = parameters[2 * number : 2 * number + 2]
        memory = Memory(values, output, gradient, upstream, kernel, kernel_gradient, bias, bias_gradient)
        if number < len(convolutions):
            choice = room(layer.output_stride) if layer.pooled else Room(program.room(0))
            spatial.append(ConvolutionStage(program, number, layer, memory, choice, scratch))
        else:
            flat.append(DenseStage(program, number, layer, memory))
        values, gradient = output, upstream
    labels = room(LANES)
    gather, loss = write_gather(program, "gather", first), write_loss(program, "loss", dense[-1].units)
    take_step = write_update(program, "update", update, settings, len(arrays[0]))

    def write_pass(code, first_example):
        examples, data, all_labels, order, losses, predictions, *_ = code.arguments
        count = code.smaller(code.subtract(examples, first_example), batch_size)
        chosen = code.at(order, first_example)
        code.call(gather, count, data, all_labels, chosen, network_input.at(code), labels.at(code))
        for stage in spatial:
            stage.write_preparation(code)
        groups_here = groups_of(code, count)
        if spatial:
            with code.loop(groups_here) as group:
                for stage in spatial:
                    stage.write_forward(code, group)
        for stage in flat:
            stage.write_forward(code, groups_here)
        outcome = [code.at(pointer, first_example) for pointer in (losses, predictions)]
        code.call(loss, count, values.at(code), labels.at(code), gradient.at(code), *outcome)
        return groups_here

    code = program.function("evaluate", numbers=1, pointers=5)
    with code.without_denormals(), code.loop(code.arguments[0], batch_size) as first_example:
        write_pass(code, first_example)
    code.finish()

    code = program.function("train", numbers=1, pointers=6)
    with code.without_denormals(), code.loop(code.arguments[0], batch_size) as first_example:
        groups_here = write_pass(code, first_example)
        for stage in reversed(flat):
            stage.write_backward(code, groups_here)
        if spatial:
            with code.loop(groups_here) as group:
                for stage in reversed(spatial):
                    stage.write_backward(code, group)
        for stage in spatial:
            stage.write_completion(code)
        rate = code.at(code.arguments[-1], code.divide(first_example, batch_size)[0])
        weights, *kept = (code.address(array) for array in arrays)
        code.call(take_step, rate, weights, code.address(gradients), *kept)
    code.finish()


def _features_of_pixels(images):
    """The images before the first convolution, whose rows are fetched one by one."""
    columns = images.columns * images.channels
    return Features(images.rows, columns, images.first, images.row_stride, spread_stride(images.size))


class Memory(NamedTuple):
    """What a layer takes and gives, forth and back."""

    values: Room
    output: Room
    values_gradient: Room
    output_gradient: Room
    kernel: Room
    kernel_gradient: Room
    bias: Room
    bias_gradient: Room


class ConvolutionStage:
    """A convolution's functions, and the calls of them."""

    def __init__(self, program: Program, number: int, layer: Convolution, memory: Memory, choice, scratch):
        self._memory, self._choice, self._scratch = memory, choice, scratch
        self._points, self._points_gradient = (Room(program.room(layer.points_size)) for _ in range(2))
        self._sums = Room(program.room(layer.output.channels * LANES))
        self._prepare = layer.write_kernel_transform(program, f"prepare_{number}")
        self._forward = layer.write_forward(program, f"forward_{number}")
        self._backward = layer.write_backward(program, f"backward_{number}", to_images=number > 0)
        self._complete = layer.write_gradient_transform(program, f"complete_{number}")

    def write_preparation(self, code):
        code.call(self._prepare, self._memory.kernel.at(code), self._points.at(code))

    def write_forward(self, code, group):
        code.call(
            self._forward,
            self._memory.values.at(code, group),
            self._points.at(code),
            self._memory.bias.at(code),
            self._memory.output.at(code, group),
            self._choice.at(code, group),
            *(room.at(code) for room in self._scratch),
        )

    def write_backward(self, code, group):
        code.call(
            self._backward,
            self._memory.values.at(code, group),
            self._points.at(code),
            self._memory.output.at(code, group),
            self._choice.at(code, group),
            self._memory.output_gradient.at(code, group),
            self._points_gradient.at(code),
            self._sums.at(code),
            self._memory.values_gradient.at(code, group),
            *(room.at(code) for room in self._scratch),
        )

    def write_completion(self, code):
        code.call(
            self._complete,
            self._points_gradient.at(code),
            self._sums.at(code),
            self._memory.kernel_gradient.at(code),
            self._memory.bias_gradient.at(code),
        )


class DenseStage:
    """A dense layer's functions, and the calls of them."""

    def __init__(self, program: Program, number: int, layer: Dense, memory: Memory):
        self._memory = memory
        self._forward = layer.write_forward(program, f"forward_{number}")
        self._backward = layer.write_backward(program, f"backward_{number}", to_features=number > 0)

    def write_forward(self, code, groups):
        code.call(
            self._forward,
            groups,
            self._memory.values.at(code),
            self._memory.kernel.at(code),
            self._memory.bias.at(code),
            self._memory.output.at(code),
        )

    def write_backward(self, code, groups):
        code.call(
            self._backward,
            groups,
            self._memory.values.at(code),
            self._memory.kernel.at(code),
            self._memory.output.at(code),
            self._memory.output_gradient.at(code),
            self._memory.kernel_gradient.at(code),
            self._memory.bias_gradient.at(code),
            self._memory.values_gradient.at(code),
        )
