"""Checks the metrics.json of every run and merges them into runs.csv, layers.csv and history.csv."""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from jsonschema import Draft202012Validator

from few_weights.analysis.rows import as_table
from few_weights.analysis.table_columns import HISTORY, LAYERS, WHOLE_OR_EMPTY
from few_weights.errors import StudyError
from few_weights.plan.runs import Run
from few_weights.training.run_files import read_run_arrays

SCHEMA = Path(__file__).parents[3] / "schemas" / "metrics.schema.yaml"

#: A run's metrics.json, checked against SCHEMA; the schema says what each key holds.
Metrics = dict[str, Any]

#: The keys of metrics.json that do not become columns of runs.csv, because they hold tables or mappings.
NESTED = ("layers", "weights", "history", "network", "data_conversions")


def read_metrics(
    folder: Path,
    study: str,
    runs: Iterable[Run],
    expected: Mapping[str, Mapping[str, Any]] | None = None,
    arrays: bool = False,
) -> list[Metrics]:
    """The metrics of the given runs of a study, in the order of the runs.

    Args:
        folder: the study's folder, which holds runs/.
        study: the study's name.
        runs: the runs to read.
        expected: architecture -> what its metrics must say: `dataset`, `data_sha256`, `validation_examples`,
            `network` and the recipe. Snakemake compares that as well, but has no record of runs that were
            copied.
        arrays: whether predictions.npz and weights.npz are read and checked, too.

    Raises:
        StudyError: files are missing, damaged, or hold another run than their path says; all are named.
    """
    validator = Draft202012Validator(yaml.safe_load(SCHEMA.read_text()))
    records: dict[Run, tuple[Path, Metrics]] = {}
    problems: list[str] = []
    for run in runs:
        path = run.metrics_path(folder)
        try:
            metrics = _read_metrics(path, validator)
            held = Run(metrics["architecture"], metrics["width"], metrics["seed"])
            if metrics["study"] != study:
                raise StudyError(f"belongs to the study '{metrics['study']}', not '{study}'")
            if held in records:
                raise StudyError(f"holds {held}, which {records[held][0]} already holds")
            if held != run:
                raise StudyError(f"holds {held}, but its path says {run}")
            if expected and (differences := _differences(metrics, expected[run.architecture])):
                raise StudyError(f"does not match the study: {differences}")
            records[held] = (path, metrics)
        except StudyError as error:
            problems.append(f"{path} {error}")
        else:
            if arrays:
                problems += _unusable_arrays(folder, run, metrics)
    problems += _different_networks(records.values())
    if problems:
        lines = "".join(f"\n  - {problem}" for problem in problems)
        raise StudyError(
            f"{len(problems)} of the runs cannot be merged:{lines}\n"
            "Delete these files and start again: only these runs are trained again."
        )
    return [metrics for _, metrics in records.values()]


def _different_networks(records: Iterable[tuple[Path, Metrics]]) -> Iterator[str]:
    """A sentence for each run of a model whose seeds have different networks, as after a change of code that
    was not noticed. Names of layers may differ."""
    models: dict[tuple[str, int], list[tuple[Path, Metrics]]] = {}
    for path, metrics in records:
        models.setdefault((metrics["architecture"], metrics["width"]), []).append((path, metrics))
    for runs in models.values():
        networks = [
            [(layer["type"], layer["output_shape"], layer["parameters"]) for layer in metrics["layers"]]
            for _, metrics in runs
        ]
        if any(network != networks[0] for network in networks):
            for path, metrics in runs:
                yield (
                    f"{path} has a network of {metrics['parameters']:,} parameters; not all seeds of this "
                    "model have the same layers"
                )


def _differences(metrics: Metrics, expected: Mapping[str, Any]) -> str:
    """How a run's metrics differ from what the study says, as text; empty where they agree."""
    differences = []
    for key, value in expected.items():
        recorded, wanted = _without_file(metrics.get(key)), _without_file(value)
        # Runs from before the data's hash was recorded have none.
        if recorded != wanted and not (key == "data_sha256" and not (recorded and wanted)):
            differences.append(f"{key} {json.dumps(recorded)[:100]}, not {json.dumps(wanted)[:100]}")
    return "; ".join(differences)


def _without_file(value: Any) -> Any:
    """A value of metrics.json without the path of a file, which may have moved with its study."""
    if not isinstance(value, Mapping):
        return value
    return {key: item for key, item in value.items() if key != "file"}


def _unusable_arrays(folder: Path, run: Run, metrics: Metrics) -> Iterator[str]:
    """What is wrong with a run's predictions.npz and weights.npz, one sentence for each that is unusable."""
    for kind in ("predictions", "weights"):
        try:
            read_run_arrays(getattr(run, f"{kind}_path")(folder), run, metrics.get(f"{kind}_sha256"))
        except StudyError as error:
            yield str(error).partition("; delete it")[0]


