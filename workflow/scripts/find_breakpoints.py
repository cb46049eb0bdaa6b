"""Find each architecture's breakpoint at each target: runs.csv -> breakpoints, targets and bootstrap .csv."""

import argparse
from pathlib import Path

from few_weights.analysis import bootstrap, breakpoints, divergence, read_tables
from few_weights.errors import entry_point
from few_weights.files import write_atomically
from few_weights.plan.certainty import read_rules


@entry_point
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", required=True, type=Path, help="runs.csv")
    parser.add_argument("--targets", required=True, type=float, nargs="+", help="accuracies such as 0.97")
    parser.add_argument(
        "--certainty",
        type=read_rules,
        help="file with JSON: architecture -> its rules, if the study adds seeds",
    )
    parser.add_argument("--breakpoints", required=True, type=Path, help="CSV to write")
    parser.add_argument(
        "--by-target",
        required=True,
        type=Path,
        help="CSV to write: one row per target, one column per architecture",
    )
    parser.add_argument(
        "--bootstrap",
        required=True,
        type=Path,
        help="CSV to write: how often each width is the breakpoint when seeds are resampled",
    )
    arguments = parser.parse_args()

    runs = read_tables.read_runs(arguments.runs)
    table_of_breakpoints = breakpoints.find_breakpoints(runs, arguments.targets, arguments.certainty)
    for path, table in (
        (arguments.bootstrap, bootstrap.bootstrap_breakpoints(runs, arguments.targets)),
        (arguments.by_target, breakpoints.targets_table(table_of_breakpoints)),
        (arguments.breakpoints, table_of_breakpoints),
    ):
        write_atomically(path, table.to_csv(index=False, lineterminator="\n"))
    columns = ["architecture", "target", "reached", "width", "parameters", "test_accuracy", "seeds"]
    columns.append("compression")
    if arguments.certainty:
        columns += ["range_low_width", "range_high_width"]
    # Narrow enough for a terminal of 80 characters; the exact numbers are in breakpoints.csv.
    rounded = table_of_breakpoints[columns].rename(columns={"parameters": "weights", "test_accuracy": "test"})
    rounded = rounded.rename(columns={"range_low_width": "from", "range_high_width": "to"})
    print(rounded.round({"test": 4, "compression": 1}).to_string(index=False))
    if sentence := divergence.diverged_sentence(runs):
        print(sentence)
    if uneven := bootstrap.uneven_seeds(runs):
        print(f"bootstrap.csv leaves out {', '.join(uneven)}: not every width has a run with every seed")


if __name__ == "__main__":
    main()
