"""Count the trained networks' weights in every usual way: metrics.json of every run -> counts.csv.

One row per model. Only the weights that are not zero differ from seed to seed: their mean over the seeds.
"""

import argparse
import json
from pathlib import Path

from few_weights.analysis.table_columns import COUNTS
from few_weights.errors import entry_point
from few_weights.files import csv_text, read_rows, write_atomically
from few_weights.networks.count_types import WeightCounts
from few_weights.plan.runs import Run
from few_weights.training.metrics import Metrics


@entry_point
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", required=True, type=Path, help="runs.csv, with runs/ next to it")
    parser.add_argument("--output", required=True, type=Path, help="CSV to write: one row per model")
    arguments = parser.parse_args()

    models: dict[tuple[str, int], list[WeightCounts]] = {}
    for row in read_rows(arguments.runs):
        run = Run(row["architecture"], int(row["width"]), int(row["seed"]))
        metrics: Metrics = json.loads(run.metrics_path(arguments.runs.parent).read_text(encoding="utf-8"))
        if "weights" not in metrics:  # of an earlier version, which did not record them
            print(f"{run} does not say how its weights are counted", flush=True)
            continue
        models.setdefault((run.architecture, run.width), []).append(metrics["weights"])
    rows = [
        {"architecture": architecture, "width": width}
        | counts[0]
        | {"non_zero": sum(count["non_zero"] for count in counts) / len(counts)}
        for (architecture, width), counts in models.items()
    ]
    content = csv_text(COUNTS.names, rows)
    write_atomically(arguments.output, content)
    print(content)


if __name__ == "__main__":
    main()
