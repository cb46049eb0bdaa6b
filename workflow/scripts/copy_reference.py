"""Copy the small outputs of a finished study to where they are tracked: tables, figures, report."""

import argparse
import shutil
from pathlib import Path

from few_weights.errors import StudyError, entry_point
from few_weights.plan.study_file.resolve import results_folder

OUTPUTS = ("runs.csv", "layers.csv", "history.csv", "models.csv", "shares.csv", "pareto.csv")
OUTPUTS += ("breakpoints.csv", "targets.csv", "bootstrap.csv", "neighbours.csv", "counts.csv")
OUTPUTS += ("report.html",)


@entry_point
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--configfile", required=True, type=Path, help="the finished study's YAML")
    arguments = parser.parse_args()
    study = results_folder(arguments.configfile)
    reference = study.with_name("reference") / study.name

    outputs = [study / name for name in OUTPUTS]
    outputs += sorted(study.glob("search.csv"))  # of a study that was refined
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
