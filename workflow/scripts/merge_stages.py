"""Merge the stages of successive halving into one table: stage-*.json and runs.csv -> stages.csv."""

import argparse
import json
from pathlib import Path

from few_weights.analysis.halving import Judged, judge_stage, stages_table
from few_weights.analysis.read_tables import read_runs
from few_weights.errors import StudyError, entry_point
from few_weights.files import write_atomically


@entry_point
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--stages",
        required=True,
        type=Path,
        nargs="+",
        help="JSON files that choose_models.py wrote, in order",
    )
    parser.add_argument("--runs", required=True, type=Path, help="runs.csv: the last stage")
    parser.add_argument("--output", required=True, type=Path, help="CSV to write")
    arguments = parser.parse_args()

    stages = [_read(path) for path in arguments.stages]
    runs = read_runs(arguments.runs)
    names = {name: name for name in runs["architecture"].unique()}
    stages.append(judge_stage(runs, names, len(stages) + 1, None))
    table = stages_table(stages)
    write_atomically(arguments.output, table.to_csv(index=False, lineterminator="\n"))
    for stage, models in table.groupby("stage"):
        hours = models["train_seconds"].sum() / 3600
        print(
            f"stage {stage}: {len(models)} models, {models['seeds'].sum()} trainings, {hours:.2f} core hours"
        )


def _read(path: Path) -> Judged:
    try:
        judged: Judged = json.loads(path.read_bytes())
        stages_table([judged])
    except (ValueError, KeyError, TypeError, AttributeError):
        raise StudyError(
            f"{path} is not a complete stage of a search; delete it and start again, and it is made again"
        ) from None
    return judged


if __name__ == "__main__":
    main()
