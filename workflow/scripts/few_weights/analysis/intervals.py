"""95 % intervals: of a mean over seeds, of a share of seeds, and of an accuracy on finitely many images.

All intervals are two-sided, and 95 % unless said otherwise; the distributions are scipy's.
"""

import math
from collections.abc import Sequence
from statistics import mean, stdev

from scipy.special import ndtri, stdtrit


def t_interval(values: Sequence[float], confidence: float = 0.95) -> tuple[float, float]:
    """Student's interval of the mean, kept within [0, 1]; (nan, nan) for fewer than two values."""
    n = len(values)
    if n < 2:
        return (math.nan, math.nan)
    # mean and stdev of the standard library round only their result, so that the interval of equal values is
    # exactly that value.
    centre, standard_error = mean(values), stdev(values) / math.sqrt(n)
    half_width = stdtrit(n - 1, (1 + confidence) / 2) * standard_error
    return (float(max(0.0, centre - half_width)), float(min(1.0, centre + half_width)))


def wilson_interval(successes: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's interval of a proportion, without continuity correction.

    It keeps its coverage for few trials and for shares near 0 and 1, where the usual p ± 1.96 se does not
    (Brown, Cai and DasGupta 2001, Statistical Science 16:101-133).
    """
    from scipy import stats  # takes a second to import, and most scripts do without

    interval = stats.binomtest(int(successes), int(n)).proportion_ci(confidence, method="wilson")
    return (float(interval.low), float(interval.high))


def binomial_half_width(accuracy: float, examples: int) -> float:
    """Half the 95 % interval of an accuracy measured on `examples` independent examples (Wald)."""
    return float(ndtri(0.975) * math.sqrt(accuracy * (1 - accuracy) / examples))
