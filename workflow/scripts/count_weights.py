"""Count the trained networks' weights by every usual rule: weights.npz of every run -> counts.csv.

A row a model. Only the weights that are not zero differ from seed to seed: of these the mean over its seeds.
"""

import argparse
import json
import os
from pathlib import Path

from few_weights.datasets import load_dataset
from few_weights.errors import entry_point
from few_weights.files import write_atomically
from few_weights.quiet import quiet


@entry_point
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", required=True, type=Path, help="runs.csv")
    parser.add_argument("--folder", required=True, type=Path, help="the study's folder, where runs/ lies")
    parser.add_argument("--networks", required=True, type=json.loads, help="JSON: architecture -> network")
    parser.add_argument("--dataset", required=True, help="name of the data set")
    parser.add_argument("--data", required=True, type=Path, help="its .npz")
    parser.add_argument("--output", required=True, type=Path, help="CSV to write: a row a model")
    arguments = parser.parse_args()

    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with quiet():
        from few_weights import exporting
        from few_weights.weight_counts import count_weights

    dataset = load_dataset(arguments.data, arguments.dataset)
    runs = exporting.read_rows(arguments.runs)
    models = {}
    for run, model in exporting.trained_networks(runs, arguments.networks, dataset, arguments.folder):
        models.setdefault((run.architecture, run.width), []).append(count_weights(model))
    rows = [
        {"architecture": architecture, "width": width}
        | counts[0]
        | {"non_zero": sum(count["non_zero"] for count in counts) / len(counts)}
        for (architecture, width), counts in models.items()
    ]
    content = exporting.csv_text(list(rows[0]), rows)
    write_atomically(arguments.output, content)
    print(content)


if __name__ == "__main__":
    main()
