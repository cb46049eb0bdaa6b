"""Trains and evaluates a network by a `GroupProgram`."""

import math

import keras
import numpy as np

from few_weights.engine.full_matrix_adam import FullMatrixAdam, FullMatrixSteps
from few_weights.engine.group_plan import GroupPlan
from few_weights.engine.group_program import GroupProgram
from few_weights.engine.machine_code import LANES, Program
from few_weights.engine.optimizers import learning_rates
from few_weights.engine.updates import UPDATES


class GroupLoop:
    """Trains and evaluates by machine code.

    Args:
        plan: the network.
        optimizer: Keras', built for that network; one that `why_not_optimizer` has nothing against.
        batch_size: images per step.
    """

    def __init__(self, plan: GroupPlan, optimizer: keras.optimizers.Optimizer, batch_size: int):
        self._optimizer, self._batch_size = optimizer, batch_size
        variables = optimizer._trainable_variables
        *starts, size = np.cumsum([0, *(math.prod(each.shape) for each in variables)]).tolist()
        of_variable = {id(variable): start for variable, start in zip(variables, starts, strict=True)}
        plan_starts = [of_variable.get(id(variable)) for variable in plan.variables]
        self._matrix = isinstance(optimizer, FullMatrixAdam)
        self._update = None if self._matrix else UPDATES[type(optimizer).__name__.lower()]
        program = Program()
        self._written = GroupProgram(
            program, plan, plan_starts, size, self._update, optimizer.get_config(), batch_size
        )
        functions = program.compile()
        self._functions = {name: functions(name) for name in ("evaluate", "differentiate")}
        if self._update:
            self._functions["train"] = functions("train")
        self._arena = self._written.new_arena()
        kept = [getattr(optimizer, name) for name in self._update.state] if self._update else []
        groups = [(self._written.weights, variables), *zip(self._written.kept, kept, strict=True)]
        #: Keras' variables and our copies of them.
        self._copies = [
            (variable, self._arena[offset + start :][: math.prod(variable.shape)].reshape(variable.shape))
            for offset, group in groups
            for variable, start in zip(group, starts, strict=True)
        ]
        self._copies += [
            (variable, self._arena[offset:][: math.prod(variable.shape)].reshape(variable.shape))
            for variable, (offset, _), start in zip(
                plan.variables, self._written.variables, plan_starts, strict=True
            )
            if start is None
        ]
        self._weights = self._arena[self._written.weights :][:size]
        self._gradients = self._arena[self._written.gradients :][:size]

    def prepare(self, images: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Images (float32, as the first layer takes them) and labels, as `train` and `evaluate` want them."""
        return np.ascontiguousarray(images, np.float32), np.ascontiguousarray(labels, np.float32)

    def train(self, data: tuple[np.ndarray, np.ndarray], order: np.ndarray) -> tuple[float, int]:
        """An epoch in that order. Returns the sum of the cross-entropies in nats, and how many were right."""
        steps = math.ceil(len(order) / self._batch_size)
        taken = int(self._optimizer.iterations)
        rates = learning_rates(self._optimizer, taken + np.arange(steps))
        if self._update is None:
            losses, predictions = self._train_matrix(data, order, rates, taken)
        else:
            rates = rates * self._update.rates(self._optimizer.get_config(), taken + np.arange(steps))
            losses, predictions = self._run("train", data, order, taken, rates.astype(np.float32))
        for variable, copy in self._copies:
            variable.assign(copy)
        self._optimizer.iterations.assign_add(steps)
        return losses.sum(dtype=np.float64), np.count_nonzero(predictions == data[1][order])

    def _train_matrix(self, data, order, rates, taken):
        optimizer = FullMatrixSteps(self._optimizer)
        for variable, copy in self._copies:
            copy[...] = variable
        order = np.ascontiguousarray(order, np.int32)
        losses, predictions = (np.empty(len(order) + LANES, np.float32) for _ in range(2))
        addresses = [array.ctypes.data for array in (*data, order, losses, predictions)]
        arena, function = self._arena.ctypes.data, self._functions["differentiate"]
        for step, rate in enumerate(rates):
            first = step * self._batch_size
            count = min(self._batch_size, len(order) - first)
            images, labels, chosen, *outcomes = addresses
            function(
                count,
                taken + step,
                images,
                labels,
                *(each + 4 * first for each in (chosen, *outcomes)),
                arena,
            )
            self._weights -= optimizer.change(self._gradients, rate, taken + step)
        optimizer.store()
        return losses[: len(order)], predictions[: len(order)]

    def evaluate(self, data: tuple[np.ndarray, np.ndarray]) -> tuple[float, np.ndarray]:
        """The sum of the cross-entropies in nats, and each example's class."""
        losses, predictions = self._run("evaluate", data, np.arange(len(data[1])), 0)
        return losses.sum(dtype=np.float64), predictions.astype(np.uint8)

    def _run(self, name, data, order, step, *others):
        for variable, copy in self._copies:
            copy[...] = variable
        # A group's unused lanes are written too.
        losses, predictions = (np.empty(len(order) + LANES, np.float32) for _ in range(2))
        arrays = (*data, np.ascontiguousarray(order, np.int32), losses, predictions, self._arena, *others)
        self._functions[name](len(order), step, *(array.ctypes.data for array in arrays))
        return losses[: len(order)], predictions[: len(order)]
