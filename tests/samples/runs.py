"""Made-up runs, and the tables that follow from them.

`metrics_of` makes the metrics.json of a run. Every table of runs is made of them, as merging makes it:
`runs_of` from the correct images of each seed, `study_of` from accuracies, `timed_runs` from times.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from few_weights.analysis import merge
from few_weights.analysis.bootstrap import bootstrap_breakpoints
from few_weights.analysis.breakpoints import find_breakpoints, targets_table
from few_weights.analysis.certainty import certainty_table
from few_weights.analysis.mcnemar import compare_neighbours
from few_weights.analysis.model_tables import models_table, pareto_table
from few_weights.plan.certainty import Rules
from few_weights.plan.runs import Run

#: Architecture -> width -> accuracy: mlp reaches 97 % at width 64 and vgg at width 2; vgg 1 has collapsed.
STUDY = {"mlp": {16: 0.95, 32: 0.966, 64: 0.975}, "vgg": {1: 0.11, 2: 0.9705, 4: 0.984}}

#: Those of a study with `certainty` that adds up to 40 seeds.
RULES = Rules(level=0.95, collapse=0.1, alpha=0.002, guard_seeds=20, at_most=40, most_added=0)


def metrics_of(run: Run, study: str = "tiny", correct: int = 9_700, **changes: Any) -> dict[str, Any]:
    """The metrics.json of a run: 500 parameters per width, no validation images unless `changes` has some."""
    return {
        "study": study,
        "dataset": "mnist",
        "classes": 10,
        "network": {"architecture": run.architecture, "options": {}},
        "architecture": run.architecture,
        "width": run.width,
        "seed": run.seed,
        "parameters": 500 * run.width,
        "multiply_adds": 1000,
        "epochs": 2,
        "batch_size": 128,
        "optimizer": {"name": "adadelta", "learning_rate": 1.0, "rho": 0.95, "epsilon": 1e-7},
        "loss": "categorical_crossentropy",
        "train_examples": 60_000,
        "validation_examples": 0,
        "validation_correct": None,
        "validation_accuracy": None,
        "validation_loss": None,
        "test_examples": 10_000,
        "test_correct": correct,
        "test_accuracy": correct / 10_000,
        "test_loss": 0.1,
        "layers": [{"layer": "dense", "type": "Dense", "output_shape": "10", "parameters": 500 * run.width}],
        "weights": {
            "trainable": 500 * run.width,
            "non_zero": 500 * run.width,
            "at_each_use": 500 * run.width,
            "non_trainable": 0,
            "non_trainable_names": "",
            "bytes": 2000 * run.width,
        },
        "history": [
            {
                "epoch": epoch,
                "train_loss": 0.2,
                "train_accuracy": 0.9,
                "validation_loss": None,
                "validation_accuracy": None,
                "test_loss": 0.1,
                "test_accuracy": 0.97,
            }
            for epoch in (1, 2)
        ],
        "path": "general",
        "versions": {"python": "3.11", "tensorflow": "2.21", "keras": "3.15", "numpy": "2.4"},
        "code": "0123",
        "predictions_sha256": "4567",
        "weights_sha256": "89ab",
        "execution": execution_of(),
    } | changes


def execution_of(**changes: Any) -> dict[str, Any]:
    """What a metrics.json says about the execution of a run."""
    return {
        "train_seconds": 3.5,
        "epoch_seconds": [2.0, 1.5],
        "resumed_after_epoch": 0,
        "overhead_seconds": 4.5,
        "started": "2026-01-01T00:00:00+00:00",
        "finished": "2026-01-01T00:00:04+00:00",
        "host": "node-7",
        "platform": "Linux",
        "device": "a CPU, 1 thread",
        "bits": "any x86-64 with AVX2 and FMA",
        "peak_memory_mib": 700,
    } | changes


def runs_of(
    accuracies: Mapping[tuple[str, int], Sequence[int]],
    validation: Mapping[tuple[str, int], Sequence[int]] | None = None,
) -> pd.DataFrame:
    """runs.csv as a table, from {(architecture, width): correct test images of each seed}.

    `validation`, of the same shape, gives the correct ones of 5,000 validation images. The baseline of every
    run is a model of 4,000 parameters.
    """
    records = []
    for (architecture, width), correct_of_seeds in accuracies.items():
        for seed, correct in enumerate(correct_of_seeds):
            changes = {}
            if validation:
                right = validation[architecture, width][seed]
                changes = {
                    "validation_examples": 5_000,
                    "validation_correct": right,
                    "validation_accuracy": right / 5_000,
                    "validation_loss": 0.1,
                }
            records.append(metrics_of(Run(architecture, width, seed), correct=correct, **changes))
    full = {"architecture": "cnn", "width": 8}
    return merge.with_baselines(
        merge.runs_table(records),
        {architecture: full for architecture, _ in accuracies},
        [full | {"parameters": 4_000}],
    )


def study_of(
    accuracies: Mapping[str, Mapping[int, float]],
    seeds: Iterable[int] = (0,),
    dataset: str = "mnist",
    examples: int = 10_000,
) -> pd.DataFrame:
    """runs.csv as a table, from architecture -> width -> accuracy; seeds are 0.001 apart.

    A model has 100 times its width squared parameters; each architecture's baseline is its widest model. A
    run trains for 12 epochs in 30.25 seconds.
    """
    seeds = list(seeds)
    records = []
    for architecture, by_width in accuracies.items():
        for width, accuracy in by_width.items():
            for seed in seeds:
                correct = round(examples * (accuracy - 0.001 * seed))
                records.append(
                    metrics_of(
                        Run(architecture, width, seed),
                        study="test",
                        dataset=dataset,
                        correct=correct,
                        test_accuracy=correct / examples,
                        test_examples=examples,
                        parameters=100 * width**2,
                        epochs=12,
                        code="abc123",
                        execution=execution_of(train_seconds=30.25, finished="2026-01-01T00:01:00+00:00"),
                    )
                )
    widest = {name: {"architecture": name, "width": max(by_width)} for name, by_width in accuracies.items()}
    models = [model | {"parameters": 100 * model["width"] ** 2} for model in widest.values()]
    return merge.with_baselines(merge.runs_table(records), widest, models)


def timed_runs(*times: tuple[float, float]) -> pd.DataFrame:
    """runs.csv as a table, from (begin, end) of each job in seconds; one second of each is overhead."""
    origin = pd.Timestamp("2026-01-01T00:00:00+00:00")
    records = []
    for index, (begin, end) in enumerate(times):
        finished = (origin + pd.Timedelta(seconds=end)).isoformat(timespec="milliseconds")
        execution = execution_of(train_seconds=end - begin - 1.0, overhead_seconds=1.0, finished=finished)
        records.append(metrics_of(Run("cnn", index + 1, 0), execution=execution))
    return merge.runs_table(records)


def hold_out(runs: pd.DataFrame) -> pd.DataFrame:
    """The runs with 5,000 validation images, on which each is 0.5 points less accurate."""
    correct = (5_000 * runs["test_accuracy"] - 25).round().astype(int)
    return runs.assign(
        validation_examples=5_000, validation_correct=correct, validation_accuracy=correct / 5_000
    )


def breakpoints_of(
    runs: pd.DataFrame, targets: Sequence[float] = (0.97,), rules: Rules | None = None
) -> pd.DataFrame:
    """breakpoints.csv of the runs, as a table; with `rules`, that of a study with `certainty`."""
    return find_breakpoints(runs, targets, rules and dict.fromkeys(runs["architecture"], rules))


def certainty_of(
    runs: pd.DataFrame, targets: Sequence[float] = (0.97,), seeds: int = 2, rules: Rules = RULES
) -> pd.DataFrame:
    """certainty.csv of the runs, of which the study gave so many seeds and all widths."""
    given = {name: list(group["width"].unique()) for name, group in runs.groupby("architecture")}
    return certainty_table(
        runs, targets, given, dict.fromkeys(given, range(seeds)), dict.fromkeys(given, rules)
    )


def layers_of(runs: pd.DataFrame) -> pd.DataFrame:
    """layers.csv: two layers per model, a quarter of the weights and the rest, around one without any."""
    rows = []
    for (architecture, width), group in runs.groupby(["architecture", "width"]):
        parameters = group["parameters"].iloc[0]
        parts = [("Conv2D", "26x26x2", parameters // 4), ("Flatten", "1352", 0)]
        parts.append(("Dense", "10", parameters - parameters // 4))
        for position, part in enumerate(parts):
            rows.append((architecture, width, position, *part))
    return pd.DataFrame(
        rows, columns=["architecture", "width", "position", "type", "output_shape", "parameters"]
    )


def history_of(runs: pd.DataFrame, epochs: int = 3) -> pd.DataFrame:
    """history.csv: epochs that halve the errors, down to those of the run's end or to where it diverged."""
    last = runs["diverged_in_epoch"].fillna(epochs)
    accuracies = ["train_accuracy", "validation_accuracy", "test_accuracy"]
    return pd.DataFrame(
        [
            {"architecture": run.architecture, "width": run.width, "seed": run.seed, "epoch": epoch}
            | dict.fromkeys(accuracies, 1 - (1 - run.test_accuracy) * 2 ** (epochs - epoch) / 2)
            for run in runs.assign(last=last).itertuples()
            for epoch in range(1, min(run.last, epochs) + 1)
        ]
    )


def counts_of(runs: pd.DataFrame) -> pd.DataFrame:
    """counts.csv, as if every network had one weight in ten at 0 and used each twice."""
    counts = runs.drop_duplicates(["architecture", "width"])[["architecture", "width"]].copy()
    counts["trainable"] = runs["parameters"]
    counts["non_zero"] = 0.9 * runs["parameters"]
    counts["at_each_use"] = 2 * runs["parameters"]
    return counts.assign(
        non_trainable=12, non_trainable_names="moving_mean", bytes=4 * counts["trainable"] + 48
    )


def tables_of(runs: pd.DataFrame, breakpoints: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The other tables of the page by name; every prediction is right for half of four images."""
    return {
        "models": models_table(runs),
        "pareto": pareto_table(runs),
        "targets": targets_table(breakpoints),
        "bootstrap": bootstrap_breakpoints(runs, breakpoints["target"].unique()),
        "neighbours": compare_neighbours(runs, breakpoints, lambda run: np.array([True, False] * 2)),
        "counts": counts_of(runs),
    }
