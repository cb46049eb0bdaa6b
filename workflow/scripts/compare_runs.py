"""Compare a fresh study with the committed one: each run, then breakpoints, versions and hardware."""

import argparse
from pathlib import Path

import pandas as pd

from few_weights.analysis import read_tables
from few_weights.analysis.reproduction import compare_breakpoints, compare_circumstances, compare_runs
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

    fresh, reference = (
        {name: _read(folder / f"{name}.csv") for name in ("runs", "breakpoints")}
        for folder in (study, reference_folder)
    )
    print(f"{study} (fresh) compared with {reference_folder} (reference)\n")
    print(compare_runs(fresh["runs"], reference["runs"]), end="\n\n")
    print(compare_breakpoints(fresh["breakpoints"], reference["breakpoints"]), end="\n\n")
    print(compare_circumstances(fresh["runs"], reference["runs"]))


def _read(path: Path) -> pd.DataFrame:
    if not path.exists():
        raise StudyError(f"{path} is missing; run the study to its end first")
    return read_tables.read_runs(path) if path.stem == "runs" else read_tables.read_breakpoints(path)


if __name__ == "__main__":
    main()
