"""The interval of a mean over seeds that may be looked at after every seed.

Student's interval is right for a number of seeds that was fixed in advance. Whoever adds seeds until it suits
is wrong far more often than it says. The intervals here are right for all numbers of seeds together: the
probability that any of them ever leaves out the mean is at most alpha.

Each is the set of means that a Bayes factor does not reject. Of accuracies that are normal with an unknown
spread (Haar's prior), the factor compares an effect that is normal with variance `EFFECT_VARIANCE` against
none (Gönen, Johnson, Lu and Westfall 2005, The American Statistician 59:252-257). At the true mean it is a
martingale that starts at 1, whatever the spread, and by Ville's inequality it ever reaches 1 / alpha with a
probability of at most alpha (Lindon, Ham, Tingley and Bojinov 2022, arXiv:2210.08589).
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

#: The variance of the effect, in units of the spread over seeds; it moves the number of seeds at which the
#: interval is narrowest, not its probability of error.
EFFECT_VARIANCE = 1.0


class Estimate(NamedTuple):
    """The mean accuracy over seeds, with its interval, as shares of 1."""

    seeds: int
    mean: float
    low: float
    high: float


def estimate(correct: Sequence[int], examples: int, alpha: float) -> Estimate:
    """The mean over seeds and its interval.

    Args:
        correct: how many images each seed gets right.
        examples: how many images there are.
        alpha: the probability with which the interval may leave out the mean, now or after more seeds.
    """
    n, total = len(correct), sum(correct)
    mean = total / (n * examples)
    if n < 2:
        return Estimate(n, mean, 0.0, 1.0)
    # In whole numbers, so that the variance of equal values is exactly 0.
    variance = (n * sum(count * count for count in correct) - total * total) / (n * (n - 1))
    # Accuracies are counts of images: equal counts only say that the spread is below one image.
    half_width = half_width_factor(n, alpha) * max(math.sqrt(variance), 1.0) / examples
    return Estimate(n, mean, max(0.0, mean - half_width), min(1.0, mean + half_width))


def half_width_factor(n: int, alpha: float) -> float:
    """Half the width of the interval over n seeds, in units of their standard deviation.

    With r = 1 + n g, where g is the variance of the effect, and Student's t = (mean - candidate) sqrt(n) / s,
    the Bayes factor is r^-1/2 [(1 + t² / (n - 1)) / (1 + t² / (r (n - 1)))]^(n/2). The interval ends where it
    is 1 / alpha. With few seeds it is infinite: the factor stays below 1 / alpha however large t is.
    """
    r = 1 + n * EFFECT_VARIANCE
    k = (math.sqrt(r) / alpha) ** (2 / n)
    if n < 2 or k >= r:
        return math.inf
    return math.sqrt((n - 1) * (k - 1) / (1 - k / r) / n)


def least_seeds(alpha: float) -> int:
    """The fewest seeds with which the interval is finite."""
    n = 2
    while math.isinf(half_width_factor(n, alpha)):
        n += 1
    return n
