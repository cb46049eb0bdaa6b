"""Copy the small outputs of a finished study to where they are tracked: tables, figures, report."""

import argparse
import shutil
from pathlib import Path

import pandas as pd

from few_weights.data.datasets import KNOWN
from few_weights.data.find_facts import facts_of_study
from few_weights.errors import StudyError, entry_point
from few_weights.plan.checksums import changed_files
from few_weights.plan.finished_runs import planned_runs, runs_in_table
from few_weights.plan.outputs import outputs_of_study
from few_weights.plan.study_file.resolve import resolve_study
from few_weights.plan.study_file.yaml_reader import read_study


@entry_point
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--configfile", required=True, type=Path, help="the finished study's YAML")
    arguments = parser.parse_args()
    study = resolve_study(read_study([arguments.configfile]), facts_of_study)
    results = Path("results", study.name)
    reference = results.with_name("reference") / study.name

    in_table = runs_in_table(results / "runs.csv")
    with_runs = {run.architecture for run in in_table}
    architectures = [name for name in study.architectures if name in with_runs]
    tables, figures = outputs_of_study(study, architectures, study.dataset not in KNOWN)
    if study.export_models:
        tables.append("exports")  # the networks themselves are not copied
    outputs = [results / "report.html", *(results / f"{name}.csv" for name in tables)]
    outputs += [results / "figures" / f"{name}.{kind}" for name in figures for kind in ("svg", "png")]
    if missing := [str(path) for path in outputs if not path.exists()]:
        raise StudyError(f"the study is not finished: {', '.join(missing)} missing; run it to the end first")
    if (
        in_table != set(planned_runs(study, results))
        or set(pd.read_csv(results / "breakpoints.csv")["target"]) != set(study.targets)
        or changed_files(results)
    ):
        raise StudyError(
            f"{results}/ does not hold what {arguments.configfile} asks for now: other runs or targets, or a "
            "table that has changed since it was made; run the study to the end first"
        )

    # What an earlier reference had and this study has not must not stay behind.
    shutil.rmtree(reference, ignore_errors=True)
    for path in outputs:
        copy = reference / path.relative_to(results)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    print(f"copied {len(outputs)} files to {reference}/")


if __name__ == "__main__":
    main()
