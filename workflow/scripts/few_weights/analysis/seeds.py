"""From runs to models: what the seeds of one architecture and width say together.

A *model* is an architecture at a width; its runs differ only in their seed. The *selection* images are those
used to choose a breakpoint: the validation images if a study holds some out, otherwise the test images.
"""

import math
from statistics import stdev
from typing import TypedDict

import pandas as pd

from few_weights.analysis.confidence import estimate
from few_weights.analysis.divergence import has_diverged
from few_weights.analysis.intervals import binomial_half_width, t_interval, wilson_interval
from few_weights.analysis.rows import by_model

#: The columns that identify a model.
MODEL = ["architecture", "width"]


class AccuracyStatistics(TypedDict):
    """One model's accuracy over its seeds, as shares of 1; see `accuracy_statistics`."""

    accuracy: float | None
    sd: float | None
    low: float | None
    high: float | None
    binomial_half_width: float | None


class ShareReaching(TypedDict):
    """How many of one model's seeds reach a target, and that share's 95 % interval."""

    reaching: int
    share: float
    share_low: float
    share_high: float


def selection_of(runs: pd.DataFrame) -> str:
    """Which images are used to choose the breakpoints of a study: "validation" or "test"."""
    return "validation" if (runs["validation_examples"] > 0).all() else "test"


def has_several_seeds(runs: pd.DataFrame) -> bool:
    """Whether any model has more than one; sections may have different ones, with one each."""
    return bool(runs.groupby(MODEL)["seed"].nunique().max() > 1)


def mean_accuracies(runs: pd.DataFrame, images: str) -> pd.Series:
    """(architecture, width) -> mean accuracy over seeds on the "validation" or "test" images.

    All seeds are scored on the same images, so the sum of correct images over the sum of images is the mean
    of the seeds' accuracies without its rounding: three seeds at 0.97 must not miss a target of 0.97.
    """
    totals = runs.groupby(MODEL, sort=False)[[f"{images}_correct", f"{images}_examples"]].sum()
    return totals[f"{images}_correct"].astype(float) / totals[f"{images}_examples"]


def deciding_accuracies(runs: pd.DataFrame) -> pd.Series:
    """(architecture, width) -> the mean accuracy to compare with a target.

    That is the mean over seeds on the selection images, or 0 where every seed diverged: a network of NaN
    predicts some class for each image, and chance reaches a low enough target.
    """
    all_diverged = has_diverged(runs).groupby([runs[column] for column in MODEL], sort=False).all()
    return mean_accuracies(runs, selection_of(runs)).mask(all_diverged, 0.0)


def deciding_counts(model_runs: pd.DataFrame) -> list[int]:
    """How many of the selection images each run of one model gets right; 0 where all runs diverged.

    Their mean is the model's deciding accuracy (`deciding_accuracies`).
    """
    if has_diverged(model_runs).all():
        return [0] * len(model_runs)
    return [int(count) for count in model_runs[f"{selection_of(model_runs)}_correct"]]


def model_means(runs: pd.DataFrame) -> pd.DataFrame:
    """One row per model: parameters, number of seeds, mean accuracy over seeds on test and selection images.

    `deciding_accuracy` is the accuracy to compare with a target (`deciding_accuracies`).
    """
    models = runs.groupby(MODEL, sort=False).agg(
        parameters=("parameters", "first"), seeds=("seed", "nunique")
    )
    models["test_accuracy"] = mean_accuracies(runs, "test")
    models["selection_accuracy"] = mean_accuracies(runs, selection_of(runs))
    models["deciding_accuracy"] = deciding_accuracies(runs)
    return models.reset_index()


def most_accurate_model(runs: pd.DataFrame) -> pd.Series:
    """The model with the highest deciding accuracy, as a row of `model_means`; the smallest of equals."""
    models = model_means(runs)
    return models.sort_values(["deciding_accuracy", "parameters"], ascending=[False, True]).iloc[0]


def accuracy_statistics(model_runs: pd.DataFrame, images: str) -> AccuracyStatistics:
    """What one model's seeds say about its accuracy on the "validation" or "test" images.

    `accuracy` is the mean, `sd` the sample standard deviation (n - 1) and `low`, `high` Student's 95 %
    interval of the mean, all over seeds: the luck of training. `binomial_half_width` is independent of that:
    half the 95 % interval that finitely many images leave of one network's accuracy, at the mean. All are
    None where there are no images; `sd`, `low` and `high` are nan for a single seed.
    """
    examples = int(model_runs[f"{images}_examples"].iloc[0])
    if examples == 0:
        return {"accuracy": None, "sd": None, "low": None, "high": None, "binomial_half_width": None}
    accuracies = model_runs[f"{images}_accuracy"].astype(float).tolist()
    accuracy = float(mean_accuracies(model_runs, images).iloc[0])
    low, high = t_interval(accuracies)
    return {
        "accuracy": accuracy,
        "sd": stdev(accuracies) if len(accuracies) > 1 else math.nan,
        "low": low,
        "high": high,
        "binomial_half_width": binomial_half_width(accuracy, examples),
    }


def share_reaching(model_runs: pd.DataFrame, target: float) -> ShareReaching:
    """How many of one model's seeds reach the target on the selection images, with Wilson's 95 % interval."""
    reaches = model_runs[f"{selection_of(model_runs)}_accuracy"].astype(float) >= target
    reaching = int((reaches & ~has_diverged(model_runs)).sum())
    low, high = wilson_interval(reaching, len(model_runs))
    return {
        "reaching": reaching,
        "share": reaching / len(model_runs),
        "share_low": low,
        "share_high": high,
    }


def with_selection(runs: pd.DataFrame) -> pd.DataFrame:
    """The runs with `selection_accuracy` and `selection_examples`: those of the selection images."""
    images = selection_of(runs)
    return runs.assign(
        selection_accuracy=runs[f"{images}_accuracy"].astype(float),
        selection_examples=runs[f"{images}_examples"],
    )


def models_with_intervals(runs: pd.DataFrame, alpha: float | None = None) -> pd.DataFrame:
    """One row per model, by parameters: its mean accuracy over seeds with the 95 % interval of that mean.

    The columns are those of `model_means`, and `low` and `high` of the mean on the selection images,
    which are empty for a single seed. With `alpha` the interval is that of a study with `certainty`
    (`interval_error`).
    """
    runs = with_selection(runs)
    if alpha is None:
        intervals = runs.groupby(MODEL, sort=False)["selection_accuracy"].agg(list).map(t_interval)
        limits = intervals.apply(pd.Series).set_axis(["low", "high"], axis=1).reset_index()
    else:
        examples = int(runs["selection_examples"].iloc[0])
        found = {
            (architecture, width): estimate(deciding_counts(of_model), examples, alpha)
            for architecture, width, of_model in by_model(runs)
        }
        limits = pd.DataFrame(
            [(*model, of_model.low, of_model.high) for model, of_model in found.items()],
            columns=[*MODEL, "low", "high"],
        )
    models = model_means(runs).merge(limits, on=MODEL)
    return models.sort_values("parameters", kind="stable", ignore_index=True)


def first_target(breakpoints: pd.DataFrame) -> pd.DataFrame:
    """The rows of the study's first target: the one that headlines speak of."""
    return breakpoints[breakpoints["target"] == breakpoints["target"].iloc[0]]


def interval_error(breakpoints: pd.DataFrame) -> float | None:
    """The probability with which each interval of a study with `certainty` may be wrong; None without it."""
    return float(breakpoints["alpha"].iloc[0]) if "alpha" in breakpoints else None
