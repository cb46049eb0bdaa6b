"""From the metrics of the runs to tables: reads every metrics.json, trusts none."""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pandas as pd
import yaml
from jsonschema import Draft202012Validator

from few_weights.errors import StudyError
from few_weights.plan.runs import Run
from few_weights.training.run_files import read_run_arrays

SCHEMA = Path(__file__).parents[3] / "schemas" / "metrics.schema.yaml"


#: What is a table of its own in a metrics.json, not a column of runs.csv.
NESTED = ("layers", "weights", "history", "network", "data_conversions")


def read_metrics(
    folder: Path,
    study: str,
    runs: Iterable[Run],
    expected: Mapping[str, Mapping] | None = None,
    arrays: bool = False,
) -> list[dict]:
    """The metrics of the given runs of a study that lies in `folder`, in their order.

    Args:
        expected: architecture -> what its metrics must say, of `dataset`, `data_sha256`,
        `validation_examples`,
            `network` and the recipe. Snakemake compares that as well, but has no record of runs that were
            copied.
        arrays: whether predictions.npz and weights.npz are read and checked, too.

    Raises:
        StudyError: files are missing, broken, or hold another run than their place says; all are named.
    """
    validator = Draft202012Validator(yaml.safe_load(SCHEMA.read_text()))
    records, problems = {}, []
    for run in runs:
        path = run.metrics_path(folder)
        try:
            metrics = _read_metrics(path, validator)
            found = Run(metrics["architecture"], metrics["width"], metrics["seed"])
            if metrics["study"] != study:
                raise StudyError(f"belongs to the study '{metrics['study']}', not '{study}'")
            if found in records:
                raise StudyError(f"holds {found} again, which {records[found][0]} holds already")
            if found != run:
                raise StudyError(f"holds {found}, not {run} as its place says")
            if expected and (other := _differences(metrics, expected[run.architecture])):
                raise StudyError(f"was made otherwise than the study says: {other}")
            records[found] = (path, metrics)
        except StudyError as error:
            problems.append(f"{path} {error}")
        else:
            if arrays:
                problems += _unusable_arrays(folder, run, metrics)
    if problems:
        lines = "".join(f"\n  - {problem}" for problem in problems)
        raise StudyError(
            f"{len(problems)} of the runs cannot be merged:{lines}\n"
            "Delete the files named and start again: those runs, and no others, are trained again."
        )
    return [metrics for _, metrics in records.values()]


def _differences(metrics: Mapping, expected: Mapping) -> str:
    """What of a run's metrics is not as the study says, in words; empty where all is."""
    different = []
    for key, wanted in expected.items():
        # A file may have moved with its study; runs from before the data's hash was recorded have none.
        found, wanted = _comparable(metrics.get(key)), _comparable(wanted)
        if found != wanted and not (key == "data_sha256" and not (found and wanted)):
            different.append(f"{key} {json.dumps(found)[:100]}, not {json.dumps(wanted)[:100]}")
    return "; ".join(different)


def _comparable(value):
    return (
        {key: item for key, item in value.items() if key != "file"} if isinstance(value, Mapping) else value
    )


def _unusable_arrays(folder: Path, run: Run, metrics: Mapping) -> Iterator[str]:
    for kind in ("predictions", "weights"):
        try:
            read_run_arrays(getattr(run, f"{kind}_path")(folder), run, metrics.get(f"{kind}_sha256"))
        except StudyError as error:
            yield str(error).partition("; delete it")[0]


def _read_metrics(path: Path, validator: Draft202012Validator) -> dict:
    try:
        metrics = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise StudyError("is missing") from error
    except ValueError as error:
        raise StudyError(f"is not a complete JSON file ({error})") from error
    for violation in validator.iter_errors(metrics):
        place = "".join(f"[{step!r}]" for step in violation.absolute_path)
        raise StudyError(
            f"is no metrics.json of this workflow ({place} {violation.message[:120]})".replace("( ", "(")
        )
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


def runs_table(records: list[dict]) -> pd.DataFrame:
    """One row a run: every scalar of its metrics; `optimizer` and `schedule` are their names."""
    table = pd.DataFrame([_scalars(metrics) for metrics in records])
    # Int64 keeps whole numbers whole beside the empty cells of a study without validation images.
    # Metrics from before runs could diverge do not say so.
    return table.reindex(columns=dict.fromkeys([*table.columns, "diverged_in_epoch"])).astype(
        {"validation_correct": "Int64", "diverged_in_epoch": "Int64"}
    )


def with_baselines(
    runs: pd.DataFrame, baselines: Mapping[str, Mapping], models: Iterable[Mapping]
) -> pd.DataFrame:
    """The table with each run's full-size model: baseline_architecture, baseline_width, baseline_parameters.

    A baseline need not be among the runs, and runs.csv shall be all that a breakpoint follows from.

    Args:
        runs: one row a run.
        baselines: architecture -> {"architecture": …, "width": …}.
        models: what describe_models.py says of the baselines.
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


def _scalars(metrics: dict) -> dict:
    row = {key: value for key, value in metrics.items() if key not in (*NESTED, "versions", "execution")}
    optimizer, schedule = row.pop("optimizer"), row.pop("schedule", {"name": None})
    augmentation = row.pop("augmentation", {})
    execution = {key: value for key, value in metrics["execution"].items() if key != "epoch_seconds"}
    return {
        **row,
        "optimizer": optimizer["name"],
        **{key: value for key, value in optimizer.items() if key != "name"},
        "schedule": schedule["name"],
        **{key: value for key, value in schedule.items() if key != "name"},
        **augmentation,
        **metrics["versions"],
        **execution,
    }


def layers_table(records: list[dict]) -> pd.DataFrame:
    """One row for each layer of each model (architecture and width); seeds share them."""
    models = {(metrics["architecture"], metrics["width"]): metrics["layers"] for metrics in records}
    return pd.DataFrame(
        [
            {"architecture": architecture, "width": width, "position": position, **layer}
            for (architecture, width), layers in models.items()
            for position, layer in enumerate(layers)
        ]
    )


def history_table(records: list[dict]) -> pd.DataFrame:
    """One row for each epoch of each run."""
    return pd.DataFrame(
        [
            {**{key: metrics[key] for key in ("architecture", "width", "seed")}, **epoch}
            for metrics in records
            for epoch in metrics["history"]
        ]
    )
