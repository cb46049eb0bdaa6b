"""Copy the small outputs of a finished study to where they are tracked: tables, figures, report."""

import argparse
import shutil
from pathlib import Path

from few_weights.errors import StudyError, entry_point

OUTPUTS = ("runs.csv", "layers.csv", "history.csv", "models.csv", "shares.csv", "pareto.csv")
OUTPUTS += ("breakpoints.csv", "targets.csv", "bootstrap.csv", "neighbours.csv", "counts.csv")
OUTPUTS += ("report.html",)


@entry_point
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--study", required=True, type=Path, help="folder of the finished study")
    parser.add_argument("--reference", required=True, type=Path, help="folder to copy it to")
    arguments = parser.parse_args()

    outputs = [arguments.study / name for name in OUTPUTS]
    outputs += sorted(arguments.study.glob("search.csv"))  # of a study that was refined
    outputs += sorted((arguments.study / "figures").glob("*.svg"))
    outputs += sorted((arguments.study / "figures").glob("*.png"))
    if missing := [str(path) for path in outputs if not path.exists()]:
        raise StudyError(f"the study is not finished: {', '.join(missing)} missing; run it to the end first")

    # What an earlier reference had and this study has not must not stay behind.
    shutil.rmtree(arguments.reference, ignore_errors=True)
    for path in outputs:
        copy = arguments.reference / path.relative_to(arguments.study)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    print(f"copied {len(outputs)} files to {arguments.reference}/")


if __name__ == "__main__":
    main()
