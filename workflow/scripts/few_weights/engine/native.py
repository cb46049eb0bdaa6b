"""Networks of 3 x 3 convolutions, 2 x 2 max pooling and dense layers, trained by machine code of our own.

An epoch is one call. Eight images are computed at once, one in each lane of a vector, so that a network of
one channel fills the processor as well as one of 32 does. The code is written for one network, one optimizer
and one batch size; see `NativeLoop`.
"""

import math
from collections.abc import Sequence

import keras
import numpy as np
from keras import layers

from few_weights.engine.layouts import whole_vectors
from few_weights.engine.machine_code import LANES, Program
from few_weights.engine.network_program import Plan, write_network
from few_weights.engine.plain import is_plain, seconds_by_keras, trains_only
from few_weights.engine.updates import UPDATES


def plan_network(model: keras.Model, body: Sequence[keras.Layer], steps: int) -> Plan | str:
    """The plan of layers that follow each other, or why there is none, as "for conv2d".

    Args:
        body: the model's layers, but for leading ones without weights.
        steps: how many the training takes.
    """
    convolutions, dense, flat = [], [], False
    for layer in body:
        if _is_convolution(layer) and not dense and not flat:
            convolutions.append((layer, False))
        elif halves(layer, layers.MaxPooling2D) and convolutions and not flat:
            convolution, pooled = convolutions.pop()
            if pooled:
                return f"for {layer.name}, which pools once more"
            convolutions.append((convolution, True))
        elif is_plain(layer, layers.Flatten, ()) and convolutions and not flat:
            flat = True
        elif is_plain(layer, layers.Dense, ("units", *_COMMON), _WEIGHTS) and len(layer.input.shape) == 2:
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
    plan = Plan(convolutions, dense)
    if not trains_only(model, plan.variables):
        return "for variables or a dtype outside its layers"
    if dense[-1].units > MOST_CLASSES:
        return f"for {dense[-1].units} classes"
    seconds = sum(CONVOLUTION_SECONDS[layer.filters >= LANES] for layer, _ in convolutions)
    if seconds > seconds_by_keras(steps):
        return f"for {len(convolutions)} convolutions, which take too long to compile for {steps:,} steps"
    return plan


#: Compiling a convolution of fewer filters than a vector holds, or of more. Keras takes 0.2 seconds to trace
#: one. Dense layers, whatever their size, compile faster than Keras traces them: 0.1 seconds.
CONVOLUTION_SECONDS = (0.3, 0.6)


#: The loss is written out for each class: 1.4 seconds for so many, 11 for 1,000.
MOST_CLASSES = 256


_LINEAR = keras.activations.linear


#: What is read of a layer with weights.
_COMMON = ("activation", "use_bias")


_WEIGHTS = ("kernel", "bias")


def _is_convolution(layer):
    read = ("filters", "kernel_size", "padding", "strides", *_COMMON)
    return (
        is_plain(layer, layers.Conv2D, read, _WEIGHTS)
        and layer.kernel_size == (3, 3)
        and layer.strides == (1, 1)
        and layer.padding in ("valid", "same")
    )


def halves(layer: keras.Layer, kind: type) -> bool:
    """Whether it is pooling of that kind, of 2 x 2 pixels that do not overlap."""
    plain = is_plain(layer, kind, ("pool_size", "strides", "padding"))
    return plain and layer.padding == "valid" and layer.pool_size == layer.strides == (2, 2)


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
        variables = plan.variables
        places = [optimizer._get_variable_index(variable) for variable in variables]
        update = UPDATES[type(optimizer).__name__.lower()]
        kept = [[getattr(optimizer, name)[place] for place in places] for name in update.kept]
        self._settings, self._rates = optimizer.get_config(), update.rates
        # The weights one after the other in one array, each from a whole vector on; and likewise what the
        # optimizer keeps.
        *starts, size = np.cumsum([0, *(whole_vectors(math.prod(each.shape)) for each in variables)]).tolist()
        self._program = Program()
        arrays = [self._program.room(size) for _ in (variables, *kept)]
        #: Keras' variables and our copies of them.
        self._copies = [
            (variable, array[start : start + math.prod(variable.shape)].reshape(variable.shape))
            for array, group in zip(arrays, (variables, *kept), strict=True)
            for variable, start in zip(group, starts, strict=True)
        ]
        write_network(self._program, plan, arrays, starts, update, self._settings, batch_size)
        functions = self._program.compile()
        self._train, self._evaluate = functions("train"), functions("evaluate")

    def place(self, images: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Images (float32, as the first layer takes them) and labels, as `train` and `evaluate` want them."""
        return np.ascontiguousarray(images, np.float32), np.ascontiguousarray(labels, np.float32)

    def train(self, data: tuple[np.ndarray, np.ndarray], order: np.ndarray) -> tuple[float, int]:
        """An epoch in that order. Returns the sum of the cross-entropies in nats, and how many were right."""
        steps = math.ceil(len(order) / self._batch_size)
        taken = int(self._optimizer.iterations)
        rates = float(self._optimizer.learning_rate) * self._rates(self._settings, taken + np.arange(steps))
        losses, predictions = self._run(self._train, data, order, rates.astype(np.float32))
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
