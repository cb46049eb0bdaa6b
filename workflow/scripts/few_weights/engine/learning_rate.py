"""The learning rate of each step of a training."""

from typing import NamedTuple

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
        share = np.minimum(np.maximum(steps - self.warmup, 0), self.decay) / self.decay
        falling = self.peak * 0.5 * (1 + np.cos(np.pi * share))
        return np.where(steps < self.warmup, self.peak * steps / max(self.warmup, 1), falling)
