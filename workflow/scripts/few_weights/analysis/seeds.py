"""From runs to models: what the seeds of one architecture and width say together.

A *model* is an architecture at a width; its runs differ in their seed alone. The *selection* images are those
that may choose a breakpoint: the validation images where a study holds some out, else the test images.
"""

import math
from statistics import stdev
from typing import Any

import pandas as pd

from few_weights.analysis.intervals import binomial_half_width, t_interval, wilson_interval

MODEL = ["architecture", "width"]


#: How many models a sentence lists by name.
MOST_NAMED = 10


def selection_of(runs: pd.DataFrame) -> str:
    """Which images choose the breakpoints of a study: "validation" or "test"."""
    return "validation" if (runs["validation_examples"] > 0).all() else "test"


def mean_accuracies(runs: pd.DataFrame, images: str) -> pd.Series:
    """(architecture, width) -> mean accuracy over seeds on the "validation" or "test" images.

    All seeds are scored on the same images, so correct over examples, both summed, is the mean of the seeds'
    accuracies without its rounding: three seeds at 0.97 must not miss a target of 0.97.
    """
    sums = runs.groupby(MODEL, sort=False)[[f"{images}_correct", f"{images}_examples"]].sum()
    return sums[f"{images}_correct"].astype(float) / sums[f"{images}_examples"]


def deciding_accuracies(runs: pd.DataFrame) -> pd.Series:
    """(architecture, width) -> the mean accuracy to compare with a target.

    That is the mean over seeds on the selection images, or 0 where every seed diverged: a network of NaN
    answers something for each image, and where the target is low enough, chance reaches it.
    """
    all_diverged = has_diverged(runs).groupby([runs[column] for column in MODEL], sort=False).all()
    return mean_accuracies(runs, selection_of(runs)).mask(all_diverged, 0.0)


def summarise_models(runs: pd.DataFrame) -> pd.DataFrame:
    """One row a model: parameters, number of seeds, mean accuracy over seeds on test and selection images.

    `deciding_accuracy` is the latter as `deciding_accuracies` has it.
    """
    models = runs.groupby(MODEL, sort=False).agg(
        parameters=("parameters", "first"), seeds=("seed", "nunique")
    )
    models["test_accuracy"] = mean_accuracies(runs, "test")
    models["selection_accuracy"] = mean_accuracies(runs, selection_of(runs))
    models["deciding_accuracy"] = deciding_accuracies(runs)
    return models.reset_index()


def has_diverged(runs: pd.DataFrame) -> pd.Series:
    """Whether each run diverged: its loss was no longer a finite number, and its training stopped there.

    Its accuracy is that of the network it ended with and counts in every mean, but it reaches no target.
    """
    if "diverged_in_epoch" not in runs:
        return pd.Series(False, index=runs.index)
    return runs["diverged_in_epoch"].notna()


def diverged_sentence(runs: pd.DataFrame) -> str:
    """Which runs diverged, when, what follows and how to fix it; empty where none did."""
    diverged = runs[has_diverged(runs)]
    if diverged.empty:
        return ""
    named = []
    for (architecture, width), its_runs in diverged.groupby(MODEL, sort=False):
        seeds, epochs = its_runs["seed"].tolist(), its_runs["diverged_in_epoch"].drop_duplicates().tolist()
        which = f"seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}"
        when = f"epoch{'s' * (len(epochs) > 1)} {', '.join(map(str, epochs))}"
        named.append(f"{architecture} width {width} {which} in {when}")
    if len(named) > MOST_NAMED:
        named[MOST_NAMED:] = [f"and {len(named) - MOST_NAMED} more models"]
    return (
        f"{len(diverged)} of {len(runs)} run{'s' * (len(runs) > 1)} diverged: {'; '.join(named)}. The loss "
        "was no longer a finite number, so training stopped there; the accuracy of what came of it counts in "
        "every mean, but it reaches no target. A smaller learning_rate usually fixes it."
    )


