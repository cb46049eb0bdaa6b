"""Summarise the seeds of each model: runs.csv -> models.csv, shares.csv and the Pareto front, pareto.csv."""

import argparse
from pathlib import Path

from few_weights.analysis import model_tables, read_tables
from few_weights.errors import entry_point
from few_weights.files import write_atomically


@entry_point
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", required=True, type=Path, help="runs.csv")
    parser.add_argument("--targets", required=True, type=float, nargs="+", help="accuracies such as 0.97")
    parser.add_argument("--models", required=True, type=Path, help="CSV to write: one row per model")
    parser.add_argument(
        "--shares", required=True, type=Path, help="CSV to write: one row for each model and target"
    )
    parser.add_argument(
        "--pareto", required=True, type=Path, help="CSV to write: the models that no other beats"
    )
    arguments = parser.parse_args()

    runs = read_tables.read_runs(arguments.runs)
    summary = model_tables.models_table(runs)
    for path, table in (
        (arguments.models, summary),
        (arguments.shares, model_tables.shares_table(runs, arguments.targets)),
        (arguments.pareto, model_tables.pareto_table(runs)),
    ):
        write_atomically(path, table.to_csv(index=False, lineterminator="\n"))
    print(
        f"{len(summary)} models, {summary['collapsed'].sum()} collapsed runs, "
        f"{summary['diverged'].sum()} that diverged"
    )


if __name__ == "__main__":
    main()
