"""Find each architecture's breakpoint at each target: runs.csv -> breakpoints, targets and bootstrap .csv."""

import argparse
from pathlib import Path

from few_weights.analysis import bootstrap, breakpoints, read_tables, seeds
from few_weights.errors import entry_point
from few_weights.files import write_atomically


@entry_point
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", required=True, type=Path, help="runs.csv")
    parser.add_argument("--targets", required=True, type=float, nargs="+", help="accuracies such as 0.97")
    parser.add_argument("--breakpoints", required=True, type=Path, help="CSV to write")
    parser.add_argument(
        "--by-target", required=True, type=Path, help="CSV to write: targets by architectures"
    )
    parser.add_argument(
        "--bootstrap", required=True, type=Path, help="CSV to write: had the seeds been others"
    )
    arguments = parser.parse_args()

    runs = read_tables.read_runs(arguments.runs)
    found = breakpoints.find_breakpoints(runs, arguments.targets)
    for path, table in (
        (arguments.bootstrap, bootstrap.bootstrap_breakpoints(runs, arguments.targets)),
        (arguments.by_target, breakpoints.targets_table(found)),
        (arguments.breakpoints, found),
    ):
        write_atomically(path, table.to_csv(index=False, lineterminator="\n"))
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
    # Narrow enough for a terminal of 80 characters; the exact numbers are in breakpoints.csv.
    rounded = found[columns].rename(columns={"parameters": "weights", "test_accuracy": "test"})
    print(rounded.round({"test": 4, "compression": 1}).to_string(index=False))
    if sentence := seeds.diverged_sentence(runs):
        print(sentence)
    if uneven := bootstrap.uneven_seeds(runs):
        print(f"bootstrap.csv leaves out {', '.join(uneven)}: not every width has a run with every seed")


if __name__ == "__main__":
    main()
