"""An optimizer for networks so small that the covariance matrix of their whole gradient fits in memory."""

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from few_weights.engine.errors import EngineError
from few_weights.engine.quantisation import find_scales, largest_multiple

#: Two square matrices of so many rows take 128 MiB; decomposing one took 27 seconds on one core.
MOST_PARAMETERS = 4096


class FullMatrixAdam(keras.optimizers.Optimizer):
    """Adam in the coordinates in which the parameters' gradients are uncorrelated.

    Adam (Kingma and Ba 2015) divides by the root of each parameter's own second moment, as if the parameters
    were independent. Here it works along the eigenvectors of the second moment of the whole gradient, all
    layers together, which are recomputed every `refresh` steps. Full-matrix adaptation is from Duchi and
    others 2011 (AdaGrad); running Adam in an eigenbasis is from Vyas and others 2024 (SOAP), who store two
    smaller matrices per layer, since a full matrix is impossible for large networks.

    Between two refreshes a step costs two products of a matrix with a vector. A refresh costs the
    eigendecomposition of a matrix with as many rows as the network has parameters.

    Args:
        learning_rate: a number or a Keras schedule.
        beta_1: decay rate of the mean of the gradient.
        beta_2: decay rate of the second moment, above 0.
        epsilon: added to the root of the second moment.
        refresh: steps from one eigendecomposition to the next. Before the first, it is plain Adam.
        weight_bits: of each weight after training, as `quantisation.py` says; None keeps float32.
        rounded_from: with `weight_bits`, the step, numbered from 0, from which gradients are those of the
            rounded weights. Then the scales are found, which stay until the end.
        name: Keras' name for the optimizer.

    Raises:
        EngineError: at `build`, for more than `MOST_PARAMETERS` parameters, or for a constraint with
            `weight_bits`.
    """

    def __init__(
        self,
        learning_rate: "float | keras.optimizers.schedules.LearningRateSchedule" = 0.02,
        beta_1: float = 0.9,
        beta_2: float = 0.995,
        epsilon: float = 1e-7,
        refresh: int = 100,
        weight_bits: int | None = None,
        rounded_from: int = 0,
        name: str = "full_matrix_adam",
    ) -> None:
        super().__init__(learning_rate=learning_rate, name=name)
        self.beta_1, self.beta_2, self.epsilon, self.refresh = beta_1, beta_2, epsilon, refresh
        self.weight_bits, self.rounded_from = weight_bits, rounded_from

    def build(self, variables: Sequence[keras.Variable]) -> None:
        """Create the optimizer's variables for a network's trainable variables."""
        super().build(variables)
        size = sum(math.prod(variable.shape) for variable in variables)
        require_few("the network", size)
        if self.weight_bits:
            if any(variable.constraint is not None for variable in variables):
                raise EngineError(
                    "a constraint on weights of few bits each is not supported; remove one of them"
                )
            self._exact = self.add_variable((size,), initializer="zeros", name="exact_weights")
            self._scales = self.add_variable((size,), initializer="ones", name="scales")
        self._recent = self.add_variable((self.refresh, size), initializer="zeros", name="recent_gradients")
        self._covariance = self.add_variable((size, size), initializer="zeros", name="second_moment")
        self._basis = self.add_variable((size, size), initializer="identity", name="eigenvectors")
        # The coordinates of these two are along the eigenvectors.
        self._mean = self.add_variable((size,), initializer="zeros", name="mean")
        self._variance = self.add_variable((size,), initializer="zeros", name="variance")

    def apply(
        self, grads: Sequence[tf.Tensor | None], trainable_variables: Sequence[keras.Variable] | None = None
    ) -> None:
        """Take one step; `grads` are in the order of the variables that the optimizer was built with."""
        variables = self._trainable_variables if trainable_variables is None else trainable_variables
        if not self.built:
            self.build(variables)
        # A layer may have another dtype, or no influence on the loss.
        parts = [
            tf.zeros(v.shape) if part is None else part for part, v in zip(grads, variables, strict=True)
        ]
        gradient = tf.concat([tf.cast(tf.reshape(part, [-1]), tf.float32) for part in parts], 0)
        slot = tf.cast(self.iterations % self.refresh, tf.int32)
        tf.cond(tf.logical_and(slot == 0, self.iterations > 0), self._find_basis, lambda: None)
        self._recent.value[slot].assign(gradient)

        along = tf.linalg.matvec(self._basis, gradient, transpose_a=True)
        self._mean.assign(self.beta_1 * self._mean + (1 - self.beta_1) * along)
        self._variance.assign(self.beta_2 * self._variance + (1 - self.beta_2) * along**2)
        learning_rate = self.learning_rate  # a schedule depends on the number of steps so far
        self.iterations.assign_add(1)
        steps = tf.cast(self.iterations, tf.float32)
        rate = learning_rate * tf.sqrt(1 - self.beta_2**steps) / (1 - self.beta_1**steps)
        change = tf.linalg.matvec(self._basis, rate * self._mean / (tf.sqrt(self._variance) + self.epsilon))
        sizes = [math.prod(variable.shape) for variable in variables]
        if self.weight_bits:
            self._assign_rounded(variables, sizes, change)
            return
        for variable, part in zip(variables, tf.split(change, sizes), strict=True):
            variable.assign_sub(tf.cast(tf.reshape(part, variable.shape), variable.dtype))
            if variable.constraint is not None:
                variable.assign(variable.constraint(variable))

    def _assign_rounded(
        self, variables: Sequence[keras.Variable], sizes: Sequence[int], change: tf.Tensor
    ) -> None:
        """Apply a change to the exact weights, and give the variables the rounded ones."""
        bits = self.weight_bits
        assert bits is not None
        flat = tf.concat([tf.reshape(tf.cast(each, tf.float32), [-1]) for each in variables], 0)
        step = self.iterations - 1
        exact = tf.where(step == 0, flat, self._exact) - change

        def find() -> tf.Tensor:
            return tf.numpy_function(
                lambda weights: np.repeat(find_scales(weights, sizes, bits), sizes), [exact], tf.float32
            )

        scales = tf.cond(step == self.rounded_from, find, lambda: tf.convert_to_tensor(self._scales))
        scales = tf.ensure_shape(scales, exact.shape)
        limit = largest_multiple(bits) * scales
        rounds = step >= self.rounded_from
        exact = tf.where(rounds, tf.clip_by_value(exact, -limit, limit), exact)
        weights = tf.where(rounds, tf.round(exact / scales) * scales, exact)
        self._scales.assign(scales)
        self._exact.assign(exact)
        for variable, part in zip(variables, tf.split(weights, sizes), strict=True):
            variable.assign(tf.cast(tf.reshape(part, variable.shape), variable.dtype))

    def _find_basis(self) -> None:
        """Add the gradients since the last refresh to the second moment, and change to its eigenvectors."""
        ages = tf.range(self.refresh - 1, -1, -1, dtype=tf.float32)
        weighted = tf.sqrt((1 - self.beta_2) * self.beta_2**ages)[:, None] * self._recent
        moment = self.beta_2**self.refresh * self._covariance
        moment += tf.matmul(weighted, weighted, transpose_a=True)
        # Of numbers that are not finite there are no eigenvectors, and looking for them fails.
        finite = tf.reduce_all(tf.math.is_finite(moment))
        variance, basis = tf.linalg.eigh(tf.where(finite, moment, tf.zeros_like(moment)))
        basis = tf.where(finite, basis, math.nan)
        mean = tf.linalg.matvec(basis, tf.linalg.matvec(self._basis, self._mean), transpose_a=True)
        # By the Cauchy-Schwarz inequality the variance is at least this share of mean². But the smallest
        # eigenvalues are rounding errors, and may be negative: without the bound, a step along them may have
        # any length. The bound has no effect where the mean decays more slowly than the second moment.
        share = (1 - self.beta_2) * (1 - self.beta_1**2 / self.beta_2) / (1 - self.beta_1) ** 2
        share = max(share, 0.0)
        self._covariance.assign(moment)
        self._basis.assign(basis)
        self._mean.assign(mean)
        self._variance.assign(tf.maximum(variance, share * mean**2))

    def get_config(self) -> dict[str, Any]:
        keys = ("beta_1", "beta_2", "epsilon", "refresh", "weight_bits", "rounded_from")
        return super().get_config() | {key: getattr(self, key) for key in keys}


def require_few(network: str, parameters: int) -> None:
    """Refuse to train more parameters than `FullMatrixAdam` can.

    Args:
        network: for the message.
        parameters: how many it has.

    Raises:
        EngineError: there are more than `MOST_PARAMETERS`.
    """
    if parameters > MOST_PARAMETERS:
        raise EngineError(
            f"{network} has {parameters:,} parameters; full_matrix_adam, which stores matrices of parameters "
            f"x parameters, takes up to {MOST_PARAMETERS:,}: choose adam, or smaller widths"
        )
