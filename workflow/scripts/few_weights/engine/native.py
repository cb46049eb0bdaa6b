"""Networks of 3 x 3 convolutions, 2 x 2 max pooling and dense layers, trained by machine code of our own.

An epoch is one call. Eight images are computed at once, one in each lane of a vector, so that a network of
one channel fills the processor as well as one of 32 does. The code is written for one network, one optimizer
and one batch size; see `NativeLoop`.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import keras
import numpy as np
from keras import layers

from few_weights.engine.dense import Dense, Features
from few_weights.engine.machine_code import LANES, Code, Program
from few_weights.engine.steps import UPDATES, groups_of, write_gather, write_loss, write_update
from few_weights.engine.winograd import Convolution, Images, spread_stride, whole_vectors


class Plan(NamedTuple):
    """What a network is made of: convolutions, each with whether pooling follows it, then dense layers."""

    convolutions: list[tuple[layers.Conv2D, bool]]
    dense: list[layers.Dense]

    def __str__(self) -> str:
        counts = {"convolution": len(self.convolutions), "dense layer": len(self.dense)}
        return ", ".join(f"{count} {name}{'s' * (count > 1)}" for name, count in counts.items() if count)


def plan_network(body: Sequence[keras.Layer]) -> Plan | str:
    """The plan of layers that follow each other, or why there is none, as "for conv2d"."""
    convolutions, dense, flat = [], [], False
    for layer in body:
        kind = type(layer)
        if kind is layers.Conv2D and not dense and not flat and _is_plain(layer):
            convolutions.append((layer, False))
        elif kind is layers.MaxPooling2D and convolutions and not flat and _halves(layer):
            convolution, pooled = convolutions.pop()
            if pooled:
                return f"for {layer.name}, which pools once more"
            convolutions.append((convolution, True))
        elif kind is layers.Flatten and convolutions and not flat:
            flat = True
        elif kind is layers.Dense and len(layer.input.shape) == 2 and _has_nothing_else(layer):
            dense.append(layer)
        else:
            return f"for {layer.name}"
    hidden = [*(layer for layer, _ in convolutions), *dense[:-1]]
    unknown = [layer for layer in hidden if layer.activation not in (keras.activations.relu, _LINEAR)]
    if unknown:
        return f"for {unknown[0].name}'s activation"
    if not dense or dense[-1].activation is not keras.activations.softmax:
        return "for a last layer without softmax"
    if math.prod(body[0].input.shape[1:][-2:]) < LANES:
        return f"for rows of fewer than {LANES} numbers"
    return Plan(convolutions, dense)


_LINEAR = keras.activations.linear


def _is_plain(layer):
    return (
        layer.kernel_size == (3, 3)
        and layer.strides == layer.dilation_rate == (1, 1)
        and layer.groups == 1
        and layer.data_format == "channels_last"
        and _has_nothing_else(layer)
    )


def _has_nothing_else(layer):
    """Whether a layer has weights and biases that are trained as float32, without penalties or bounds."""
    others = [
        getattr(layer, f"{name}_{kind}")
        for name in ("kernel", "bias")
        for kind in ("regularizer", "constraint")
    ]
    return (
        layer.use_bias
        and layer.trainable
        and layer.compute_dtype == "float32"
        and not any([*others, layer.activity_regularizer])
    )


def _halves(layer):
    plain = layer.padding == "valid" and layer.data_format == "channels_last"
    return plain and layer.pool_size == layer.strides == (2, 2)


def why_not_optimizer(optimizer: keras.optimizers.Optimizer) -> str | None:
    """Why this optimizer's steps are not written here, as "with adam", or None if they are."""
    name, settings = type(optimizer).__name__.lower(), optimizer.get_config()
    if name not in UPDATES:
        return f"with {name}"
    if not isinstance(settings["learning_rate"], float):
        return "with a schedule"
    idle = {"name", "learning_rate", "ema_momentum", *UPDATES[name].settings}
    unknown = [key for key, value in settings.items() if value and key not in idle]
    return f"with {unknown[0]}" if unknown else None


