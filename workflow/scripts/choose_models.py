"""Judge one stage of successive halving: metrics.json of each run -> stage-*.json, with what goes on."""

import argparse
import json
from pathlib import Path

from few_weights.analysis import merge
from few_weights.analysis.halving import judge_stage
from few_weights.errors import entry_point
from few_weights.files import write_atomically
from few_weights.plan.arguments import read_json
from few_weights.plan.preparations import Preparation, prepare_runs
from few_weights.plan.runs import expand_runs


@entry_point
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--study", required=True, help="name of the study")
    parser.add_argument("--folder", required=True, type=Path, help="its folder, which holds runs/")
    parser.add_argument("--stage", required=True, type=int, help="number of the stage, from 1")
    parser.add_argument(
        "--sections",
        required=True,
        type=read_json,
        help="file with JSON: section of the stage -> architecture",
    )
    parser.add_argument(
        "--trained",
        required=True,
        type=read_json,
        help="file with JSON: section of the stage -> width -> its seeds",
    )
    parser.add_argument(
        "--expected",
        required=True,
        type=read_json,
        help="file with JSON: section -> what its metrics must say",
    )
    parser.add_argument("--keep", required=True, type=float, help="the share of the models that goes on")
    parser.add_argument(
        "--seeds",
        required=True,
        type=read_json,
        help="file with JSON: architecture -> the seeds that the study gives",
    )
    parser.add_argument(
        "--prepare",
        required=True,
        type=read_json,
        help="file with JSON: architecture -> how to prepare its further runs, and their .npz",
    )
    parser.add_argument("--output", required=True, type=Path, help="JSON to write")
    arguments = parser.parse_args()

    planned = expand_runs(
        {
            section: {int(width): seeds for width, seeds in widths.items()}
            for section, widths in arguments.trained.items()
        }
    )
    # Their arrays are not read: nothing but the metrics counts here.
    records = merge.read_metrics(arguments.folder, arguments.study, planned, arguments.expected)
    judged = judge_stage(merge.runs_table(records), arguments.sections, arguments.stage, arguments.keep)
    wanted = []
    for architecture, widths in judged["next"].items():
        request, prepared = arguments.prepare[architecture]
        runs = dict.fromkeys(widths, arguments.seeds[architecture])
        wanted.append(Preparation(request, runs, prepared))
        print(f"{architecture}: width {', '.join(map(str, widths))}")
    prepare_runs(wanted)
    write_atomically(arguments.output, json.dumps(judged, indent=1) + "\n")


if __name__ == "__main__":
    main()
