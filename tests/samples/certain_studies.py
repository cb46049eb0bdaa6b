"""Made-up studies with `certainty` whose true means are known; curves and spreads are those of real runs."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from few_weights.analysis.certainty import MISSES, answer_range, replay, verdict
from few_weights.analysis.confidence import Estimate
from few_weights.plan.certainty import Certainty, Rules, certainty_rules

REFERENCE = Path(__file__).parents[2] / "results" / "reference"
TARGET, IMAGES, GIVEN, SEEDS, AT_MOST = 0.97, 5_000, [8, 32], 10, 100
KINDS = ("committed", "flat", "skewed", "collapsed")
RULES = certainty_rules(Certainty(0.95, AT_MOST, 0.1), {"net": GIVEN}, targets=1, refine=True)["net"]


@cache
def committed_models() -> list[np.ndarray]:
    """The accuracies of the seeds of each model of the study `exact`, on the images that chose."""
    runs = pd.read_csv(REFERENCE / "exact" / "runs.csv")
    models = [group["validation_accuracy"].to_numpy() for _, group in runs.groupby(["architecture", "width"])]
    return [model for model in models if model.std() < 0.005]  # those near the target


@dataclass
class MadeUpStudy:
    """One architecture: each width has a known mean, and any number of seeds that scatter around it.

    Args:
        kind: one of KINDS. A flat curve stays within a tenth of a point of the target; in a collapsed one
            every other width gives the same class for all images with every tenth seed.
        rng: draws everything.
    """

    kind: str
    rng: np.random.Generator
    counts: dict[int, list[int]] = field(default_factory=dict)
    means: dict[int, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        widths = np.arange(1, GIVEN[-1] + 1)
        # About the slope of the committed curves: 0.1 to 1 point from one width to the next.
        rise = 0.0002 if self.kind == "flat" else 10 ** self.rng.uniform(-3, -2)
        crossing = self.rng.uniform(2, GIVEN[-1])
        self.curve = TARGET + np.cumsum(rise * np.minimum(1, 8 / widths))
        self.curve += TARGET - np.interp(crossing, widths, self.curve)
        if self.kind == "flat":
            self.curve = TARGET + (self.curve - TARGET).clip(-0.001, 0.001)

    def scatter(self) -> np.ndarray:
        """The deviations of one width's seeds from its mean."""
        if self.kind == "skewed":
            values = -self.rng.exponential(0.002, size=200)
        else:
            models = committed_models()
            values = models[self.rng.integers(len(models))]
        return values - values.mean()

    def correct(self, width: int, many: int) -> Sequence[int]:
        """The correct images of a width's first seeds."""
        if width not in self.counts:
            possible = np.round(np.clip(self.curve[width - 1] + self.scatter(), 0, 1) * IMAGES).astype(int)
            counts, mean = self.rng.choice(possible, AT_MOST), possible.mean()
            if self.kind == "collapsed" and width % 2:
                counts[self.rng.random(AT_MOST) < 0.1] = IMAGES // 10
                mean = 0.9 * mean + 0.1 * IMAGES // 10
            self.counts[width], self.means[width] = counts.tolist(), mean / IMAGES
        return self.counts[width][:many]


@dataclass(frozen=True)
class Outcome:
    """How a study ended.

    Args:
        certain: whether its answer was certain.
        wrong: whether that was wrong, or the answer not in the range.
        runs: how many there were.
        plain_wrong: whether the mean over the first seeds, without `certainty`, gives a wrong answer.
        plain_runs: how many runs that takes.
    """

    certain: bool
    wrong: bool
    runs: int
    plain_wrong: bool
    plain_runs: int


def last_models(study: MadeUpStudy, rules: Rules, seeds: int) -> dict[int, Estimate]:
    """Run a study to its end: width -> what its seeds say."""
    *_, (_, models) = replay("net", study.correct, IMAGES, [TARGET], GIVEN, seeds, rules)
    return models


def outcome_of(study: MadeUpStudy, rules: Rules, seeds: int) -> Outcome:
    """Run a study to its end, and without `certainty`."""
    models = last_models(study, rules, seeds)
    verdicts = {width: verdict(found, TARGET, rules) for width, found in models.items()}
    low, high = answer_range(verdicts)
    wrong = any(study.means[width] >= TARGET for width, said in verdicts.items() if said == MISSES)
    if high is not None:
        wrong |= study.means[high] < TARGET
    plain = last_models(study, replace(rules, at_most=seeds), seeds)
    answer = min((width for width, found in plain.items() if found.mean >= TARGET), default=None)
    truth = min((width for width in plain if study.means[width] >= TARGET), default=None)
    return Outcome(
        low == high,
        wrong,
        sum(found.seeds for found in models.values()),
        answer != truth,
        seeds * len(plain),
    )


def outcomes(kind: str, number: int, rules: Rules = RULES, seeds: int = SEEDS) -> pd.DataFrame:
    """How so many studies of a kind ended, one row per study; always the same ones."""
    rng = np.random.default_rng([number, KINDS.index(kind)])
    return pd.DataFrame([vars(outcome_of(MadeUpStudy(kind, rng), rules, seeds)) for _ in range(number)])
