"""The page's tables of breakpoints, runs, recipes and versions as text."""

import pandas as pd

from few_weights.analysis.seeds import (
    epochs_trained,
    has_collapsed,
    has_diverged,
    models_with_intervals,
    with_selection,
)
from few_weights.report import wording
from few_weights.report.figures import style
from few_weights.report.statistics import Text
from few_weights.report.wording import distinct

#: The columns of runs.csv that say how an architecture was trained; each optimizer fills some of them.
RECIPE = ["epochs", "batch_size", "loss", "optimizer", "learning_rate", "rho", "momentum", "nesterov"]


RECIPE += ["beta_1", "beta_2", "refresh", "epsilon", "schedule", "warmup", "shift", "code"]


VERSIONS = ["python", "tensorflow", "keras", "numpy", "llvmlite", "platform"]


def breakpoint_rows(breakpoints: pd.DataFrame, runs: pd.DataFrame) -> list[dict]:
    """The table of breakpoints as text, each with what sets it apart from the article's."""
    models = models_with_intervals(runs)
    examples = runs["test_examples"].max()
    selection_examples = with_selection(runs)["selection_examples"].max()
    colours = style.colours(runs["architecture"])
    rows = []
    for point in breakpoints.itertuples():
        its_models = models[models["architecture"] == point.architecture]
        row = {
            "architecture": point.architecture,
            "colour": colours[point.architecture],
            "target": wording.percent(point.target),
            "reached": point.reached,
            "best": wording.accuracy(its_models["deciding_accuracy"].max(), selection_examples),
            "best_of": "the best width tried",
            "article": None,
            "remark": remark(point, its_models, examples),
        }
        if has_diverged(runs[runs["architecture"] == point.architecture]).all():
            row |= {"best": "–", "best_of": "every run diverged"}
        if point.reached:
            row |= {
                "width": point.width,
                "parameters": wording.count(point.parameters),
                "accuracy": wording.accuracy(point.selection_accuracy, selection_examples),
                "interval": interval(point.selection_low, point.selection_high, selection_examples),
                "test_accuracy": wording.accuracy(point.test_accuracy, examples),
                "seeds": point.seeds,
                "compression": wording.times(point.compression),
                "baseline": f"{point.baseline_architecture} {point.baseline_width}",
            }
        if not pd.isna(point.article_parameters):
            row["article"] = {
                "width": point.article_width,
                "parameters": wording.count(point.article_parameters),
                "accuracy": wording.accuracy(point.article_test_accuracy, examples),
                "compression": wording.times(point.article_compression),
            }
        rows.append(row)
    return rows


def remark(point, models: pd.DataFrame, examples: int) -> str:
    """In plain words, whether the breakpoint is the article's and, if not, why."""
    if pd.isna(point.article_parameters):
        return ""
    if point.reached and point.width == point.article_width:
        return "The same width as in the article."
    there = models[models["width"] == point.article_width]
    if there.empty:
        return f"The article's width {point.article_width} is not in this study."
    model = there.iloc[0]
    measured = wording.accuracy(model["selection_accuracy"], examples)
    if point.selection == "validation":
        measured += " on the images held out"
    of = (
        f" on the mean of {wording.plural(model['seeds'], 'seed')}"
        if model["seeds"] > 1
        else " with its one seed"
    )
    bar = wording.percent(point.target)
    if model["selection_accuracy"] < point.target:
        outcome = "so the breakpoint moves" if point.reached else "and no other width reaches it"
        return (
            f"The article's width {point.article_width} misses {bar} here{of} ({measured}; in the article "
            f"{wording.accuracy(point.article_test_accuracy, examples)}), {outcome}"
            + (f" to width {point.width}." if point.reached else ".")
        )
    return f"A smaller model than the article's is enough here{of}."


def run_rows(runs: pd.DataFrame) -> list[dict]:
    """All runs as (value to sort by, text) a column."""
    return [
        {
            "architecture": run.architecture,
            "width": run.width,
            "seed": run.seed,
            "parameters": (run.parameters, wording.count(run.parameters)),
            "accuracy": (run.test_accuracy, wording.accuracy(run.test_accuracy, run.test_examples)),
            "errors": (
                run.test_examples - run.test_correct,
                wording.count(run.test_examples - run.test_correct),
            ),
            "flag": "diverged" if run.diverged else "collapsed" if run.collapsed else "",
            "epochs": run.trained,
            "seconds": (run.train_seconds, f"{run.train_seconds:,.1f}"),
            "memory": (run.peak_memory_mib, wording.count(run.peak_memory_mib)),
        }
        for run in runs.assign(
            collapsed=has_collapsed(runs), diverged=has_diverged(runs), trained=epochs_trained(runs)
        ).itertuples()
    ]


def cost_table(runs: pd.DataFrame) -> Text:
    """What a run of each model costs: the mean over seeds, and the most memory that any took."""
    headings = ["Architecture", "Width", "Weights", "Runs", "Epochs", "Seconds an epoch", "Training, s"]
    headings += ["Start-up, s", "Peak memory, MiB"]
    rows = [
        [
            name,
            str(width),
            wording.count(group["parameters"].iloc[0]),
            str(len(group)),
            str(group["epochs"].iloc[0]),
            f"{(group['train_seconds'] / epochs_trained(group)).mean():,.2f}",
            f"{group['train_seconds'].mean():,.1f}",
            f"{group['overhead_seconds'].mean():,.1f}",
            wording.count(group["peak_memory_mib"].max()),
        ]
        for (name, width), group in runs.groupby(["architecture", "width"], sort=False)
    ]
    return headings, rows


def recipes(runs: pd.DataFrame) -> list[tuple[str, str]]:
    """How each architecture was trained: every recipe column that it fills, as "name value"."""
    columns = [column for column in RECIPE if column in runs.columns]
    return [
        (
            name,
            ", ".join(
                f"{column.replace('_', ' ')} {distinct(group[column])}"
                for column in columns
                if group[column].notna().any()
            ),
        )
        for name, group in runs.groupby("architecture", sort=False)
    ]


def versions(runs: pd.DataFrame) -> list[tuple[str, str]]:
    """Software, device and way of computing; several values where runs differ."""
    names = {"platform": "Platform", "python": "Python", "tensorflow": "TensorFlow", "keras": "Keras"}
    names |= {"numpy": "NumPy", "llvmlite": "llvmlite", "device": "Device", "path": "Computed"}
    # Runs from before llvmlite was used do not name it.
    known = [column for column in [*VERSIONS, "device", "path"] if column in runs]
    return [(names[column], distinct(runs[column])) for column in known]


def interval(low: float, high: float, examples: int) -> str:
    """A mean's 95 % interval as "97.10 to 97.60 %", empty for a single seed."""
    if pd.isna(low):
        return ""
    return f"{wording.accuracy(low, examples)[:-2]} to {wording.accuracy(high, examples)}"
