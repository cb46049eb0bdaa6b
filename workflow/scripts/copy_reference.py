"""Copy the small outputs of a finished study to where they are tracked: tables, figures, report."""

import argparse
import shutil
from pathlib import Path

from few_weights.errors import StudyError, entry_point
from few_weights.plan.outputs import tables_of_study
from few_weights.plan.study_file.resolve import results_folder


@entry_point
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--configfile", required=True, type=Path, help="the finished study's YAML")
    arguments = parser.parse_args()
    study = results_folder(arguments.configfile)
    reference = study.with_name("reference") / study.name

    optional = ((study / f"{name}.csv").exists() for name in ("search", "certainty", "stages", "bytes"))
    outputs = [study / "report.html", *(study / f"{name}.csv" for name in tables_of_study(*optional))]
    outputs += sorted((study / "figures").glob("*.svg"))
    outputs += sorted((study / "figures").glob("*.png"))
    if missing := [str(path) for path in outputs if not path.exists()]:
        raise StudyError(f"the study is not finished: {', '.join(missing)} missing; run it to the end first")

    # What an earlier reference had and this study has not must not stay behind.
    shutil.rmtree(reference, ignore_errors=True)
    for path in outputs:
        copy = reference / path.relative_to(study)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    print(f"copied {len(outputs)} files to {reference}/")


if __name__ == "__main__":
    main()
