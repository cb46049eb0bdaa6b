"""Trains and evaluates a network by the machine code of a `GroupProgram`."""

import math
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

from few_weights.engine.full_matrix_adam import FullMatrixAdam, FullMatrixSteps
from few_weights.engine.group_plan import GroupPlan
from few_weights.engine.group_program import GroupProgram
from few_weights.engine.machine_code import LANES, Program
from few_weights.engine.optimizers import learning_rates
from few_weights.engine.updates import update_of

#: Images and labels in the form that machine code takes: float32, contiguous.
Data = tuple[NDArray[np.float32], NDArray[np.float32]]


class GroupLoop:
    """Trains and evaluates by machine code. Keras' variables are read before each call and written after it.

    Args:
        plan: the network.
        optimizer: Keras', built for that network: `FullMatrixAdam`, or one for which `why_not_optimizer`
            returns None.
        batch_size: images per step.
        cache: folder of compiled code; None for none.
    """

    def __init__(
        self,
        plan: GroupPlan,
        optimizer: keras.optimizers.Optimizer,
        batch_size: int,
        cache: Path | None = None,
    ) -> None:
        self._optimizer, self._batch_size = optimizer, batch_size
        self._update = None if isinstance(optimizer, FullMatrixAdam) else update_of(optimizer)
        trained = optimizer._trainable_variables
        # The weights one after the other, in the order of the optimizer.
        *starts, size = np.cumsum([0, *(math.prod(each.shape) for each in trained)]).tolist()
        start_of = {id(variable): start for variable, start in zip(trained, starts, strict=True)}
        plan_starts = [start_of.get(id(variable)) for variable in plan.variables]
        program = Program("groups")
        written = GroupProgram(
            program, plan, plan_starts, size, self._update, optimizer.get_config(), batch_size
        )
        functions = program.compile(cache)
        names = ["evaluate", "train" if self._update else "differentiate"]
        self._functions = {name: functions(name) for name in names}
        self._arena = written.allocate()
        state = [getattr(optimizer, name) for name in self._update.state] if self._update else []
        places = [
            (variable, offset + start)
            for offset, group in zip((written.weights, *written.state), (trained, *state), strict=True)
            for variable, start in zip(group, starts, strict=True)
        ]
        places += [
            (variable, offset)
            for variable, start, (offset, _) in zip(
                plan.variables, plan_starts, written.variables, strict=True
            )
            if start is None
        ]
        #: Keras' variables, each with the copy that the machine code uses.
        self._copies = [
            (variable, self._arena[offset:][: math.prod(variable.shape)].reshape(variable.shape))
            for variable, offset in places
        ]
        self._weights = self._arena[written.weights :][:size]
        self._gradients = self._arena[written.gradients :][:size]

    def prepare(self, images: NDArray[np.float32], labels: NDArray[np.integer]) -> Data:
        """Images, as the first layer takes them, and labels, in the form that `train` and `evaluate` take."""
        return np.ascontiguousarray(images, np.float32), np.ascontiguousarray(labels, np.float32)

    def train(self, data: Data, order: NDArray[np.integer]) -> tuple[float, int]:
        """Train an epoch in an order; returns the sum of the losses in nats, and how many were correct."""
        taken = int(self._optimizer.iterations)
        numbers = taken + np.arange(math.ceil(len(order) / self._batch_size))
        rates = learning_rates(self._optimizer, numbers)
        self._read_variables()
        if self._update is None:
            losses, predictions = self._train_with_full_matrix(data, order, rates, taken)
        else:
            rates = rates * self._update.rates(self._optimizer.get_config(), numbers)
            losses, predictions = self._run("train", data, order, taken, rates.astype(np.float32))
        for variable, copy in self._copies:
            variable.assign(copy)
        self._optimizer.iterations.assign_add(len(numbers))
        return losses.sum(dtype=np.float64), int(np.count_nonzero(predictions == data[1][order]))

    def evaluate(self, data: Data) -> tuple[float, NDArray[np.uint8]]:
        """The sum of the cross-entropies in nats, and the class predicted for each example."""
        self._read_variables()
        losses, predictions = self._run("evaluate", data, np.arange(len(data[1])), 0)
        return losses.sum(dtype=np.float64), predictions.astype(np.uint8)

    def _read_variables(self) -> None:
        for variable, copy in self._copies:
            copy[...] = variable

    def _train_with_full_matrix(
        self, data: Data, order: NDArray[np.integer], rates: NDArray[np.float64], taken: int
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Machine code computes each gradient, and NumPy takes the step."""
        steps = FullMatrixSteps(self._optimizer)
        outcomes = []
        for number, rate in enumerate(rates):
            batch = order[number * self._batch_size :][: self._batch_size]
            outcomes.append(self._run("differentiate", data, batch, taken + number))
            self._weights -= steps.change(self._gradients, rate, taken + number)
        steps.store()
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
