"""Test each breakpoint against the next smaller model (McNemar's test): predictions.npz -> neighbours.csv."""

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from few_weights.analysis import read_tables
from few_weights.analysis.mcnemar import compare_neighbours, correct_images
from few_weights.analysis.rows import rows
from few_weights.data.datasets import load_dataset
from few_weights.errors import entry_point
from few_weights.files import write_atomically
from few_weights.plan.runs import Run
from few_weights.training.run_files import read_run_arrays


@entry_point
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", required=True, type=Path, help="runs.csv, with runs/ next to it")
    parser.add_argument("--breakpoints", required=True, type=Path, help="breakpoints.csv")
    parser.add_argument("--dataset", required=True, help="name of the data set")
    parser.add_argument("--data", required=True, type=Path, help="its .npz, for the true classes")
    parser.add_argument("--output", required=True, type=Path, help="CSV to write")
    arguments = parser.parse_args()

    runs = read_tables.read_runs(arguments.runs)
    labels = load_dataset(arguments.data, arguments.dataset).y_test
    row_of = {Run(row.architecture, row.width, row.seed): row for row in rows(runs)}

    def read_correct(run: Run) -> NDArray[np.bool_]:
        row = row_of[run]
        path = run.predictions_path(arguments.runs.parent)
        predictions = read_run_arrays(path, run, getattr(row, "predictions_sha256", None))["test"]
        return correct_images(predictions, labels, row.test_correct, run)

    table = compare_neighbours(runs, read_tables.read_breakpoints(arguments.breakpoints), read_correct)
    write_atomically(arguments.output, table.to_csv(index=False, lineterminator="\n"))
    print(table.to_string(index=False))


if __name__ == "__main__":
    main()
