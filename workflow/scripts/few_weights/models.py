"""From runs to models: what the seeds of one architecture and width say together.

A *model* is an architecture at a width; its runs differ in their seed alone. The *selection* images are those
that may choose a breakpoint: the validation images where a study holds some out, else the test images.
"""

import math
from collections.abc import Iterable, Iterator
from statistics import stdev
from typing import Any

import pandas as pd

from few_weights.intervals import binomial_half_width, t_interval, wilson_interval

MODEL = ["architecture", "width"]

#: How many runs a sentence lists by name.
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


def flops_per_image(multiply_adds: int) -> int:
    """Floating-point operations of one image's forward pass: two for each multiply-add.

    Counted are the multiplications and additions of convolutions and dense layers; biases, activations and
    pooling are not.
    """
    return 2 * multiply_adds


def weight_bytes(parameters: int) -> int:
    """Bytes of the trainable weights as float32, four each; file format and activations come on top."""
    return 4 * parameters


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
    named = [
        f"{run.architecture} width {run.width} seed {run.seed} in epoch {run.diverged_in_epoch}"
        for run in diverged.head(MOST_NAMED).itertuples()
    ]
    if len(diverged) > MOST_NAMED:
        named.append(f"{len(diverged) - MOST_NAMED} more")
    return (
        f"{len(diverged)} of {len(runs)} run{'s' * (len(runs) > 1)} diverged: {', '.join(named)}. The loss "
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


def models_table(runs: pd.DataFrame) -> pd.DataFrame:
    """models.csv: one row a model, with its size, and its accuracy on both kinds of images over seeds."""
    rows = []
    for model, its_runs in _each_model(runs):
        first = its_runs.iloc[0]
        row = model | {
            "parameters": first["parameters"],
            "weight_bytes": weight_bytes(first["parameters"]),
            "flops_per_image": flops_per_image(first["multiply_adds"]),
            "seeds": len(its_runs),
            "collapsed": int(has_collapsed(its_runs).sum()),
            "diverged": int(has_diverged(its_runs).sum()),
            "selection": selection_of(runs),
        }
        for images in ("validation", "test"):
            row[f"{images}_examples"] = first[f"{images}_examples"]
            statistics = accuracy_statistics(its_runs, images)
            row[f"{images}_accuracy"] = statistics.pop("accuracy")
            row |= {
                f"{images}_{key}" if key == "binomial_half_width" else f"{images}_accuracy_{key}": value
                for key, value in statistics.items()
            }
        rows.append(row)
    return pd.DataFrame(rows)


def shares_table(runs: pd.DataFrame, targets: Iterable[float]) -> pd.DataFrame:
    """shares.csv: one row for each model and target, how many of its seeds reach it."""
    targets = list(targets)
    return pd.DataFrame(
        [
            model | {"target": target, "seeds": len(its_runs), **share_reaching(its_runs, target)}
            for model, its_runs in _each_model(runs)
            for target in targets
        ]
    )


def _each_model(runs: pd.DataFrame) -> Iterator[tuple[dict, pd.DataFrame]]:
    for (architecture, width), its_runs in runs.groupby(MODEL, sort=False):
        yield {"architecture": architecture, "width": width}, its_runs


def pareto_table(runs: pd.DataFrame) -> pd.DataFrame:
    """pareto.csv: the models that no other beats, by parameters and mean accuracy on the selection images.

    A model is on the front when every model with as many parameters or fewer is less accurate. Each is the
    best choice, and its architecture owns the range, for a budget of `from_parameters` up to `to_parameters`
    (empty for the last: any larger budget). Of models equal in both, the first in runs.csv counts.
    """
    models = models_table(runs)
    models["selection_accuracy"] = models[f"{selection_of(runs)}_accuracy"]
    models = models.sort_values(
        ["parameters", "selection_accuracy"], ascending=[True, False], kind="stable", ignore_index=True
    )
    best_before = models["selection_accuracy"].cummax().shift(fill_value=-1.0)
    front = models[models["selection_accuracy"] > best_before].reset_index(drop=True)
    front["from_parameters"] = front["parameters"]
    front["to_parameters"] = (front["parameters"].shift(-1) - 1).astype("Int64")
    columns = [*MODEL, "from_parameters", "to_parameters", "weight_bytes", "flops_per_image"]
    return front[[*columns, "selection", "selection_accuracy", "test_accuracy", "seeds"]]
