"""Compare a fresh study with the committed one, bit for bit.

The last line is one word: equal or different. The exit status is 0 only if it is equal.
"""

import argparse
import sys
from pathlib import Path

from few_weights.analysis.read_tables import read_breakpoints, read_history, read_runs
from few_weights.analysis.reproduction import (
    Results,
    compare_circumstances,
    find_differences,
    moved_breakpoints,
    name_of,
    records_of,
    uncompared_columns,
)
from few_weights.errors import StudyError, entry_point
from few_weights.plan.study_file.resolve import results_folder


@entry_point
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--configfile", required=True, type=Path, help="the study's YAML")
    arguments = parser.parse_args()
    study = results_folder(arguments.configfile)
    reference_folder = study.with_name("reference") / study.name
    if not reference_folder.is_dir():
        raise StudyError(
            f"there is no {reference_folder} to compare with: no results of this study are committed"
        )
    for folder in (study, reference_folder):
        for name in ("runs", "history", "breakpoints"):
            if not (path := folder / f"{name}.csv").exists():
                raise StudyError(f"{path} is missing; run the study to its end first")

    fresh, reference = (
        Results(read_runs(folder / "runs.csv"), read_history(folder / "history.csv"))
        for folder in (study, reference_folder)
    )
    differences = find_differences(fresh, reference)
    moved = moved_breakpoints(
        *(read_breakpoints(folder / "breakpoints.csv") for folder in (study, reference_folder))
    )
    print(f"{study} (fresh) compared with {reference_folder} (reference); values are fresh / reference\n")
    for run, difference in differences.items():
        print(f"{name_of(run)}: {difference.text}")
    shared = records_of(fresh.runs).keys() & records_of(reference.runs).keys()
    print(f"{len(shared - differences.keys())} of {len(shared)} shared runs are equal")
    if skipped := uncompared_columns(fresh, reference):
        print(f"Not compared, because one side does not record it: {', '.join(skipped)}")
    print("\n".join(moved or ["The breakpoints are the same"]), end="\n\n")
    print("What may differ, and does:")
    for line in compare_circumstances(fresh.runs, reference.runs):
        print(f"  {line}")
    if differences or moved:
        print("\ndifferent")
        sys.exit(1)
    print("\nequal")


if __name__ == "__main__":
    main()
