"""Export the trained networks: each as .keras; those at the breakpoints also as TFLite: -> exports.csv.

Of a breakpoint's seeds, the one that is right most often on the selection images becomes TFLite.
"""

import argparse
import json
import os
from pathlib import Path

import numpy as np

from few_weights.datasets import load_dataset
from few_weights.errors import entry_point
from few_weights.files import write_atomically
from few_weights.run_files import read_run_arrays
from few_weights.runs import Run

COLUMNS = [
    *("architecture", "target", "width", "seed", "parameters"),
    *("file", "bytes", "test_accuracy", "exported_test_accuracy", "changed_predictions"),
]


@entry_point
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--breakpoints", required=True, type=Path, help="breakpoints.csv")
    parser.add_argument("--runs", required=True, type=Path, help="runs.csv")
    parser.add_argument("--folder", required=True, type=Path, help="the study's folder, where runs/ lies")
    parser.add_argument("--networks", required=True, type=json.loads, help="JSON: architecture -> network")
    parser.add_argument("--dataset", required=True, help="name of the data set")
    parser.add_argument("--data", required=True, type=Path, help="its .npz")
    parser.add_argument("--exports", required=True, type=Path, help="folder to write the networks to")
    parser.add_argument("--table", required=True, type=Path, help="CSV to write: a row a network")
    arguments = parser.parse_args()

    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from few_weights import exporting

    dataset = load_dataset(arguments.data, arguments.dataset)
    runs = exporting.read_rows(arguments.runs)
    models = {}
    for run, model in exporting.trained_networks(runs, arguments.networks, dataset, arguments.folder):
        models[run] = model
        file = f"{run.architecture}-width-{run.width}-seed-{run.seed}.keras"
        write_atomically(arguments.exports / file, exporting.keras_bytes(model))

    rows = []
    for answer in exporting.read_rows(arguments.breakpoints):
        if answer["reached"] != "True":
            continue
        best = _best_run(runs, answer)
        run = Run(best["architecture"], int(best["width"]), int(best["seed"]))
        content = exporting.convert_to_tflite(models[run])
        converted = exporting.predict_tflite(content, dataset.x_test)
        path = run.predictions_path(arguments.folder)
        original = read_run_arrays(path, run, best.get("predictions_sha256"))["test"]
        file = arguments.exports / f"{run.architecture}-{answer['target']}.tflite"
        changed = exporting.require_same(str(run), converted, original)
        write_atomically(file, content)
        values = (
            *(run.architecture, answer["target"], run.width, run.seed, best["parameters"]),
            *(file.name, len(content), best["test_accuracy"]),
            *(np.count_nonzero(converted == dataset.y_test) / len(dataset.y_test), changed),
        )
        rows.append(dict(zip(COLUMNS, values, strict=True)))
    content = exporting.csv_text(COLUMNS, rows)
    write_atomically(arguments.table, content)
    print(content)


def _best_run(runs: list[dict[str, str]], answer: dict[str, str]) -> dict[str, str]:
    """The best seed of a breakpoint on the images that chose it; of equals, the first."""
    its_runs = [
        run
        for run in runs
        if (run["architecture"], run["width"]) == (answer["architecture"], answer["width"])
    ]
    return max(its_runs, key=lambda run: float(run[f"{answer['selection']}_accuracy"]))


if __name__ == "__main__":
    main()
