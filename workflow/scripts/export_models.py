"""Export one architecture's trained networks: each as .keras, those at the breakpoints also as TFLite.

All go into one .zip, with exports.json, which has one record per network: a network that cannot be exported
is a sentence there, and leaves the others as they are. Of a breakpoint's seeds, the one that is right most
often on the selection images becomes TFLite.
"""

import argparse
import io
import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from few_weights.data.datasets import load_dataset
from few_weights.errors import StudyError, entry_point
from few_weights.files import read_rows, write_atomically
from few_weights.plan.runs import Run
from few_weights.training.quiet import quiet


@entry_point
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--architecture", required=True, help="whose networks to export")
    parser.add_argument("--network", required=True, type=json.loads, help="JSON: what it is")
    parser.add_argument("--breakpoints", required=True, type=Path, help="breakpoints.csv")
    parser.add_argument("--runs", required=True, type=Path, help="runs.csv, with runs/ next to it")
    parser.add_argument("--dataset", required=True, help="name of the data set")
    parser.add_argument("--data", required=True, type=Path, help="its .npz")
    parser.add_argument("--archive", required=True, type=Path, help="the .zip to write")
    arguments = parser.parse_args()

    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with quiet():
        from few_weights.networks import saved_models
        from few_weights.training.export import require_same, trained_network

    dataset = load_dataset(arguments.data, arguments.dataset)
    rows = [row for row in read_rows(arguments.runs) if row["architecture"] == arguments.architecture]
    buffer = io.BytesIO()
    records = []
    with zipfile.ZipFile(buffer, "w") as archive:

        def export(row: dict, target: str, file: str, convert: Callable, predict: Callable) -> None:
            """Add one network's file and record; `convert` makes the file, and `predict` asks it."""
            run = Run(row["architecture"], int(row["width"]), int(row["seed"]))
            record = {"architecture": run.architecture, "target": target, "width": run.width}
            record |= {"seed": run.seed, "parameters": row["parameters"], "file": file}
            try:
                model, original = trained_network(row, arguments.network, dataset, arguments.runs.parent)
                content = convert(model)
                answers = predict(content, dataset.x_test)
                record["changed_predictions"] = require_same(str(run), answers, original)
            except StudyError as error:
                record["problem"] = str(error)
                print(f"{file} is missing: {error}", flush=True)
            else:
                archive.writestr(file, content)
                record |= {"bytes": len(content), "test_accuracy": row["test_accuracy"]}
                record["exported_test_accuracy"] = float(np.mean(answers == dataset.y_test))
                print(f"{file}: {len(content):,} bytes", flush=True)
            records.append(record)

        for row in rows:
            name = f"{row['architecture']}-width-{row['width']}-seed-{row['seed']}"
            export(row, "", f"{name}.keras", saved_models.keras_bytes, saved_models.predict_keras)
        for answer in read_rows(arguments.breakpoints):
            if answer["reached"] == "True" and answer["architecture"] == arguments.architecture:
                best = _best_run(rows, answer)
                file = f"{arguments.architecture}-{answer['target']}.tflite"
                export(
                    best, answer["target"], file, saved_models.convert_to_tflite, saved_models.predict_tflite
                )
        archive.writestr("exports.json", json.dumps(records, indent=1))
    write_atomically(arguments.archive, buffer.getvalue())


def _best_run(rows: list[dict[str, str]], answer: dict[str, str]) -> dict[str, str]:
    """The best seed of a breakpoint on the images that chose it; of equals, the first."""
    seeds = [row for row in rows if row["width"] == answer["width"]]
    return max(seeds, key=lambda row: float(row[f"{answer['selection']}_accuracy"]))


if __name__ == "__main__":
    main()
