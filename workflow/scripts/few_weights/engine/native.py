"""Networks of 3 x 3 convolutions, 2 x 2 max pooling and dense layers, trained by machine code of our own.

An epoch is one call. Eight images are computed at once, one in each lane of a vector, so that a network of one
channel fills the processor as one of 32 does. `compile_training` writes the code for one network, one
optimizer and one batch size.
"""

import math
from collections.abc import Mapping, Sequence
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


def plan_network(body: Sequence[keras.Layer]) -> Plan | str:
    """The plan of layers that follow each other, or why there is none, as "for ..."."""
    convolutions, dense = [], []
    stage = "images"
    for layer in body:
        kind = type(layer)
        flat = len(layer.input.shape) == 2
        usable = not layer.losses and layer.trainable and layer.compute_dtype == "float32"
        if kind is layers.Conv2D and stage == "images" and usable and _is_plain(layer):
            convolutions.append((layer, False))
        elif kind is layers.MaxPooling2D and stage == "images" and convolutions and _halves(layer):
            if convolutions[-1][1]:
                return f"for {layer.name}, which pools again"
            convolutions[-1] = (convolutions[-1][0], True)
        elif kind is layers.Flatten and stage == "images":
            stage = "features"
        elif kind is layers.Dense and flat and usable and _is_plain_dense(layer, layer is body[-1]):
            stage = "features"
            dense.append(layer)
        else:
            return f"for {layer.name}"
    if not dense or dense[-1].activation is not keras.activations.softmax:
        return "for a last layer without softmax"
    row = body[0].input.shape[1:]
    if math.prod(row[-2:]) < LANES:
        return f"for rows of fewer than {LANES} numbers"
    return Plan(convolutions, dense)


def _is_plain(layer):
    return (
        layer.kernel_size == (3, 3)
        and layer.strides == layer.dilation_rate == (1, 1)
        and layer.groups == 1
        and layer.data_format == "channels_last"
        and layer.use_bias
        and layer.activation in (keras.activations.relu, keras.activations.linear)
        and _without_penalties(layer)
    )


def _is_plain_dense(layer, last):
    known = {keras.activations.relu, keras.activations.linear} if not last else {keras.activations.softmax}
    return layer.use_bias and layer.activation in known and _without_penalties(layer)


def _without_penalties(layer):
    penalties = ("kernel_regularizer", "bias_regularizer", "activity_regularizer")
    constraints = ("kernel_constraint", "bias_constraint")
    return all(getattr(layer, name) is None for name in (*penalties, *constraints))


def _halves(layer):
    return (
        layer.pool_size == layer.strides == (2, 2)
        and layer.padding == "valid"
        and layer.data_format == "channels_last"
    )


def why_not_optimizer(optimizer: Mapping, schedule: Mapping | None) -> str | None:
    """Why an optimizer is not computed here, as "with ...", or None."""
    if schedule is not None:
        return "with a schedule"
    name = optimizer["name"]
    if name not in UPDATES:
        return f"with {name}"
    unknown = optimizer.keys() - UPDATES[name][1] - {"name", "learning_rate"}
    return f"with {name}'s {', '.join(sorted(unknown))}" if unknown else None


