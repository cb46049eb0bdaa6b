"""Intervals against worked examples of the literature."""

import math

import pytest

from few_weights.analysis.intervals import binomial_half_width, t_interval, wilson_interval


def test_student_interval_of_his_own_data():
    """The hours of sleep of Student (1908, Biometrika 6:1-25), his ten paired differences.

    The interval is what R prints for its data set `sleep`, 0.7001142 to 2.4598858 hours; here a tenth of
    it, because accuracies end at 1.
    """
    hours = [1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4]
    low, high = t_interval([hour / 10 for hour in hours])
    assert (low, high) == pytest.approx((0.07001142, 0.24598858), abs=1e-8)


def test_student_interval_at_its_ends():
    assert all(math.isnan(end) for end in t_interval([0.97]))
    assert t_interval([0.97, 0.97, 0.97]) == (0.97, 0.97)
    assert t_interval([0.9, 1.0])[1] == 1.0


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0000, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_interval_of_newcombes_examples(successes, n, low, high):
    """Newcombe 1998, Statistics in Medicine 17:857-872, table I, method 3 (score without correction)."""
    assert wilson_interval(successes, n) == pytest.approx((low, high), abs=5e-5)


def test_binomial_half_width_of_the_articles_test_set():
    assert 100 * binomial_half_width(0.97, 10_000) == pytest.approx(0.33, abs=0.005)
