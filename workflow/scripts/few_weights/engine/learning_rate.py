"""The learning rate of each step of a training: the same bits everywhere, by sums and products alone.

NumPy's `cos` and `power` may differ in the last bit from one processor to another.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class LearningRate(NamedTuple):
    """A constant learning rate, or one that rises and falls, as Keras' `CosineDecay` has it.

    Args:
        peak: the constant, or the largest rate.
        warmup: steps in which it rises linearly from 0.
        decay: steps after these in which it falls to 0 as half a cosine; 0 for a constant rate.
    """

    peak: float
    warmup: int = 0
    decay: int = 0

    def at(self, steps: NDArray[np.integer]) -> NDArray[np.float64]:
        """The rate of each step, numbered from 0."""
        if not self.decay:
            # Keras keeps it as a float32.
            return np.full(len(steps), float(np.float32(self.peak)))
        left = 1 - np.minimum(np.maximum(steps - self.warmup, 0), self.decay) / self.decay
        # (1 + cos(pi t)) / 2 is the square of sin(pi (1 - t) / 2).
        falling = self.peak * _sine(np.pi / 2 * left) ** 2
        return np.where(steps < self.warmup, self.peak * steps / max(self.warmup, 1), falling)


def bias_correction(settings: Mapping[str, Any], steps: NDArray[np.integer]) -> NDArray[np.float64]:
    """What Adam multiplies the learning rate of each step by, numbered from 0 (Kingma and Ba 2015)."""
    missing_1, missing_2 = (powers(settings[beta], steps + 1) for beta in ("beta_1", "beta_2"))
    return np.sqrt(1 - missing_2) / (1 - missing_1)


def powers(base: float, exponents: NDArray[np.integer]) -> NDArray[np.float64]:
    """A number to the power of each of some whole numbers, which are at least 0."""
    result, square, bits = np.ones(len(exponents)), base, np.array(exponents)
    while bits.any():
        result = np.where(bits % 2 == 1, result * square, result)
        square, bits = square * square, bits // 2
    return result


def _sine(angles: NDArray[np.float64]) -> NDArray[np.float64]:
    """The sine of angles from 0 to half of pi, by its Taylor series."""
    square, total = angles * angles, np.zeros(len(angles))
    for number in range(21, 1, -2):
        total = (1 + total) * -square / (number * (number - 1))
    return angles * (1 + total)
