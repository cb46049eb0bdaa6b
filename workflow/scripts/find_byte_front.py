"""Find the models that no other beats in both bytes and accuracy: runs.csv -> bytes.csv."""

import argparse
from pathlib import Path

from few_weights.analysis.model_tables import bytes_table
from few_weights.analysis.read_tables import read_runs
from few_weights.errors import entry_point
from few_weights.files import write_atomically


@entry_point
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", required=True, type=Path, help="runs.csv")
    parser.add_argument("--output", required=True, type=Path, help="CSV to write: one row per model")
    arguments = parser.parse_args()

    table = bytes_table(read_runs(arguments.runs))
    write_atomically(arguments.output, table.to_csv(index=False, lineterminator="\n"))
    print(table.to_string(index=False))


if __name__ == "__main__":
    main()
