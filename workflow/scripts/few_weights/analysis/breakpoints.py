"""The breakpoint of an architecture: the fewest parameters with which it reaches a target accuracy.

Defined: of the models (widths) of an architecture that the study trained, the one with the fewest parameters
whose mean accuracy over seeds on the selection images is at least the target. It is *certain* when the lower
end of the 95 % interval of that mean reaches the target too.
"""

from collections.abc import Iterable

import pandas as pd

from few_weights.analysis import published
from few_weights.analysis.model_tables import flops_per_image, weight_bytes
from few_weights.analysis.seeds import accuracy_statistics, selection_of, share_reaching, summarise_models


def find_breakpoints(runs: pd.DataFrame, targets: Iterable[float]) -> pd.DataFrame:
    """breakpoints.csv: one row for each architecture and target, from runs.csv alone.

    `test_accuracy` is the mean over seeds, whichever images chose; `selection_accuracy` with its `sd`, `low`
    and `high` is that of the images that did; `share` of the seeds reach the target by themselves.
    `compression` is the baseline's parameters over those of the breakpoint. `monotone` says whether the
    architecture's mean accuracy never falls as its parameters grow, and `larger_missing` how many models
    larger than the breakpoint miss the target: where it is not 0, the curve crosses the target repeatedly.
    """
    targets = list(targets)
    selection = selection_of(runs)
    models = summarise_models(runs)
    dataset = runs["dataset"].iloc[0]
    rows = []
    for architecture, its_models in models.groupby("architecture", sort=False):
        its_models = its_models.sort_values("parameters", kind="stable")
        its_runs = runs[runs["architecture"] == architecture]
        baseline = its_runs.iloc[0][["baseline_architecture", "baseline_width", "baseline_parameters"]]
        for target in targets:
            reaches = its_models["deciding_accuracy"] >= target
            row = {
                "architecture": architecture,
                "target": target,
                "reached": bool(reaches.any()),
                **baseline,
                "selection": selection,
                "monotone": bool(its_models["selection_accuracy"].is_monotonic_increasing),
                **_article_columns(dataset, architecture, target),
            }
            if row["reached"]:
                smallest = its_models[reaches].iloc[0]
                row |= _measure(its_runs[its_runs["width"] == smallest["width"]], selection, target)
                row |= smallest[["width", "parameters", "test_accuracy", "seeds"]].to_dict()
                row["compression"] = baseline["baseline_parameters"] / smallest["parameters"]
                larger = its_models["parameters"] > smallest["parameters"]
                row["larger_missing"] = int((larger & ~reaches).sum())
            rows.append(row)
    table = pd.DataFrame(rows).reindex(columns=COLUMNS)
    # Int64 and boolean keep whole numbers and truth values as such beside the empty cells of a target that is
    # not reached.
    return table.astype(dict.fromkeys(WHOLE_NUMBERS, "Int64") | {"certain": "boolean"})


COLUMNS = [
    "architecture",
    "target",
    "reached",
    "width",
    "parameters",
    "test_accuracy",
    "seeds",
    "baseline_architecture",
    "baseline_width",
    "baseline_parameters",
    "compression",
    "selection",
    "selection_accuracy",
    "selection_sd",
    "selection_low",
    "selection_high",
    "certain",
    "reaching",
    "share",
    "share_low",
    "share_high",
    "monotone",
    "larger_missing",
    "weight_bytes",
    "flops_per_image",
    "article_width",
    "article_parameters",
    "article_test_accuracy",
    "article_compression",
]


WHOLE_NUMBERS = ["width", "parameters", "seeds", "baseline_width", "baseline_parameters", "reaching"]


WHOLE_NUMBERS += ["larger_missing", "weight_bytes", "flops_per_image", "article_width", "article_parameters"]


def _measure(its_runs: pd.DataFrame, selection: str, target: float) -> dict:
    """The columns of a breakpoint that come from its own runs."""
    statistics = accuracy_statistics(its_runs, selection)
    return {
        **{f"selection_{key}": statistics[key] for key in ("accuracy", "sd", "low", "high")},
        # Of a single seed there is no interval (nan), and nothing is certain.
        "certain": statistics["low"] >= target,
        **share_reaching(its_runs, target),
        "weight_bytes": weight_bytes(its_runs["parameters"].iloc[0]),
        "flops_per_image": flops_per_image(its_runs["multiply_adds"].iloc[0]),
    }


def _article_columns(dataset: str, architecture: str, target: float) -> dict:
    if (dataset, target) != (
        published.DATASET,
        published.TARGET,
    ) or architecture not in published.BREAKPOINTS:
        return {}
    return {f"article_{key}": value for key, value in vars(published.BREAKPOINTS[architecture]).items()}


def targets_table(breakpoints: pd.DataFrame) -> pd.DataFrame:
    """targets.csv: a row a target, a column an architecture, the breakpoint's parameters or "not reached"."""
    cells = breakpoints["parameters"].astype("string").fillna("not reached")
    table = breakpoints.assign(cell=cells).pivot(index="target", columns="architecture", values="cell")
    table = table.reindex(columns=breakpoints["architecture"].unique()).rename_axis(columns=None)
    # An architecture may be called "target", too.
    table.insert(0, "target", table.index, allow_duplicates=True)
    return table.reset_index(drop=True)
