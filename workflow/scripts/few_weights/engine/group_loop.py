"""Trains and evaluates a network by a `GroupProgram`. Keras' variables are read before each call and written after."""

import math

import keras
import numpy as np

from few_weights.engine.full_matrix_adam import FullMatrixAdam
from few_weights.engine.group_plan import GroupPlan
from few_weights.engine.group_program import GroupProgram
from few_weights.engine.machine_code import LANES, Program
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

    def place(self, images: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
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


def learning_rates(optimizer: keras.optimizers.Optimizer, steps: np.ndarray) -> np.ndarray:
    """The learning rate of each step, numbered from 0, by the optimizer's schedule."""
    rate = optimizer._learning_rate
    if isinstance(rate, keras.optimizers.schedules.CosineDecay):
        # As Keras has it: a straight line to the peak, then half a cosine.
        settings = rate.get_config()
        peak, warmup, decay = (settings[key] for key in ("warmup_target", "warmup_steps", "decay_steps"))
        share = np.minimum(np.maximum(steps - warmup, 0), decay) / decay
        falling = peak * 0.5 * (1 + np.cos(np.pi * share))
        return np.where(steps < warmup, peak * steps / max(warmup, 1), falling)
    return np.full(len(steps), float(optimizer.learning_rate))


class FullMatrixSteps:
    """The steps of a `FullMatrixAdam`, on arrays; its Keras variables are read at the begin and written by `store`."""

    def __init__(self, optimizer: FullMatrixAdam):
        self._optimizer = optimizer
        names = ("_recent", "_covariance", "_basis", "_mean", "_variance")
        self._variables = [getattr(optimizer, name) for name in names]
        self._recent, self._covariance, self._basis, self._mean, self._variance = (
            np.array(variable) for variable in self._variables
        )

    def store(self) -> None:
        """Write all state to Keras' variables."""
        arrays = (self._recent, self._covariance, self._basis, self._mean, self._variance)
        for variable, array in zip(self._variables, arrays, strict=True):
            variable.assign(array)

    def change(self, gradient: np.ndarray, learning_rate: float, step: int) -> np.ndarray:
        """What is to be subtracted from the weights at a step, numbered from 0."""
        optimizer = self._optimizer
        beta_1, beta_2 = np.float32(optimizer.beta_1), np.float32(optimizer.beta_2)
        row = step % optimizer.refresh
        if row == 0 and step > 0:
            self._find_basis()
        self._recent[row] = gradient
        along = gradient @ self._basis
        self._mean *= beta_1
        self._mean += (1 - beta_1) * along
        self._variance *= beta_2
        self._variance += (1 - beta_2) * along**2
        rate = (
            learning_rate
            * math.sqrt(1 - optimizer.beta_2 ** (step + 1))
            / (1 - optimizer.beta_1 ** (step + 1))
        )
        scaled = np.float32(rate) * self._mean / (np.sqrt(self._variance) + np.float32(optimizer.epsilon))
        return self._basis @ scaled

    def _find_basis(self) -> None:
        beta_1, beta_2, refresh = self._optimizer.beta_1, self._optimizer.beta_2, self._optimizer.refresh
        ages = np.arange(refresh - 1, -1, -1)
        weighted = np.sqrt((1 - beta_2) * beta_2**ages).astype(np.float32)[:, None] * self._recent
        self._covariance = np.float32(beta_2**refresh) * self._covariance + weighted.T @ weighted
        variance, basis = np.linalg.eigh(self._covariance)
        self._mean = (self._basis @ self._mean) @ basis
        share = max((1 - beta_2) * (1 - beta_1**2 / beta_2) / (1 - beta_1) ** 2, 0.0)
        self._variance = np.maximum(variance, np.float32(share) * self._mean**2)
        self._basis = np.ascontiguousarray(basis)