def epochs_trained(runs: pd.DataFrame) -> pd.Series:
    """How many epochs each run was trained for: those planned, or those until it diverged."""
    diverged = has_diverged(runs)
    return runs["epochs"].mask(diverged, runs["diverged_in_epoch"]) if diverged.any() else runs["epochs"]


def has_collapsed(runs: pd.DataFrame) -> pd.Series:
    """Whether each run collapsed: a test accuracy of at most twice chance, chance being 1 / classes.

    A run that diverged is not counted among them, whatever its accuracy.

    On MNIST that is 20 %; a network whose units died answers one class always, which is right for 9 to 11 %.
    With fewer than five classes twice chance may be a good answer, so there the bound is a quarter of the way
    from chance to 1.
    """
    chance = 1 / runs["classes"]
    return (runs["test_accuracy"] <= chance + chance.clip(upper=(1 - chance) / 4)) & ~has_diverged(runs)


def accuracy_statistics(its_runs: pd.DataFrame, images: str) -> dict[str, Any]:
    """What one model's seeds say about its accuracy on the "validation" or "test" images.

    `accuracy` is the mean, `sd` the sample standard deviation (n - 1) and `low`, `high` Student's 95 %
    interval of the mean, all over seeds: the luck of training. `binomial_half_width` is apart from that: half
    the 95 % interval that finitely many images leave of one network's accuracy, at the mean. Empty where
    there are no images; `sd`, `low` and `high` are nan for a single seed.
    """
    examples = int(its_runs[f"{images}_examples"].iloc[0])
    if examples == 0:
        return dict.fromkeys(["accuracy", "sd", "low", "high", "binomial_half_width"])
    accuracies = its_runs[f"{images}_accuracy"].astype(float).tolist()
    accuracy = float(mean_accuracies(its_runs, images).iloc[0])
    low, high = t_interval(accuracies)
    return {
        "accuracy": accuracy,
        "sd": stdev(accuracies) if len(accuracies) > 1 else math.nan,
        "low": low,
        "high": high,
        "binomial_half_width": binomial_half_width(accuracy, examples),
    }


def share_reaching(its_runs: pd.DataFrame, target: float) -> dict[str, Any]:
    """How many of one model's seeds reach the target on the selection images, with Wilson's 95 % interval."""
    reaches = its_runs[f"{selection_of(its_runs)}_accuracy"].astype(float) >= target
    reaching = int((reaches & ~has_diverged(its_runs)).sum())
    low, high = wilson_interval(reaching, len(its_runs))
    return {
        "reaching": reaching,
        "share": reaching / len(its_runs),
        "share_low": low,
        "share_high": high,
    }


# Tables


def with_selection(runs: pd.DataFrame) -> pd.DataFrame:
    """The runs with `selection_accuracy` and `selection_examples`: those of the images that choose."""
    images = selection_of(runs)
    return runs.assign(
        selection_accuracy=runs[f"{images}_accuracy"].astype(float),
        selection_examples=runs[f"{images}_examples"],
    )


def models_with_intervals(runs: pd.DataFrame) -> pd.DataFrame:
    """One row a model, by parameters: the mean over seeds on the images that choose and its 95 % interval
    (`low`, `high`), which is empty for a single seed."""
    runs = with_selection(runs)
    intervals = (
        runs.groupby(["architecture", "width"], sort=False)["selection_accuracy"].agg(list).map(t_interval)
    )
    intervals = intervals.apply(pd.Series).set_axis(["low", "high"], axis=1).reset_index()
    models = summarise_models(runs).merge(intervals, on=["architecture", "width"])
    return models.sort_values("parameters", kind="stable", ignore_index=True)


def first_target(breakpoints: pd.DataFrame) -> pd.DataFrame:
    """The rows of the study's first target: the one that headlines speak of."""
    return breakpoints[breakpoints["target"] == breakpoints["target"].iloc[0]]
