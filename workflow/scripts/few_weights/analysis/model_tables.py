"""The tables with a row per model: models.csv, shares.csv and the Pareto front, pareto.csv."""

from collections.abc import Iterable
from typing import Any

import pandas as pd

from few_weights.analysis.divergence import has_collapsed, has_diverged
from few_weights.analysis.rows import as_table, by_model
from few_weights.analysis.seeds import accuracy_statistics, selection_of, share_reaching
from few_weights.analysis.table_columns import BYTES, MODELS, PARETO, SHARES, Table


def flops_per_image(multiply_adds: int) -> int:
    """Floating-point operations of one image's forward pass: two for each multiply-add.

    Counted are the multiplications and additions of convolutions and dense layers; biases, activations and
    pooling are not.
    """
    return 2 * multiply_adds


def weight_bytes(run: pd.Series) -> int:
    """Bytes of a run's trainable weights as they are stored, without file format and activations.

    Args:
        run: its row of runs.csv. Earlier versions recorded no bytes; each weight took four.
    """
    recorded = run.get("weight_bytes")
    return 4 * int(run["parameters"]) if recorded is None or pd.isna(recorded) else int(recorded)


def models_table(runs: pd.DataFrame) -> pd.DataFrame:
    """models.csv: one row per model: its size, and its accuracy over seeds on validation and test images."""
    records = []
    for architecture, width, group in by_model(runs):
        first = group.iloc[0]
        record: dict[str, Any] = {
            "architecture": architecture,
            "width": width,
            "parameters": first["parameters"],
            "weight_bytes": weight_bytes(first),
            "flops_per_image": flops_per_image(first["multiply_adds"]),
            "seeds": len(group),
            "collapsed": int(has_collapsed(group).sum()),
            "diverged": int(has_diverged(group).sum()),
            "selection": selection_of(runs),
        }
        for images in ("validation", "test"):
            statistics = accuracy_statistics(group, images)
            record |= {
                f"{images}_examples": first[f"{images}_examples"],
                f"{images}_accuracy": statistics["accuracy"],
                f"{images}_accuracy_sd": statistics["sd"],
                f"{images}_accuracy_low": statistics["low"],
                f"{images}_accuracy_high": statistics["high"],
                f"{images}_binomial_half_width": statistics["binomial_half_width"],
            }
        records.append(record)
    return as_table(records, MODELS)


def shares_table(runs: pd.DataFrame, targets: Iterable[float]) -> pd.DataFrame:
    """shares.csv: one row for each model and target: how many of its seeds reach the target."""
    targets = list(targets)
    return as_table(
        [
            {
                "architecture": architecture,
                "width": width,
                "target": target,
                "seeds": len(group),
                **share_reaching(group, target),
            }
            for architecture, width, group in by_model(runs)
            for target in targets
        ],
        SHARES,
    )


def pareto_table(runs: pd.DataFrame) -> pd.DataFrame:
    """pareto.csv: the models that no other beats, by parameters and mean accuracy on the selection images.

    A model is on the front when every model with as many parameters or fewer is less accurate. It is the best
    one for a budget from `from_parameters` up to `to_parameters` (empty for the last: any larger budget). Of
    models equal in both, the first in runs.csv counts.
    """
    return _front(runs, "parameters", PARETO)


def bytes_table(runs: pd.DataFrame) -> pd.DataFrame:
    """bytes.csv: the models that no other beats, as in pareto.csv, but by the bytes of their weights."""
    return _front(runs, "weight_bytes", BYTES)


def _front(runs: pd.DataFrame, size: str, columns: Table) -> pd.DataFrame:
    models = models_table(runs)
    models["selection_accuracy"] = models[f"{selection_of(runs)}_accuracy"]
    models = models.sort_values(
        [size, "selection_accuracy"], ascending=[True, False], kind="stable", ignore_index=True
    )
    best_before = models["selection_accuracy"].cummax().shift(fill_value=-1.0)
    front = models[models["selection_accuracy"] > best_before].reset_index(drop=True)
    unit = size.removeprefix("weight_")
    front[f"from_{unit}"] = front[size]
    front[f"to_{unit}"] = front[size].shift(-1) - 1
    return front[columns.names].astype(columns.types)
