"""Merge the metrics of a study's runs into runs.csv, layers.csv and history.csv."""

import argparse
import json
from pathlib import Path

from few_weights.analysis import merge
from few_weights.errors import entry_point
from few_weights.files import write_atomically
from few_weights.plan.arguments import read_json
from few_weights.plan.runs import expand_runs


@entry_point
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--study", required=True, help="name of the study")
    parser.add_argument("--folder", required=True, type=Path, help="its folder, which holds runs/")
    parser.add_argument(
        "--planned",
        required=True,
        type=read_json,
        help="file with JSON: architecture -> width -> list of seeds",
    )
    parser.add_argument(
        "--expected",
        required=True,
        type=read_json,
        help="file with JSON: architecture -> what its metrics must say",
    )
    parser.add_argument(
        "--baselines",
        required=True,
        type=read_json,
        help="file with JSON: architecture -> its full-size model",
    )
    parser.add_argument(
        "--baseline-models",
        required=True,
        type=Path,
        help="file with JSON: the baselines, as describe_models.py writes them",
    )
    parser.add_argument("--runs", required=True, type=Path, help="CSV to write: one row per run")
    parser.add_argument(
        "--layers", required=True, type=Path, help="CSV to write: one row for each layer of each model"
    )
    parser.add_argument(
        "--history", required=True, type=Path, help="CSV to write: one row for each epoch of each run"
    )
    arguments = parser.parse_args()

    runs = expand_runs(
        {
            architecture: {int(width): seeds for width, seeds in widths.items()}
            for architecture, widths in arguments.planned.items()
        }
    )
    records = merge.read_metrics(arguments.folder, arguments.study, runs, arguments.expected, arrays=True)
    models = json.loads(arguments.baseline_models.read_text())
    for path, table in (
        (
            arguments.runs,
            merge.with_baselines(merge.runs_table(records), arguments.baselines, models),
        ),
        (arguments.layers, merge.layers_table(records)),
        (arguments.history, merge.history_table(records)),
    ):
        write_atomically(path, table.to_csv(index=False, lineterminator="\n"))
    print(f"merged {len(records)} runs")


if __name__ == "__main__":
    main()
