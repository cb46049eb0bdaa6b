"""Trains networks of 3 x 3 convolutions, 2 x 2 max pooling and dense layers by generated machine code.

An epoch is one call. Eight images are computed simultaneously, one in each lane of a vector, so that a
network with one channel uses the processor as well as one with 32. The code is generated for one network, one
optimizer and one batch size; see `WinogradLoop`.
"""

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

from few_weights.engine.arena import Arena
from few_weights.engine.layouts import whole_vectors
from few_weights.engine.machine_code import LANES, Program
from few_weights.engine.optimizers import learning_rates
from few_weights.engine.plain import is_plain, seconds_by_keras, trains_only
from few_weights.engine.updates import update_of
from few_weights.engine.winograd_program import Plan, write_network

#: Images and labels as float32, contiguous.
Data = tuple[NDArray[np.float32], NDArray[np.float32]]


def plan_network(model: keras.Model, body: Sequence[keras.Layer], steps: int) -> Plan | str:
    """The plan for layers that follow each other; or why there is none, such as "for conv2d".

    Args:
        model: the model.
        body: its layers, without leading ones that have no weights.
        steps: how many the training takes.
    """
    convolutions: list[tuple[layers.Conv2D, bool]] = []
    dense: list[layers.Dense] = []
    flat = False
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


#: Seconds to compile a convolution with fewer filters than a vector has lanes, and with more. Keras takes 0.2
#: seconds to trace one. Dense layers of any size compile faster than Keras traces them: 0.1 seconds.
CONVOLUTION_SECONDS = (0.3, 0.6)


#: The loss is unrolled over the classes: 1.4 seconds to compile for so many, 11 for 1,000.
MOST_CLASSES = 256


_LINEAR = keras.activations.linear


#: Settings that are supported for layers with weights.
_COMMON = ("activation", "use_bias")


_WEIGHTS = ("kernel", "bias")


def _is_convolution(layer: keras.Layer) -> bool:
    settings = ("filters", "kernel_size", "padding", "strides", *_COMMON)
    return (
        is_plain(layer, layers.Conv2D, settings, _WEIGHTS)
        and layer.kernel_size == (3, 3)
        and layer.strides == (1, 1)
        and layer.padding in ("valid", "same")
    )


def halves(layer: keras.Layer, kind: type[keras.Layer]) -> bool:
    """Whether a layer is pooling of a kind, over 2 x 2 pixels that do not overlap."""
    plain = is_plain(layer, kind, ("pool_size", "strides", "padding"))
    return plain and layer.padding == "valid" and layer.pool_size == layer.strides == (2, 2)


class WinogradLoop:
    """Trains and evaluates by machine code. Keras' variables are read before each call and written after it.

    Args:
        plan: the network.
        optimizer: Keras', built for that network; `why_not_optimizer` returns None for it.
        batch_size: images per step.
        cache: folder of compiled code; None for none.
    """

    def __init__(
        self, plan: Plan, optimizer: keras.optimizers.Optimizer, batch_size: int, cache: Path | None = None
    ) -> None:
        self._optimizer, self._batch_size = optimizer, batch_size
        variables = plan.variables
        indices = [optimizer._get_variable_index(variable) for variable in variables]
        update = update_of(optimizer)
        state = [[getattr(optimizer, name)[index] for index in indices] for name in update.state]
        self._settings, self._rates = optimizer.get_config(), update.rates
        # All weights are in one buffer, each aligned to a whole vector; likewise the optimizer's state.
        *starts, size = np.cumsum([0, *(whole_vectors(math.prod(each.shape)) for each in variables)]).tolist()
        arena = Arena()
        buffers = [arena.buffer(size) for _ in (variables, *state)]
        program = Program("winograd")
        write_network(program, arena, plan, buffers, starts, size, update, self._settings, batch_size)
        functions = program.compile(cache)
        self._train, self._evaluate = functions("train"), functions("evaluate")
        self._arena = arena.allocate()
        #: Keras' variables, each with the copy that the machine code uses.
        self._copies = [
            (
                variable,
                self._arena[buffer.offset + start :][: math.prod(variable.shape)].reshape(variable.shape),
            )
            for buffer, group in zip(buffers, (variables, *state), strict=True)
            for variable, start in zip(group, starts, strict=True)
        ]

    def prepare(self, images: NDArray[np.float32], labels: NDArray[np.integer]) -> Data:
        """Images, as the first layer takes them, and labels, in the form that `train` and `evaluate` take."""
        return np.ascontiguousarray(images, np.float32), np.ascontiguousarray(labels, np.float32)

    def train(self, data: Data, order: NDArray[np.integer]) -> tuple[float, int]:
        """Train an epoch in an order; returns the sum of the losses in nats, and how many were correct."""
        steps = math.ceil(len(order) / self._batch_size)
        taken = int(self._optimizer.iterations)
        numbers = taken + np.arange(steps)
        rates = learning_rates(self._optimizer, numbers) * self._rates(self._settings, numbers)
        losses, predictions = self._run(self._train, data, order, rates.astype(np.float32))
        for variable, copy in self._copies:
            variable.assign(copy)
        self._optimizer.iterations.assign_add(steps)
        return losses.sum(dtype=np.float64), int(np.count_nonzero(predictions == data[1][order]))

    def evaluate(self, data: Data) -> tuple[float, NDArray[np.uint8]]:
        """The sum of the cross-entropies in nats, and the class predicted for each example."""
        losses, predictions = self._run(self._evaluate, data, np.arange(len(data[1])))
        return losses.sum(dtype=np.float64), predictions.astype(np.uint8)

    def _run(
        self,
        function: Callable[..., None],
        data: Data,
        order: NDArray[np.integer],
        *rates: NDArray[np.float32],
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        for variable, copy in self._copies:
            copy[...] = variable
        # The unused lanes of a group are written, too.
        losses, predictions = (np.empty(len(order) + LANES, np.float32) for _ in range(2))
        arrays = (*data, np.ascontiguousarray(order, np.int32), losses, predictions, self._arena, *rates)
        function(len(order), *(array.ctypes.data for array in arrays))
        return losses[: len(order)], predictions[: len(order)]
