"""Studies whose truth is known: the certain answers of 2,000 of them, and what Student's interval would say.

config/README.md gives the figures that these tests print.
"""

import math

import pandas as pd
import pytest
from samples.certain_studies import GIVEN, KINDS, RULES, outcomes
from scipy import stats

from few_weights.analysis import certainty
from few_weights.analysis.confidence import Estimate
from few_weights.plan.certainty import Rules

pytestmark = pytest.mark.slow

STUDIES, STUDIES_BY_STUDENT = 2_000, 400
QUANTILES = [math.nan, math.nan, *stats.t.ppf(0.975, range(1, RULES.at_most))]


def described(ended: pd.DataFrame) -> str:
    return f"{ended.groupby('kind', sort=False).mean()}\n{ended.mean(numeric_only=True)}"


def test_what_is_certain_is_wrong_in_at_most_5_percent():
    parts = [outcomes(kind, STUDIES // len(KINDS)).assign(kind=kind) for kind in KINDS]
    ended = pd.concat(parts, ignore_index=True)
    print(described(ended))
    assert len(ended) == STUDIES
    assert (ended.groupby("kind")["wrong"].mean() <= 0.05).all()
    # It does end with answers, and with fewer runs than the most seeds everywhere.
    assert ended["certain"].mean() > 0.05
    assert ended["runs"].max() <= RULES.at_most * (len(GIVEN) + RULES.most_added)


def student(correct: list[int], examples: int, alpha: float) -> Estimate:
    """Student's 95 % interval."""
    n, total = len(correct), sum(correct)
    variance = (n * sum(count * count for count in correct) - total * total) / (n * (n - 1))
    half_width = QUANTILES[n] * max(math.sqrt(variance), 1) / math.sqrt(n) / examples
    mean = total / n / examples
    return Estimate(n, mean, mean - half_width, mean + half_width)


def test_students_interval_looked_at_after_every_seed_is_wrong_more_often(monkeypatch):
    """A warning: this is what somebody does who adds a seed until the interval suits."""
    monkeypatch.setattr(certainty, "estimate", student)
    monkeypatch.setattr(certainty, "more_seeds", lambda seeds, rules: min(seeds + 1, rules.at_most))
    rules = Rules(0.95, 0.1, 0.05, guard_seeds=2, at_most=RULES.at_most, most_added=RULES.most_added)
    number = STUDIES_BY_STUDENT // len(KINDS)
    ended = pd.concat([outcomes(kind, number, rules, seeds=3).assign(kind=kind) for kind in KINDS])
    print(described(ended))
    assert ended["wrong"].mean() > 0.15
