"""List every round that added seeds, and what was certain then: runs.csv -> certainty.csv."""

import argparse
from pathlib import Path

from few_weights.analysis import read_tables
from few_weights.analysis.certainty import certainty_table
from few_weights.errors import entry_point
from few_weights.files import write_atomically
from few_weights.plan.arguments import read_json
from few_weights.plan.certainty import read_rules


@entry_point
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", required=True, type=Path, help="runs.csv")
    parser.add_argument("--targets", required=True, type=float, nargs="+", help="accuracies such as 0.97")
    parser.add_argument(
        "--given",
        required=True,
        type=read_json,
        help="file with JSON: architecture -> the widths that the study gives",
    )
    parser.add_argument(
        "--seeds",
        required=True,
        type=read_json,
        help="file with JSON: architecture -> the seeds that the study gives",
    )
    parser.add_argument(
        "--certainty", required=True, type=read_rules, help="file with JSON: architecture -> its rules"
    )
    parser.add_argument("--output", required=True, type=Path, help="CSV to write")
    arguments = parser.parse_args()

    table = certainty_table(
        read_tables.read_runs(arguments.runs),
        arguments.targets,
        arguments.given,
        arguments.seeds,
        arguments.certainty,
    )
    write_atomically(arguments.output, table.to_csv(index=False, lineterminator="\n"))
    for architecture, rounds in table.groupby("architecture", sort=False)["round"]:
        print(f"{architecture}: {rounds.nunique()} rounds")


if __name__ == "__main__":
    main()
