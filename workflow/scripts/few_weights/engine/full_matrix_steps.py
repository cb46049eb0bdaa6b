"""The steps of `FullMatrixAdam` on NumPy arrays."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from few_weights.engine.learning_rate import powers
from few_weights.engine.quantisation import find_scales, largest_multiple, round_weights


class FullMatrixSteps:
    """Takes the steps of a `FullMatrixAdam`, whose class says what they compute.

    Args:
        optimizer: its settings: beta_1, beta_2, epsilon and refresh; and weight_bits, which may be None,
            rounded_from, and sizes, how many weights each variable has.
        variables: its own are the last of these: with weight_bits exact weights and scales, then recent
            gradients, second moment, eigenvectors, mean and variance. They are changed in place.
    """

    def __init__(self, optimizer: Mapping[str, Any], variables: Sequence[NDArray[Any]]) -> None:
        self._beta_1, self._beta_2, self._epsilon, self._refresh = (
            optimizer[key] for key in ("beta_1", "beta_2", "epsilon", "refresh")
        )
        self._bits: int | None = optimizer["weight_bits"]
        if self._bits:
            self._rounded_from, self._sizes = optimizer["rounded_from"], optimizer["sizes"]
            self._exact, self._scales = variables[-7:-5]
        self._recent, self._covariance, self._basis, self._mean, self._variance = variables[-5:]
        # Here, because other optimizers need no SciPy, whose import takes 0.2 seconds. NumPy's function for
        # the same routine of LAPACK took twice as long (370 to 1,156 rows).
        from scipy.linalg import eigh

        self._decompose = partial(eigh, driver="evd", check_finite=False)

    def take(
        self, weights: NDArray[np.float32], gradient: NDArray[np.float32], rate: float, step: int
    ) -> None:
        """Change the weights by a step, numbered from 0; `rate` has the bias corrected."""
        change = self._change(gradient, rate, step)
        if not self._bits:
            weights -= change
            return
        if step == 0:
            self._exact[...] = weights
        self._exact -= change
        if step == self._rounded_from:
            self._scales[...] = np.repeat(find_scales(self._exact, self._sizes, self._bits), self._sizes)
        if step < self._rounded_from:
            weights[...] = self._exact
            return
        limit = largest_multiple(self._bits) * self._scales
        np.clip(self._exact, -limit, limit, out=self._exact)
        weights[...] = round_weights(self._exact, self._scales, self._bits)

    def _change(self, gradient: NDArray[np.float32], rate: float, step: int) -> NDArray[np.float32]:
        """What a step subtracts from the weights."""
        beta_1, beta_2 = np.float32(self._beta_1), np.float32(self._beta_2)
        row = step % self._refresh
        if row == 0 and step > 0:
            self._find_basis()
        self._recent[row] = gradient
        along = gradient @ self._basis
        self._mean *= beta_1
        self._mean += (1 - beta_1) * along
        self._variance *= beta_2
        self._variance += (1 - beta_2) * along**2
        scaled = np.float32(rate) * self._mean / (np.sqrt(self._variance) + np.float32(self._epsilon))
        return self._basis @ scaled

    def _find_basis(self) -> None:
        """What `FullMatrixAdam._find_basis` does."""
        beta_1, beta_2, refresh = self._beta_1, self._beta_2, self._refresh
        ages = np.arange(refresh - 1, -1, -1)
        weighted = np.sqrt((1 - beta_2) * powers(beta_2, ages)).astype(np.float32)[:, None] * self._recent
        self._covariance *= np.float32(powers(beta_2, np.array([refresh]))[0])
        self._covariance += weighted.T @ weighted
        if not np.all(np.isfinite(self._covariance)):  # a diverged training stays one
            self._basis[...] = np.nan
            return
        variance, basis = self._decompose(self._covariance)
        self._mean[...] = (self._basis @ self._mean) @ basis
        share = max((1 - beta_2) * (1 - beta_1**2 / beta_2) / (1 - beta_1) ** 2, 0.0)
        np.maximum(variance, np.float32(share) * self._mean**2, out=self._variance)
        self._basis[...] = basis
