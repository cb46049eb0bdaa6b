"""How far to trust an accuracy: the interval of a mean over seeds, and the noise of a finite test set."""

import math
from collections.abc import Sequence


def t_interval(values: Sequence[float], confidence: float = 0.95) -> tuple[float, float]:
    """Student's interval of the mean, kept within [0, 1]; (nan, nan) for fewer than two values."""
    n = len(values)
    if n < 2:
        return (math.nan, math.nan)
    mean = math.fsum(values) / n
    variance = math.fsum((value - mean) ** 2 for value in values) / (n - 1)
    half_width = t_quantile((1 + confidence) / 2, n - 1) * math.sqrt(variance / n)
    return (max(0.0, mean - half_width), min(1.0, mean + half_width))


def binomial_half_width(accuracy: float, examples: int) -> float:
    """Half the 95 % interval of an accuracy measured on `examples` independent examples."""
    return 1.959964 * math.sqrt(accuracy * (1 - accuracy) / examples)


def t_quantile(probability: float, degrees: int) -> float:
    """The value below which Student's t lies with `probability` (above 0.5), by bisection of its angle."""
    low, high = 0.0, math.pi / 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _t_central(middle, degrees) < 2 * probability - 1 else (low, middle)
    return math.tan(low) * math.sqrt(degrees)


def _t_central(angle: float, degrees: int) -> float:
    """P(|t| < sqrt(degrees) tan(angle)): Abramowitz and Stegun 26.7.3 and 26.7.4, exact for whole degrees."""
    sine, cosine = math.sin(angle), math.cos(angle)
    odd = degrees % 2
    term = total = cosine if odd else 1.0
    if degrees == 1:
        total = 0.0
    for k in range(2 + odd, degrees - 1, 2):
        term *= cosine**2 * (k - 1) / k
        total += term
    return (2 / math.pi) * (angle + sine * total) if odd else sine * total