class NativeLoop:
    """Trains and evaluates by machine code. Keras' variables are read before each call and written after it.

    Args:
        plan: the network.
        optimizer: Keras', built for that network; one that `why_not_optimizer` has nothing against.
        batch_size: images a step.
    """

    def __init__(self, plan: Plan, optimizer: keras.optimizers.Optimizer, batch_size: int):
        self._optimizer, self._batch_size = optimizer, batch_size
        with_weights = [*(layer for layer, _ in plan.convolutions), *plan.dense]
        variables = [variable for layer in with_weights for variable in (layer.kernel, layer.bias)]
        places = [optimizer._get_variable_index(variable) for variable in variables]
        update = UPDATES[type(optimizer).__name__.lower()]
        kept = [[getattr(optimizer, name)[place] for place in places] for name in update.kept]
        self._program = Program()
        starts = np.cumsum([0, *(whole_vectors(math.prod(variable.shape)) for variable in variables)])
        #: Keras' variables and our copies of them: first the weights, then what the optimizer keeps.
        self._copies = []
        for group in (variables, *kept):
            room = self._program.room(starts[-1])
            for variable, start in zip(group, starts, strict=False):
                copy = room[start : start + math.prod(variable.shape)].reshape(variable.shape)
                self._copies.append((variable, copy))
        weights = [copy for _, copy in self._copies[: len(variables)]]
        _write_program(self._program, plan, weights, starts, optimizer.get_config(), update, batch_size)
        functions = self._program.compile()
        self._train, self._evaluate = functions("train"), functions("evaluate")

    def place(self, images: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Images (float32, as the first layer takes them) and labels, as `train` and `evaluate` want them."""
        return np.ascontiguousarray(images, np.float32), np.ascontiguousarray(labels, np.float32)

    def train(self, data: tuple[np.ndarray, np.ndarray], order: np.ndarray) -> tuple[float, int]:
        """An epoch in that order. Returns the sum of the cross-entropies in nats, and how many were right."""
        steps = math.ceil(len(order) / self._batch_size)
        rates = np.full(steps, self._optimizer.learning_rate, np.float32)
        losses, predictions = self._run(self._train, data, order, rates)
        for variable, copy in self._copies:
            variable.assign(copy)
        self._optimizer.iterations.assign_add(steps)
        return losses.sum(dtype=np.float64), np.count_nonzero(predictions == data[1][order])

    def evaluate(self, data: tuple[np.ndarray, np.ndarray]) -> tuple[float, np.ndarray]:
        """The sum of the cross-entropies in nats, and each example's class."""
        losses, predictions = self._run(self._evaluate, data, np.arange(len(data[1])))
        return losses.sum(dtype=np.float64), predictions.astype(np.uint8)

    def _run(self, function, data, order, *others):
        for variable, copy in self._copies:
            copy[...] = variable
        # A group's unused lanes are written too.
        losses, predictions = (np.empty(len(order) + LANES, np.float32) for _ in range(2))
        arrays = (*data, np.ascontiguousarray(order, np.int32), losses, predictions, *others)
        function(len(order), *(array.ctypes.data for array in arrays))
        return losses[: len(order)], predictions[: len(order)]


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


def _write_program(program, plan, weights, starts, settings, update, batch_size):
    """Write the functions "train" and "evaluate".

    (examples; data, labels, order, losses, predictions), and for "train" also the learning rate of each step.
    """
    images, convolutions, dense = lay_out(plan)
    groups = -(-batch_size // LANES)

    def room(stride):
        return Room(program.room(stride * groups), stride)

    gradients = program.room(starts[-1])
    parameters = [
        (Room(values), Room(gradients[start:])) for values, start in zip(weights, starts, strict=False)
    ]
    stages, scratch = [], []
    if convolutions:
        size = max(layer.scratch_size for layer in convolutions)
        scratch = [Room(program.room(size)) for _ in range(2)]
        first = _features_of_pixels(images[0])
    else:
        first = dense[0].features
    values, upstream = room(first.group_stride), Room(program.room(images[0].size if images else 0))
    kept = [values]
    for number, layer in enumerate([*convolutions, *dense]):
        kernel, bias = parameters[2 * number : 2 * number + 2]
        name = f"{number}"
        if number < len(convolutions):
            output = room(spread_stride(layer.output.size))
            # The gradient of what the dense layers take must last for all groups.
            last = number == len(convolutions) - 1
            gradient = room(output.stride) if last else Room(program.room(layer.output.size))
            stage = _ConvolutionStage(program, name, layer, number > 0, room, scratch)
        else:
            output, gradient = room(layer.units.group_stride), room(layer.units.group_stride)
            stage = _DenseStage(program, name, layer, number > 0)
        stage.connect(kept[-1], output, upstream, gradient, kernel, bias)
        stages.append(stage)
        kept.append(output)
        upstream = gradient
    labels = room(LANES)
    gather, loss = write_gather(program, "gather", first), write_loss(program, "loss", dense[-1].units)
    take_step = write_update(program, "update", update, settings, int(starts[-1]))
    spatial, flat = stages[: len(convolutions)], stages[len(convolutions) :]

    def write_pass(code, first_example):
        examples, data, all_labels, order, losses, predictions, *_ = code.arguments
        count = code.smaller(code.subtract(examples, first_example), batch_size)
        chosen = code.at(order, first_example)
        code.call(gather, count, data, all_labels, chosen, kept[0].at(code), labels.at(code))
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
        code.call(loss, count, kept[-1].at(code), labels.at(code), upstream.at(code), *outcome)
        return groups_here

    code = program.function("evaluate", numbers=1, pointers=5)
    code.flush_denormals()
    with code.loop(code.arguments[0], batch_size) as first_example:
        write_pass(code, first_example)
    code.finish()

    code = program.function("train", numbers=1, pointers=6)
    code.flush_denormals()
    with code.loop(code.arguments[0], batch_size) as first_example:
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
        arrays = [program.rooms[0], gradients, *program.rooms[1 : 1 + len(update.kept)]]
        code.call(take_step, rate, *(code.address(array) for array in arrays))
    code.finish()


def _features_of_pixels(images):
    """The images before the first convolution, whose rows are fetched one by one."""
    columns = images.columns * images.channels
    return Features(images.rows, columns, images.first, images.row_stride, spread_stride(images.size))


class _ConvolutionStage:
    """A convolution's functions, and the memory they work in."""

    def __init__(self, program, name, layer: Convolution, to_images, room, scratch):
        self._room = room
        self._scratch = scratch
        self._choice = room(spread_stride(layer.output.size)) if layer.pooled else scratch[0]
        self._points, self._points_gradient = (Room(program.room(layer.points_size)) for _ in range(2))
        self._sums = Room(program.room(layer.output.channels * LANES))
        self._prepare = layer.write_kernel_transform(program, f"prepare_{name}")
        self._forward = layer.write_forward(program, f"forward_{name}")
        self._backward = layer.write_backward(program, f"backward_{name}", to_images)
        self._complete = layer.write_gradient_transform(program, f"complete_{name}")

    def connect(self, images: Room, output: Room, images_gradient: Room, upstream: Room, kernel, bias):
        self._images, self._output = images, output
        self._images_gradient, self._upstream = images_gradient, upstream
        self._kernel, self._bias = kernel, bias

    def write_preparation(self, code):
        code.call(self._prepare, self._kernel[0].at(code), self._points.at(code))

    def write_forward(self, code, group):
        code.call(
            self._forward,
            self._images.at(code, group),
            self._points.at(code),
            self._bias[0].at(code),
            self._output.at(code, group),
            self._choice.at(code, group),
            *(room.at(code) for room in self._scratch),
        )

    def write_backward(self, code, group):
        code.call(
            self._backward,
            self._images.at(code, group),
            self._points.at(code),
            self._output.at(code, group),
            self._choice.at(code, group),
            self._upstream.at(code, group),
            self._points_gradient.at(code),
            self._sums.at(code),
            self._images_gradient.at(code, group),
            *(room.at(code) for room in self._scratch),
        )

    def write_completion(self, code):
        code.call(
            self._complete,
            self._points_gradient.at(code),
            self._sums.at(code),
            self._kernel[1].at(code),
            self._bias[1].at(code),
        )


class _DenseStage:
    """A dense layer's functions, and the memory they work in."""

    def __init__(self, program, name, layer: Dense, to_features):
        self._forward = layer.write_forward(program, f"forward_{name}")
        self._backward = layer.write_backward(program, f"backward_{name}", to_features)

    def connect(self, features: Room, units: Room, features_gradient: Room, upstream: Room, kernel, bias):
        self._features, self._units = features, units
        self._features_gradient, self._upstream = features_gradient, upstream
        self._kernel, self._bias = kernel, bias

    def write_forward(self, code, groups):
        code.call(
            self._forward,
            groups,
            self._features.at(code),
            self._kernel[0].at(code),
            self._bias[0].at(code),
            self._units.at(code),
        )

    def write_backward(self, code, groups):
        code.call(
            self._backward,
            groups,
            self._features.at(code),
            self._kernel[0].at(code),
            self._units.at(code),
            self._upstream.at(code),
            self._kernel[1].at(code),
            self._bias[1].at(code),
            self._features_gradient.at(code),
        )
