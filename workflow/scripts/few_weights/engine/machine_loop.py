"""Trains and evaluates a network by machine code, without Keras."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from few_weights.engine.arena import allocate
from few_weights.engine.compilation import compile_functions, where_bits_are_equal
from few_weights.engine.full_matrix_steps import FullMatrixSteps
from few_weights.engine.leading_layers import prepare_images
from few_weights.engine.learning_rate import bias_correction
from few_weights.engine.machine_code import LANES
from few_weights.engine.network_code import NetworkCode
from few_weights.engine.updates import update_of

#: Images and labels in the form that machine code takes, contiguous: images as uint8, or as float32 after
#: leading layers; labels as float32.
Data = tuple[NDArray[np.uint8] | NDArray[np.float32], NDArray[np.float32]]


class MachineLoop:
    """A network in training; an epoch is one call of a compiled function.

    Args:
        code: what to run.
        values: of each variable of the model and then of the optimizer, as `code.places` has them.
        cache: folder of compiled code; None for none.

    Attributes:
        variables: the variables' values now. They are read by the next call, and changed by it.
        bits: on which machines a training gives the same bits, in words.
    """

    def __init__(self, code: NetworkCode, values: Sequence[NDArray[Any]], cache: Path | None = None) -> None:
        self._code = code
        names = ["evaluate", "differentiate" if code.gradient else "train"]
        self._functions = compile_functions(code.source, code.name, names, cache)
        self.bits = where_bits_are_equal()
        self._arena = allocate(code.arena_size)
        self.variables = [
            np.array(value)
            if place is None
            else self._arena[place:][: value.nbytes // 4].view(value.dtype).reshape(value.shape)
            for place, value in zip(code.places, values, strict=True)
        ]
        self.restore(values)

    def state(self) -> list[NDArray[Any]]:
        """A copy of the variables' values."""
        return [value.copy() for value in self.variables]

    def restore(self, state: Sequence[NDArray[Any]]) -> None:
        """Give the variables the values of a `state()`."""
        for variable, value in zip(self.variables, state, strict=True):
            variable[...] = value

    def prepare(self, images: NDArray[np.uint8], labels: NDArray[np.integer]) -> Data:
        """Images and labels in the form that `train` and `evaluate` take."""
        leading = self._code.leading
        pixels = prepare_images(images, leading) if leading else np.ascontiguousarray(images)
        return pixels, np.ascontiguousarray(labels, np.float32)

    def train(self, data: Data, order: NDArray[np.integer]) -> tuple[float, int]:
        """Train an epoch in an order; returns the sum of the losses in nats, and how many were correct."""
        taken, batch_size = int(self.variables[self._code.steps]), self._code.batch_size
        steps = taken + np.arange(math.ceil(len(order) / batch_size))
        rates = self._code.rate.at(steps) * self._correction(steps)
        if self._code.gradient:
            losses, predictions = self._train_with_full_matrix(data, order, steps, rates)
        else:
            losses, predictions = self._run("train", data, order, taken, rates.astype(np.float32))
        self.variables[self._code.steps][...] += len(steps)
        return losses.sum(dtype=np.float64), int(np.count_nonzero(predictions == data[1][order]))

    def evaluate(self, data: Data) -> tuple[float, NDArray[np.uint8]]:
        """The sum of the cross-entropies in nats, and the class predicted for each example."""
        losses, predictions = self._run("evaluate", data, np.arange(len(data[1])), 0)
        return losses.sum(dtype=np.float64), predictions.astype(np.uint8)

    def _correction(self, steps: NDArray[np.integer]) -> NDArray[np.float64]:
        """What the optimizer multiplies the learning rate of each step by."""
        settings = self._code.optimizer
        if self._code.gradient:
            return bias_correction(settings, steps)
        update = update_of(settings["name"], settings)
        assert update is not None
        return update.rates(settings, steps)

    def _train_with_full_matrix(
        self, data: Data, order: NDArray[np.integer], steps: NDArray[np.integer], rates: NDArray[np.float64]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Machine code computes each gradient, and NumPy takes the step."""
        assert self._code.gradient is not None
        *places, size = self._code.gradient
        weights, gradients = (self._arena[place:][:size] for place in places)
        full_matrix = FullMatrixSteps(self._code.optimizer, self.variables)
        outcomes = []
        for number, (step, rate) in enumerate(zip(steps.tolist(), rates.tolist(), strict=True)):
            batch = order[number * self._code.batch_size :][: self._code.batch_size]
            outcomes.append(self._run("differentiate", data, batch, step))
            full_matrix.take(weights, gradients, rate, step)
        losses, predictions = zip(*outcomes, strict=True)
        return np.concatenate(losses), np.concatenate(predictions)

    def _run(
        self, name: str, data: Data, order: NDArray[np.integer], step: int, *rates: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        # The unused lanes of a group are written, too.
        losses, predictions = (np.empty(len(order) + LANES, np.float32) for _ in range(2))
        arrays = (*data, np.ascontiguousarray(order, np.int32), losses, predictions, self._arena, *rates)
        self._functions[name](len(order), step, *(array.ctypes.data for array in arrays))
        return losses[: len(order)], predictions[: len(order)]
