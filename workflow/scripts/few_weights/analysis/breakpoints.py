"""The breakpoint of an architecture: the fewest parameters with which it reaches a target accuracy.

Of an architecture's trained models, the breakpoint is the one with the fewest parameters whose mean accuracy
over seeds on the selection images is at least the target. It is *certain* if the lower end of the 95 %
interval of that mean reaches the target too. In a study with `certainty` the interval is one that may be
looked at after every seed, and certain means more: that all smaller models tried certainly miss the target.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from few_weights.analysis import published
from few_weights.analysis.certainty import answer_range, estimates, verdict
from few_weights.analysis.confidence import Estimate
from few_weights.analysis.model_tables import flops_per_image, weight_bytes
from few_weights.analysis.rows import as_table, by_architecture
from few_weights.analysis.seeds import accuracy_statistics, model_means, selection_of, share_reaching
from few_weights.analysis.table_columns import BREAKPOINTS, OF_CERTAINTY
from few_weights.plan.certainty import Rules

#: The columns of runs.csv that hold the full-size model which a breakpoint is compared with.
BASELINE = ("baseline_architecture", "baseline_width", "baseline_parameters")


def find_breakpoints(
    runs: pd.DataFrame, targets: Iterable[float], rules: Mapping[str, Rules] | None = None
) -> pd.DataFrame:
    """breakpoints.csv: one row for each architecture and target, only from runs.csv.

    `test_accuracy` is the mean over seeds on the test images, `selection_accuracy` with its `sd`, `low` and
    `high` that on the selection images; `share` is the fraction of the seeds that reach the target on their
    own. `compression` is the baseline's parameters over those of the breakpoint. `monotone` says whether the
    architecture's mean accuracy never falls as its parameters grow, and `larger_missing` how many models
    larger than the breakpoint miss the target: if it is not 0, the curve crosses the target more than once.

    `rules`, architecture -> its rules, are those of a study with `certainty`. Its tables have further
    columns: the range of widths that holds the answer, and what is needed to compute it again.
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
            if rules:
                record |= _certainty_columns(group, target, rules[architecture], record.get("width"))
            records.append(record)
    table = as_table(records, BREAKPOINTS)
    return table if rules else table.drop(columns=[column.name for column in OF_CERTAINTY])


def _certainty_columns(
    group: pd.DataFrame, target: float, rules: Rules, breakpoint_width: int | None
) -> dict[str, Any]:
    """What is certain of an architecture and a target, and the range that holds the answer."""
    models = estimates(group, rules)
    low, high = answer_range({width: verdict(found, target, rules) for width, found in models.items()})
    parameters = group.groupby("width")["parameters"].first()
    columns = {key: getattr(rules, key) for key in ("level", "collapse", "alpha", "guard_seeds")}
    for end, width in (("low", low), ("high", high)):
        if width is not None:
            columns |= {f"range_{end}_width": width, f"range_{end}_parameters": parameters[width]}
    if breakpoint_width is not None:
        found: Estimate = models[breakpoint_width]
        columns |= {"selection_low": found.low, "selection_high": found.high}
        columns["certain"] = low == high == breakpoint_width
    return columns


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
        "weight_bytes": weight_bytes(model_runs.iloc[0]),
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
