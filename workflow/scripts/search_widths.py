"""Judge one round of a search for widths, or for certainty: metrics.json of each run -> round-*.json."""

import argparse
import json
from pathlib import Path

from few_weights.analysis import certainty, merge
from few_weights.analysis.search import judge_round, require_growth
from few_weights.analysis.seeds import deciding_accuracies
from few_weights.errors import entry_point
from few_weights.files import write_atomically
from few_weights.plan.arguments import read_json
from few_weights.plan.certainty import Rules
from few_weights.plan.finished_runs import group_seeds, runs_with_files
from few_weights.plan.preparations import Preparation, prepare_runs
from few_weights.plan.runs import expand_runs, seeds_after


@entry_point
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--study", required=True, help="name of the study")
    parser.add_argument("--folder", required=True, type=Path, help="its folder, which holds runs/")
    parser.add_argument("--architecture", required=True)
    parser.add_argument("--round", required=True, type=int, help="number of the round, from 0")
    parser.add_argument(
        "--trained",
        required=True,
        type=read_json,
        help="file with JSON: the widths trained so far -> their seeds",
    )
    parser.add_argument("--given", required=True, type=int, nargs="+", help="the widths that the study gives")
    parser.add_argument("--seeds", required=True, type=int, nargs="+", help="the seeds that the study gives")
    parser.add_argument("--targets", required=True, type=float, nargs="+")
    parser.add_argument("--expected", required=True, type=json.loads, help="JSON: what its metrics must say")
    parser.add_argument(
        "--certainty", type=json.loads, help="JSON: the rules of this architecture, if it adds seeds"
    )
    parser.add_argument(
        "--prepare", type=json.loads, help="JSON: how to prepare the runs that are to be trained"
    )
    parser.add_argument("--prepared", help="the .npz for them")
    parser.add_argument("--output", required=True, type=Path, help="JSON to write")
    arguments = parser.parse_args()

    name, number, targets = arguments.architecture, arguments.round, arguments.targets
    trained = {int(width): seeds for width, seeds in arguments.trained.items()}
    planned = expand_runs({name: trained})
    # Their arrays are checked where the runs are merged.
    records = merge.read_metrics(arguments.folder, arguments.study, planned, {name: arguments.expected})
    runs = merge.runs_table(records)
    parameters = dict(zip(runs["width"], runs["parameters"], strict=True))
    require_growth(name, parameters, "certainty" if arguments.certainty else "refine")
    if arguments.certainty:
        rules = Rules(**arguments.certainty)
        models = certainty.estimates(runs, rules)
        judged = certainty.judge_round(
            name, number, models, targets, arguments.given, len(arguments.seeds), rules
        )
    else:
        judged = judge_round(name, number, deciding_accuracies(runs)[name].to_dict(), targets)
    following = seeds_after(judged, arguments.seeds)
    wanted = expand_runs({name: following})
    finished = set(runs_with_files(arguments.folder, wanted))
    missing = [run for run in wanted if run not in finished]
    if missing and arguments.prepare:
        prepare_runs([Preparation(arguments.prepare, group_seeds(missing)[name], arguments.prepared)])
    write_atomically(arguments.output, json.dumps(judged, indent=1) + "\n")
    for target in judged["targets"]:
        print(target["message"])


if __name__ == "__main__":
    main()
