"""How far to trust an accuracy: the interval of a mean over seeds, and the noise of a finite test set."""

import math
from collections.abc import Sequence

import numpy as np
from scipy import stats


def t_interval(values: Sequence[float], confidence: float = 0.95) -> tuple[float, float]:
    """Student's interval of the mean, kept within [0, 1]; (nan, nan) for fewer than two values."""
    n = len(values)
    if n < 2:
        return (math.nan, math.nan)
    half_width = stats.t.ppf((1 + confidence) / 2, n - 1) * stats.sem(values)
    mean = np.mean(values)
    return (float(max(0.0, mean - half_width)), float(min(1.0, mean + half_width)))


def binomial_half_width(accuracy: float, examples: int) -> float:
    """Half the 95 % interval of an accuracy measured on `examples` independent examples (Wald)."""
    return float(stats.norm.ppf(0.975) * math.sqrt(accuracy * (1 - accuracy) / examples))
