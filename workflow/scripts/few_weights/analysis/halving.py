"""Successive halving: which models of a stage are trained further, and the table of all stages."""

import math
from collections.abc import Iterable, Mapping
from typing import Any, TypedDict

import pandas as pd

from few_weights.analysis.rows import as_table, by_model
from few_weights.analysis.seeds import deciding_accuracies
from few_weights.analysis.table_columns import STAGES


class Judged(TypedDict):
    """A stage, as choose_models.py writes it to JSON.

    Keys:
        models: the rows of stages.csv.
        next: architecture -> the widths that are trained further.
    """

    models: list[dict[str, Any]]
    next: dict[str, list[int]]


def judge_stage(runs: pd.DataFrame, names: Mapping[str, str], stage: int, keep: float | None) -> Judged:
    """Judge the models of a stage by their size and their mean accuracy on held-out images.

    A model is beaten by each that takes no more bytes and is more accurate (of models alike in accuracy, by
    those with fewer bytes). The models that fewest others beat go on, of models beaten by equally many the
    more accurate. So the Pareto front comes first, then roughly what would be the front without it, as in the
    sorting of Deb and others 2002 (NSGA-II). That the better part of each stage goes on, for more epochs, is
    successive halving (Jamieson and Talwalkar 2016). The accuracy of a model whose runs all diverged is 0.

    Args:
        runs: the stage's runs, as in runs.csv.
        names: section of the stage -> the architecture of the study.
        stage: its number, from 1.
        keep: the share of the models that goes on, rounded up; None for the last stage.
    """
    accuracies = deciding_accuracies(runs)
    models: list[dict[str, Any]] = [
        {
            "stage": stage,
            "epochs": int(group["epochs"].iloc[0]),
            "architecture": names[section],
            "width": width,
            "parameters": int(group["parameters"].iloc[0]),
            "weight_bytes": int(group["weight_bytes"].iloc[0]),
            "seeds": len(group),
            "validation_accuracy": float(accuracies[section, width]),
            "train_seconds": round(float(group["train_seconds"].sum()), 3),
        }
        for section, width, group in by_model(runs)
    ]
    for model in models:
        model["beaten_by"] = sum(_beats(other, model) for other in models)
    ranked = sorted(models, key=lambda model: (model["beaten_by"], -model["validation_accuracy"]))
    # Rounded first: 0.28 of 25 models are 7, and 7.000000000000001 in floating point.
    going_on = [] if keep is None else ranked[: math.ceil(round(keep * len(models), 9))]
    following: dict[str, list[int]] = {}
    for model in models:
        model["goes_on"] = model in going_on
        if model["goes_on"]:
            following.setdefault(model["architecture"], []).append(model["width"])
    return {"models": models, "next": following}


def stages_table(stages: Iterable[Judged]) -> pd.DataFrame:
    """stages.csv: one row per stage and model."""
    return as_table([model for stage in stages for model in stage["models"]], STAGES)


def _beats(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    size, accuracy = "weight_bytes", "validation_accuracy"
    return bool(
        one[size] <= other[size]
        and one[accuracy] >= other[accuracy]
        and (one[size] < other[size] or one[accuracy] > other[accuracy])
    )