class NativeLoop:
    """Trains a network by machine code; Keras' variables are read before an epoch and written after it.

    Args:
        plan: of the network.
        optimizer: Keras', built, and `settings` what it was built from.
        batch_size: images a step.
    """

    def __init__(
        self, plan: Plan, optimizer: keras.optimizers.Optimizer, settings: Mapping, batch_size: int
    ):
        self._optimizer, self._batch_size = optimizer, batch_size
        variables = [
            variable for layer in self._layers(plan) for variable in (layer.kernel, layer.bias)
        ]
        kept = [getattr(optimizer, name) for name in UPDATES[settings["name"]][0]]
        places = [optimizer._get_variable_index(variable) for variable in variables]
        #: Keras' variables beside our copies of them, one after the other in one array for each kind.
        self._lists = [variables, *([others[place] for place in places] for others in kept)]
        sizes = [whole_vectors(math.prod(variable.shape)) for variable in variables]
        self._ends = np.cumsum(sizes)
        self._copies = [_zeros(self._ends[-1]) for _ in self._lists]
        program = _write(plan, settings, batch_size, self._copies, self._ends - sizes)
        self._memory, functions = program
        self._train, self._evaluate = functions("train"), functions("evaluate")

    @staticmethod
    def _layers(plan):
        return [*(layer for layer, _ in plan.convolutions), *plan.dense]

    def place(self, images: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Images (float32, as the first layer takes them) and labels as `train` and `evaluate` take them."""
        return np.ascontiguousarray(images, np.float32), np.ascontiguousarray(labels, np.float32)

    def train(self, data: tuple, order: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """An epoch. Returns the cross-entropy in nats and the predicted class of each example, in that order."""
        steps = math.ceil(len(order) / self._batch_size)
        rates = np.full(steps, self._optimizer.learning_rate, np.float32)
        result = self._run(self._train, data, order, rates)
        for variables, copy in zip(self._lists, self._copies, strict=True):
            for variable, end in zip(variables, self._ends, strict=True):
                start = end - whole_vectors(math.prod(variable.shape))
                flat = copy[start : start + math.prod(variable.shape)]
                variable.assign(flat.reshape(variable.shape))
        self._optimizer.iterations.assign_add(steps)
        return result

    def evaluate(self, data: tuple) -> tuple[np.ndarray, np.ndarray]:
        """Cross-entropy in nats and predicted class of each example."""
        return self._run(self._evaluate, data, np.arange(len(data[1])))

    def _run(self, function, data, order, *others):
        for variables, copy in zip(self._lists, self._copies, strict=True):
            for variable, end in zip(variables, self._ends, strict=True):
                start = end - whole_vectors(math.prod(variable.shape))
                copy[start : start + math.prod(variable.shape)] = np.asarray(variable).reshape(-1)
        order = np.ascontiguousarray(order, np.int32)
        # A group's unused lanes are written too.
        losses, predictions = (np.empty(len(order) + LANES, np.float32) for _ in range(2))
        arrays = (*data, order, losses, predictions, *others)
        function(len(order), *(array.ctypes.data for array in arrays))
        return losses[: len(order)], predictions[: len(order)].astype(np.uint8)


def _zeros(size: int) -> np.ndarray:
    """Zeros from a border of cache lines on, with room behind them for the rest of a vector."""
    array = np.zeros(size + 32, np.float32)
    start = -array.ctypes.data // 4 % 16
    return array[start : start + size + LANES]


def _images(shape, border, convolution_rows, needed):
    raise NotImplementedError


def lay_out(plan: Plan) -> tuple[list[Convolution], list[Images], list[Dense]]:
    """How each layer's images and features lie in memory.

    Returns:
        The convolutions, the dense layers, and the images before each convolution and behind the last.
    """
    shapes = [layer.input.shape[1:] for layer, _ in plan.convolutions]
    borders = [1 if layer.padding == "same" else 0 for layer, _ in plan.convolutions]
    results = []
    for layer, pooled in plan.convolutions:
        rows, columns, channels = layer.output.shape[1:]
        results.append((rows, columns))
        shape = (rows // 2, columns // 2, channels) if pooled else (rows, columns, channels)
    images = []
    for place, border in enumerate([*borders, 0] if borders else []):
        if place < len(shapes):
            rows, columns, channels = shapes[place]
        else:
            rows, columns, channels = shape
        room = [border + rows + border, border + columns + border]
        if place < len(results):  # whole tiles are read
            room = [max(have, 4 * -(-size // 4) + 2) for have, size in zip(room, results[place], strict=True)]
        if place > 0:  # whole tiles are written
            edge = 2 if plan.convolutions[place - 1][1] else 4
            room = [
                max(have, border + edge * -(-size // 4))
                for have, size in zip(room, results[place - 1], strict=True)
            ]
        images.append(Images(rows, columns, channels, border, *room))
    convolutions = [
        Convolution(before, behind, *result, layer.activation is keras.activations.relu, pooled)
        for (layer, pooled), before, behind, result in zip(
            plan.convolutions, images[:-1], images[1:], results, strict=True
        )
    ]
    if images:
        features = _image_features(images[-1])
    else:
        size = plan.dense[0].kernel.shape[0]
        features = _features(size)
    dense = []
    for layer in plan.dense:
        units = _features(layer.units)
        dense.append(Dense(features, units, layer.activation is keras.activations.relu))
        features = units
    return convolutions, images, dense


def _features(size):
    return Features(1, size, 0, size * LANES, spread_stride(size * LANES))


def _image_features(images):
    columns = images.columns * images.channels
    stride = spread_stride(images.size)
    if images.width == images.columns:
        return Features(1, images.rows * columns, images.first, 0, stride)
    return Features(images.rows, columns, images.first, images.row_stride, stride)


class _Memory:
    """Arrays that the program's code knows by their addresses."""

    def __init__(self, groups):
        self.arrays = []
        self.groups = groups

    def room(self, size: int) -> np.ndarray:
        self.arrays.append(_zeros(size))
        return self.arrays[-1]

    def groups_of(self, stride: int) -> np.ndarray:
        return self.room(stride * self.groups)


def _write(plan, settings, batch_size, copies, starts):
    """The program for a network: the memory it works in, and its functions by name."""
    convolutions, images, dense = lay_out(plan)
    program = Program()
    memory = _Memory(-(-batch_size // LANES))
    size = len(copies[0]) - LANES
    gradients = memory.room(size)
    parameters = [(array, start) for array in (copies[0], gradients) for start in starts]
    weights, weight_gradients = parameters[: len(starts)], parameters[len(starts) :]

    kept_images = [memory.groups_of(spread_stride(each.size)) for each in images]
    if convolutions:
        features = [kept_images[-1]]
        first = _row_features(images[0])
        upstream = [memory.groups_of(spread_stride(images[-1].size))]
    else:
        features = [memory.groups_of(dense[0].features.group_stride)]
        first = dense[0].features
        upstream = [features[0]]  # not written
    features += [memory.groups_of(layer.units.group_stride) for layer in dense]
    upstream += [memory.groups_of(layer.units.group_stride) for layer in dense]
    labels = memory.groups_of(LANES)
    scratch = [
        memory.room(max((layer.scratch_size for layer in convolutions), default=0))
        for _ in range(2)
    ]
    choices = [memory.groups_of(spread_stride(layer.output.size)) if layer.pooled else scratch[0] for layer in convolutions]
    points = [memory.room(layer.points_size) for layer in convolutions]
    points_gradients = [memory.room(layer.points_size) for layer in convolutions]
    sums = [memory.room(layer.output.channels * LANES) for layer in convolutions]
    image_gradients = [memory.room(each.size) for each in images[:-1]]

    gather = write_gather(program, "gather", first)
    loss = write_loss(program, "loss", dense[-1].units)
    update = write_update(program, "update", settings, size)
    kernel_transforms, forwards, backwards, gradient_transforms = [], [], [], []
    for number, layer in enumerate(convolutions):
        kernel_transforms.append(layer.write_kernel_transform(program, f"kernel_{number}"))
        forwards.append(layer.write_forward(program, f"convolve_{number}"))
        backwards.append(layer.write_backward(program, f"convolve_back_{number}", number > 0))
        gradient_transforms.append(layer.write_gradient_transform(program, f"gradient_{number}"))
    dense_forwards = [layer.write_forward(program, f"dense_{n}") for n, layer in enumerate(dense)]
    dense_backwards = [
        layer.write_backward(program, f"dense_back_{n}", n > 0 or bool(convolutions))
        for n, layer in enumerate(dense)
    ]

    def at(code: Code, array: np.ndarray, offset=0):
        return code.at(code.address(array), offset)

    def parameter(code, places, layer, which):
        array, start = places[2 * layer + which]
        return at(code, array, int(start))

    def write_pass(code, count, data, label_data, order, losses, predictions):
        groups = groups_of(code, count)
        code.call(gather, count, data, label_data, order, at(code, kept_images[0] if convolutions else features[0]), at(code, labels))
        for n, function in enumerate(kernel_transforms):
            code.call(function, parameter(code, weights, n, 0), at(code, points[n]))
        if convolutions:
            with code.loop(groups) as group:
                for n, layer in enumerate(convolutions):
                    code.call(
                        forwards[n],
                        group_at(code, kept_images[n], layer.images, group),
                        at(code, points[n]),
                        parameter(code, weights, n, 1),
                        group_at(code, kept_images[n + 1], layer.output, group),
                        group_at(code, choices[n], layer.output, group) if layer.pooled else at(code, choices[n]),
                        at(code, scratch[0]),
                        at(code, scratch[1]),
                    )
        for n, function in enumerate(dense_forwards):
            place = len(convolutions) + n
            code.call(function, groups, at(code, features[n]), parameter(code, weights, place, 0), parameter(code, weights, place, 1), at(code, features[n + 1]))
        code.call(loss, count, at(code, features[-1]), at(code, labels), at(code, upstream[-1]), losses, predictions)
        return groups

    def group_at(code, array, images_, group):
        return at(code, array, code.multiply(group, spread_stride(images_.size)))

    code = program.function("evaluate", numbers=1, pointers=5)
    examples, data, label_data, order, losses, predictions = code.arguments
    code.flush_denormals()
    with code.loop(examples, batch_size) as first_example:
        count = code.smaller(code.subtract(examples, first_example), batch_size)
        write_pass(code, count, data, label_data, *(code.at(pointer, first_example) for pointer in (order, losses, predictions)))
    code.finish()

    code = program.function("train", numbers=1, pointers=6)
    examples, data, label_data, order, losses, predictions, rates = code.arguments
    code.flush_denormals()
    with code.loop(examples, batch_size) as first_example:
        count = code.smaller(code.subtract(examples, first_example), batch_size)
        groups = write_pass(code, count, data, label_data, *(code.at(pointer, first_example) for pointer in (order, losses, predictions)))
        for n in reversed(range(len(dense))):
            place = len(convolutions) + n
            code.call(
                dense_backwards[n],
                groups,
                at(code, features[n]),
                parameter(code, weights, place, 0),
                at(code, features[n + 1]),
                at(code, upstream[n + 1]),
                parameter(code, weight_gradients, place, 0),
                parameter(code, weight_gradients, place, 1),
                at(code, upstream[n]),
            )
        if convolutions:
            with code.loop(groups) as group:
                for n in reversed(range(len(convolutions))):
                    layer = convolutions[n]
                    last = n == len(convolutions) - 1
                    code.call(
                        backwards[n],
                        group_at(code, kept_images[n], layer.images, group),
                        at(code, points[n]),
                        group_at(code, kept_images[n + 1], layer.output, group),
                        group_at(code, choices[n], layer.output, group) if layer.pooled else at(code, choices[n]),
                        group_at(code, upstream[0], layer.output, group) if last else at(code, image_gradients[n + 1]),
                        at(code, points_gradients[n]),
                        at(code, sums[n]),
                        at(code, image_gradients[n]),
                        at(code, scratch[0]),
                        at(code, scratch[1]),
                    )
        for n, function in enumerate(gradient_transforms):
            code.call(function, at(code, points_gradients[n]), at(code, sums[n]), parameter(code, weight_gradients, n, 0), parameter(code, weight_gradients, n, 1))
        step = code.divide(first_example, batch_size)[0]
        code.call(update, code.at(rates, step), *(at(code, array) for array in (copies[0], gradients, *copies[1:])))
    code.finish()
    return memory, program.compile()


def _row_features(images: Images) -> Features:
    """The images' pixels row by row."""
    return Features(images.rows, images.columns * images.channels, images.first, images.row_stride, spread_stride(images.size))
