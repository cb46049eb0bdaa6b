"""The interval that may be looked at after every seed is the one that its Bayes factor gives, and covers."""

import math

import numpy as np
import pytest
from scipy import integrate, optimize, stats

from few_weights.analysis.confidence import EFFECT_VARIANCE, estimate, half_width_factor, least_seeds


def bayes_factor(t: float, n: int) -> float:
    """By its definition: the density of Student's t, its effect drawn from the prior, over that of none."""

    def density(effect: float) -> float:
        prior = stats.norm.pdf(effect, scale=math.sqrt(EFFECT_VARIANCE))
        return stats.nct.pdf(t, n - 1, effect * math.sqrt(n)) * prior

    return integrate.quad(density, -12, 12, limit=200)[0] / stats.t.pdf(t, n - 1)


@pytest.mark.parametrize(("n", "alpha"), [(5, 0.05), (10, 0.05), (10, 0.001), (30, 0.01)])
def test_interval_ends_where_the_bayes_factor_rejects(n, alpha):
    t = optimize.brentq(lambda t: bayes_factor(t, n) * alpha - 1, 0.1, 60)
    assert half_width_factor(n, alpha) == pytest.approx(t / math.sqrt(n), rel=1e-5)


def test_it_ever_leaves_out_the_mean_with_less_than_its_probability():
    values = np.random.default_rng(0).normal(size=(4_000, 200))
    n = np.arange(1, 201)
    mean = values.cumsum(axis=1) / n
    variance = ((values**2).cumsum(axis=1) - n * mean**2) / np.maximum(n - 1, 1)
    for alpha in (0.1, 0.02):
        factors = np.array([half_width_factor(int(many), alpha) for many in n[1:]])
        outside = np.abs(mean[:, 1:]) > factors * np.sqrt(variance[:, 1:].clip(1e-12))
        assert 0.3 * alpha < outside.any(axis=1).mean() <= alpha


def test_few_seeds_have_no_interval():
    assert estimate([9_700], 10_000, 0.05) == (1, 0.97, 0.0, 1.0)
    for alpha in (0.05, 0.001, 1e-6):
        least = least_seeds(alpha)
        assert estimate([9_700, 9_710] * least, 10_000, alpha).low > 0
        assert math.isinf(half_width_factor(least - 1, alpha)) and not math.isinf(
            half_width_factor(least, alpha)
        )


def test_equal_accuracies_have_the_spread_of_one_image():
    same = estimate([350] * 20, 360, 0.01)
    assert same.mean == 350 / 360
    assert same.high - same.mean == pytest.approx(half_width_factor(20, 0.01) / 360)


def test_the_interval_is_that_of_the_accuracies_and_stays_within_0_and_1():
    counts = [340, 352, 349, 355, 347, 351, 350, 344]
    found = estimate(counts, 360, 0.05)
    half_width = half_width_factor(8, 0.05) * np.std(np.array(counts) / 360, ddof=1)
    assert found.low == pytest.approx(np.mean(counts) / 360 - half_width)
    assert estimate([359, 360, 355, 360, 360, 350], 360, 0.05).high == 1.0
    # Three seeds exactly at the target must not miss it by rounding.
    assert estimate([9_700] * 3, 10_000, 0.05).mean >= 0.97
