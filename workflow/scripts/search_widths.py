"""Judge one round of the search for a breakpoint's exact width: metrics.json of each run -> round-*.json."""

import argparse
import json
from pathlib import Path

from few_weights.analysis import merge
from few_weights.analysis.search import judge_round, require_growth
from few_weights.analysis.seeds import deciding_accuracies
from few_weights.errors import entry_point
from few_weights.files import write_atomically
from few_weights.plan.runs import expand_runs


@entry_point
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--study", required=True, help="name of the study")
    parser.add_argument("--folder", required=True, type=Path, help="its folder, which holds runs/")
    parser.add_argument("--architecture", required=True)
    parser.add_argument("--round", required=True, type=int, help="number of the round, from 0")
    parser.add_argument("--widths", required=True, type=int, nargs="+", help="the widths trained so far")
    parser.add_argument("--seeds", required=True, type=int, nargs="+")
    parser.add_argument("--targets", required=True, type=float, nargs="+")
    parser.add_argument(
        "--expected", required=True, type=json.loads, help="JSON: architecture -> what its metrics must say"
    )
    parser.add_argument("--output", required=True, type=Path, help="JSON to write")
    arguments = parser.parse_args()

    planned = expand_runs({arguments.architecture: arguments.widths}, arguments.seeds)
    # Their arrays are checked where the runs are merged.
    records = merge.read_metrics(arguments.folder, arguments.study, planned, arguments.expected)
    runs = merge.runs_table(records)
    require_growth(arguments.architecture, dict(zip(runs["width"], runs["parameters"], strict=True)))
    means = deciding_accuracies(runs)[arguments.architecture].to_dict()
    judged = judge_round(arguments.architecture, arguments.round, means, arguments.targets)
    write_atomically(arguments.output, json.dumps(judged, indent=1) + "\n")
    for target in judged["targets"]:
        print(target["message"])


if __name__ == "__main__":
    main()
