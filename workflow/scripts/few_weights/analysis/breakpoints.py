"""The breakpoint of an architecture: the fewest parameters with which it reaches a target accuracy.

Of an architecture's trained models, the breakpoint is the one with the fewest parameters whose mean accuracy
over seeds on the selection images is at least the target. It is *certain* if the lower end of the 95 %
interval of that mean reaches the target too.
"""

from collections.abc import Iterable
from typing import Any

import pandas as pd

from few_weights.analysis import published
from few_weights.analysis.model_tables import flops_per_image, weight_bytes
from few_weights.analysis.rows import as_table, by_architecture
from few_weights.analysis.seeds import accuracy_statistics, model_means, selection_of, share_reaching
from few_weights.analysis.table_columns import BREAKPOINTS

#: The columns of runs.csv that hold the full-size model which a breakpoint is compared with.
BASELINE = ("baseline_architecture", "baseline_width", "baseline_parameters")


def find_breakpoints(runs: pd.DataFrame, targets: Iterable[float]) -> pd.DataFrame:
    """breakpoints.csv: one row for each architecture and target, only from runs.csv.

    `test_accuracy` is the mean over seeds on the test images, `selection_accuracy` with its `sd`, `low` and
    `high` that on the selection images; `share` is the fraction of the seeds that reach the target on their
    own. `compression` is the baseline's parameters over those of the breakpoint. `monotone` says whether the
    architecture's mean accuracy never falls as its parameters grow, and `larger_missing` how many models
    larger than the breakpoint miss the target: if it is not 0, the curve crosses the target more than once.
    """
    targets = list(targets)
    selection = selection_of(runs)
    dataset = str(runs["dataset"].iloc[0])
    records = []
    for architecture, models in by_architecture(model_means(runs)):
        models = models.sort_values("parameters", kind="stable")
        group = runs[runs["architecture"] == architecture]
        baseline = {column: group[column].iloc[0] for column in BASELINE}
        for target in targets:
            reaches = models["deciding_accuracy"] >= target
            record: dict[str, Any] = {
                "architecture": architecture,
                "target": target,
                "reached": bool(reaches.any()),
                **baseline,
                "selection": selection,
                "monotone": bool(models["selection_accuracy"].is_monotonic_increasing),
                **_article_columns(dataset, architecture, target),
            }
            if record["reached"]:
                smallest = models[reaches].iloc[0]
                record |= _measure(group[group["width"] == smallest["width"]], selection, target)
                record |= {key: smallest[key] for key in ("width", "parameters", "test_accuracy", "seeds")}
                record["compression"] = baseline["baseline_parameters"] / smallest["parameters"]
                larger = models["parameters"] > smallest["parameters"]
                record["larger_missing"] = int((larger & ~reaches).sum())
            records.append(record)
    return as_table(records, BREAKPOINTS)


def _measure(model_runs: pd.DataFrame, selection: str, target: float) -> dict[str, Any]:
    """The columns of a breakpoint that come from its own runs."""
    statistics = accuracy_statistics(model_runs, selection)
    low = statistics["low"]
    return {
        "selection_accuracy": statistics["accuracy"],
        "selection_sd": statistics["sd"],
        "selection_low": low,
        "selection_high": statistics["high"],
        # A single seed has no interval (nan), and nothing is certain.
        "certain": low is not None and low >= target,
        **share_reaching(model_runs, target),
        "weight_bytes": weight_bytes(model_runs["parameters"].iloc[0]),
        "flops_per_image": flops_per_image(model_runs["multiply_adds"].iloc[0]),
    }


def _article_columns(dataset: str, architecture: str, target: float) -> dict[str, float]:
    """The article's breakpoint where it has one for this data set, architecture and target."""
    is_the_articles = (dataset, target) == (published.DATASET, published.TARGET)
    if not is_the_articles or architecture not in published.BREAKPOINTS:
        return {}
    return {f"article_{key}": value for key, value in vars(published.BREAKPOINTS[architecture]).items()}


def targets_table(breakpoints: pd.DataFrame) -> pd.DataFrame:
    """targets.csv: targets by architectures, the cells the breakpoint's parameters or "not reached"."""
    cells = breakpoints["parameters"].astype("string").fillna("not reached")
    table = breakpoints.assign(cell=cells).pivot(index="target", columns="architecture", values="cell")
    table = table.reindex(columns=breakpoints["architecture"].unique()).rename_axis(columns=None)
    # An architecture may be called "target", too.
    table.insert(0, "target", table.index, allow_duplicates=True)
    return table.reset_index(drop=True)
