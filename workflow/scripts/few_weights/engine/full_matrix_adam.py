"""An optimizer for networks so small that the whole covariance of their gradient can be kept."""

import math

import keras
import tensorflow as tf

from few_weights.engine.errors import EngineError

#: Two square matrices of so many rows take 128 MiB; to decompose one took 27 seconds on one core.
MOST_PARAMETERS = 4096


class FullMatrixAdam(keras.optimizers.Optimizer):
    """Adam in the coordinates in which the parameters' gradients are uncorrelated.

    Adam (Kingma and Ba 2015) divides by the root of each parameter's own second moment, as if the parameters
    had nothing to do with each other. Here it works along the eigenvectors of the second moment of the whole
    gradient, all layers together, which are found anew every `refresh` steps. Full-matrix adaptation is from
    Duchi and others 2011 (AdaGrad); to run Adam in an eigenbasis, from Vyas and others 2024 (SOAP), who keep
    a pair of smaller matrices for each layer because large networks leave no other way.

    Between two refreshes a step costs two products of a matrix with a vector; a refresh costs the
    eigendecomposition of a matrix as large as the network has parameters.

    Args:
        learning_rate: a number or a Keras schedule.
        beta_1: the mean of the gradient forgets the share 1 - beta_1 of itself each step.
        beta_2: the same of the second moment, above 0.
        epsilon: added to the root of the second moment.
        refresh: steps from one eigendecomposition to the next. Up to the first it is plain Adam.

    Raises:
        EngineError: at `build`, for more than `MOST_PARAMETERS` parameters.
    """

    def __init__(
        self, learning_rate=0.02, beta_1=0.9, beta_2=0.995, epsilon=1e-7, refresh=100, name="full_matrix_adam"
    ):
        super().__init__(learning_rate=learning_rate, name=name)
        self.beta_1, self.beta_2, self.epsilon, self.refresh = beta_1, beta_2, epsilon, refresh

    def build(self, variables):
        super().build(variables)
        size = sum(math.prod(variable.shape) for variable in variables)
        require_few("the network", size)
        self._recent = self.add_variable((self.refresh, size), initializer="zeros", name="recent_gradients")
        self._covariance = self.add_variable((size, size), initializer="zeros", name="second_moment")
        self._basis = self.add_variable((size, size), initializer="identity", name="eigenvectors")
        # These two are along the eigenvectors.
        self._mean = self.add_variable((size,), initializer="zeros", name="mean")
        self._variance = self.add_variable((size,), initializer="zeros", name="variance")

    def apply(self, grads, trainable_variables=None):
        """One step. `grads` stand in the order of the variables that the optimizer was built with."""
        variables = self._trainable_variables if trainable_variables is None else trainable_variables
        if not self.built:
            self.build(variables)
        # A layer may have a dtype of its own, or no influence on the loss.
        parts = [
            tf.zeros(v.shape) if part is None else part for part, v in zip(grads, variables, strict=True)
        ]
        gradient = tf.concat([tf.cast(tf.reshape(part, [-1]), tf.float32) for part in parts], 0)
        place = tf.cast(self.iterations % self.refresh, tf.int32)
        tf.cond(tf.logical_and(place == 0, self.iterations > 0), self._find_basis, lambda: None)
        self._recent.value[place].assign(gradient)

        along = tf.linalg.matvec(self._basis, gradient, transpose_a=True)
        self._mean.assign(self.beta_1 * self._mean + (1 - self.beta_1) * along)
        self._variance.assign(self.beta_2 * self._variance + (1 - self.beta_2) * along**2)
        learning_rate = self.learning_rate  # a schedule reads it off the steps that are done
        self.iterations.assign_add(1)
        steps = tf.cast(self.iterations, tf.float32)
        rate = learning_rate * tf.sqrt(1 - self.beta_2**steps) / (1 - self.beta_1**steps)
        change = tf.linalg.matvec(self._basis, rate * self._mean / (tf.sqrt(self._variance) + self.epsilon))
        sizes = [math.prod(variable.shape) for variable in variables]
        for variable, part in zip(variables, tf.split(change, sizes), strict=True):
            variable.assign_sub(tf.cast(tf.reshape(part, variable.shape), variable.dtype))
            if variable.constraint is not None:
                variable.assign(variable.constraint(variable))

    def _find_basis(self):
        """Take the gradients since the last time into the second moment, and turn to its eigenvectors."""
        ages = tf.range(self.refresh - 1, -1, -1, dtype=tf.float32)
        weighted = tf.sqrt((1 - self.beta_2) * self.beta_2**ages)[:, None] * self._recent
        moment = self.beta_2**self.refresh * self._covariance
        moment += tf.matmul(weighted, weighted, transpose_a=True)
        variance, basis = tf.linalg.eigh(moment)
        mean = tf.linalg.matvec(basis, tf.linalg.matvec(self._basis, self._mean), transpose_a=True)
        # By Cauchy and Schwarz the variance cannot be below this share of mean², but the smallest eigenvalues
        # are rounding alone, and may be negative. Without the bound, a step along them may have any length.
        # It bounds nothing where the mean remembers longer than the second moment.
        share = (1 - self.beta_2) * (1 - self.beta_1**2 / self.beta_2) / (1 - self.beta_1) ** 2
        share = max(share, 0.0)
        self._covariance.assign(moment)
        self._basis.assign(basis)
        self._mean.assign(mean)
        self._variance.assign(tf.maximum(variance, share * mean**2))

    def get_config(self):
        keys = ("beta_1", "beta_2", "epsilon", "refresh")
        return super().get_config() | {key: getattr(self, key) for key in keys}


def require_few(network: str, parameters: int) -> None:
    """Refuse to train more parameters than `FullMatrixAdam` can.

    Raises:
        EngineError: there are more than `MOST_PARAMETERS`.
    """
    if parameters > MOST_PARAMETERS:
        raise EngineError(
            f"{network} has {parameters:,} parameters; full_matrix_adam, which keeps matrices of parameters "
            f"x parameters, takes up to {MOST_PARAMETERS:,}: choose adam, or smaller widths"
        )