def _read_metrics(path: Path, validator: Draft202012Validator) -> Metrics:
    """One metrics.json, checked against the schema and for contradictions.

    Raises:
        StudyError: what is wrong with it, to stand after the file's path.
    """
    try:
        metrics: Metrics = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise StudyError("is missing") from error
    except ValueError as error:
        raise StudyError(f"is not a complete JSON file ({error})") from error
    for violation in validator.iter_errors(metrics):
        key = "".join(f"[{step!r}]" for step in violation.absolute_path)
        raise StudyError(f"is not a valid metrics.json ({key} {violation.message[:120]})".replace("( ", "("))
    diverged = metrics.get("diverged_in_epoch")
    if len(metrics["history"]) != (diverged or metrics["epochs"]):
        raise StudyError(f"records {len(metrics['history'])} of {diverged or metrics['epochs']} epochs")
    for record in metrics["history"]:
        if None in (record["train_loss"], record["test_loss"]) and record["epoch"] != diverged:
            raise StudyError(
                f"contradicts itself: epoch {record['epoch']} has no loss, "
                f"and diverged_in_epoch is {json.dumps(diverged)}"
            )
    for part in ("test", "validation"):
        correct, examples = metrics[f"{part}_correct"], metrics[f"{part}_examples"]
        if metrics[f"{part}_accuracy"] != (correct / examples if examples else None):
            raise StudyError(f"contradicts itself: {part}_accuracy is not {part}_correct / {part}_examples")
    return metrics


def runs_table(records: list[Metrics]) -> pd.DataFrame:
    """runs.csv without the baselines: each run's scalars, `optimizer` and `schedule` being names."""
    table = pd.DataFrame([_scalars(metrics) for metrics in records])
    # Int64 keeps whole numbers whole in a column with empty cells, as in a study without validation images.
    # Metrics from before runs could diverge do not say so.
    columns = list(dict.fromkeys([*table.columns, "diverged_in_epoch"]))
    return table.reindex(columns=columns).astype(
        dict.fromkeys(["validation_correct", "diverged_in_epoch"], WHOLE_OR_EMPTY)
    )


def with_baselines(
    runs: pd.DataFrame, baselines: Mapping[str, Mapping[str, Any]], models: Iterable[Mapping[str, Any]]
) -> pd.DataFrame:
    """The runs with each one's full-size model: baseline_architecture, baseline_width, baseline_parameters.

    A baseline need not be among the runs, and breakpoints.csv is made only from runs.csv.

    Args:
        runs: one row per run.
        baselines: architecture -> {"architecture": …, "width": …}.
        models: the baselines as describe_models.py describes them.
    """
    parameters = {(model["architecture"], model["width"]): model["parameters"] for model in models}
    columns = pd.DataFrame(
        [
            {
                "architecture": name,
                "baseline_architecture": baseline["architecture"],
                "baseline_width": baseline["width"],
                "baseline_parameters": parameters[baseline["architecture"], baseline["width"]],
            }
            for name, baseline in baselines.items()
        ]
    )
    return runs.merge(columns, on="architecture", how="left", validate="many_to_one")


def _scalars(metrics: Metrics) -> dict[str, Any]:
    """A run's row of runs.csv, in the order of its columns."""
    row = {key: value for key, value in metrics.items() if key not in (*NESTED, "versions", "execution")}
    optimizer, schedule = row.pop("optimizer"), row.pop("schedule", {"name": None})
    augmentation, quantisation = row.pop("augmentation", {}), row.pop("quantisation", {})
    execution = {key: value for key, value in metrics["execution"].items() if key != "epoch_seconds"}
    return {
        **row,
        "optimizer": optimizer["name"],
        **{key: value for key, value in optimizer.items() if key != "name"},
        "schedule": schedule["name"],
        **{key: value for key, value in schedule.items() if key != "name"},
        **augmentation,
        **quantisation,
        **metrics["versions"],
        **execution,
    }


def layers_table(records: list[Metrics]) -> pd.DataFrame:
    """layers.csv: one row for each layer of each model (architecture and width); seeds share them."""
    models = {(metrics["architecture"], metrics["width"]): metrics["layers"] for metrics in records}
    return as_table(
        [
            {"architecture": architecture, "width": width, "position": position, **layer}
            for (architecture, width), layers in models.items()
            for position, layer in enumerate(layers)
        ],
        LAYERS,
    )


def history_table(records: list[Metrics]) -> pd.DataFrame:
    """history.csv: one row for each epoch of each run."""
    return as_table(
        [
            {**{key: metrics[key] for key in ("architecture", "width", "seed")}, **epoch}
            for metrics in records
            for epoch in metrics["history"]
        ],
        HISTORY,
    )
