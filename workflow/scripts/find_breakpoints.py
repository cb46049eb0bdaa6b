"""Find the breakpoint of each architecture at each target: runs.csv -> breakpoints.csv."""

import argparse
import json
from pathlib import Path

import pandas as pd

from few_weights.breakpoints import find_breakpoints
from few_weights.errors import entry_point
from few_weights.files import write_atomically


@entry_point
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", required=True, type=Path, help="runs.csv")
    parser.add_argument("--targets", required=True, type=float, nargs="+", help="accuracies such as 0.97")
    parser.add_argument(
        "--baselines", required=True, type=json.loads, help="JSON: architecture -> its full-size model"
    )
    parser.add_argument("--output", required=True, type=Path, help="breakpoints.csv to write")
    arguments = parser.parse_args()

    breakpoints = find_breakpoints(pd.read_csv(arguments.runs), arguments.targets, arguments.baselines)
    write_atomically(arguments.output, breakpoints.to_csv(index=False, lineterminator="\n"))
    columns = [
        "architecture",
        "target",
        "reached",
        "width",
        "parameters",
        "test_accuracy",
        "seeds",
        "compression",
    ]
    print(breakpoints[columns].to_string(index=False))


if __name__ == "__main__":
    main()
