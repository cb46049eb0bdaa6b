"""Which of a study's runs and exported networks are there."""

import contextlib
import csv
import json
import zipfile
from collections.abc import Iterable
from pathlib import Path

from few_weights.plan.runs import RUN_FILES, Run, expand_runs, first_seeds
from few_weights.plan.study import Study


def planned_runs(study: Study, folder: Path) -> list[Run]:
    """The runs that a study asks for, with those that its search has asked for so far; with `halving`, of the
    last stage.

    Args:
        study: the study.
        folder: its results.
    """
    planned = {
        name: dict.fromkeys(section.widths, len(study.seeds)) for name, section in study.architectures.items()
    }
    if study.halving:
        last = folder / "stages" / f"stage-{len(study.halving.epochs)}.json"
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):  # nothing has gone on so far
            following = json.loads(last.read_bytes())["next"]
            planned = {name: dict.fromkeys(following.get(name, ()), len(study.seeds)) for name in planned}
    rounds = folder.glob("search/*/round-*.json") if study.refine or study.certainty else []
    for path in sorted(rounds):
        try:
            search_round, of_widths = json.loads(path.read_bytes()), planned[path.parent.name]
            further = dict.fromkeys([*search_round["visited"], *search_round["next"]], len(study.seeds))
            if study.certainty:
                further |= {int(width): number for width, number in search_round["plan"].items()}
        except (ValueError, KeyError, TypeError, AttributeError):
            continue  # a round that cannot be read is ignored
        for width, number in further.items():
            of_widths[width] = max(number, of_widths.get(width, 0))
    return expand_runs(
        {
            name: {width: first_seeds(study.seeds, number) for width, number in of_widths.items()}
            for name, of_widths in planned.items()
        }
    )


def runs_with_files(folder: Path, runs: Iterable[Run]) -> list[Run]:
    """The finished runs among `runs`: those of which all files exist."""
    return [
        run for run in runs if all(run.metrics_path(folder).with_name(name).is_file() for name in RUN_FILES)
    ]


def runs_in_table(path: Path) -> set[Run]:
    """The runs in a runs.csv; none if it cannot be read, which the rules that need the table report."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return {
                Run(row["architecture"], int(row["width"]), int(row["seed"])) for row in csv.DictReader(file)
            }
    except (OSError, KeyError, ValueError, TypeError):
        return set()


def group_seeds(runs: Iterable[Run]) -> dict[str, dict[int, list[int]]]:
    """The seeds of the runs, as architecture -> width -> seeds."""
    grouped: dict[str, dict[int, list[int]]] = {}
    for run in runs:
        grouped.setdefault(run.architecture, {}).setdefault(run.width, []).append(run.seed)
    return grouped


def name_runs(runs: Iterable[Run]) -> str:
    """A list of runs for messages, such as "vgg width 2 seeds 0, 1, 2; cnn width 1 seed 0"."""
    return "; ".join(
        f"{name} width {width} seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}"
        for name, widths in group_seeds(runs).items()
        for width, seeds in widths.items()
    )


def nothing_to_report(study: Study, folder: Path, runs: Iterable[Run]) -> str:
    """The error message for a study of which no run is finished."""
    reference = f"results/reference/{study.name}"
    copy = (
        f" For a report of its committed results, copy {reference} to {folder}."
        if Path(reference).is_dir()
        else ""
    )
    return (
        f"there is nothing to report in {folder}: none of the study's runs is finished "
        f"({name_runs(runs)}). Run the study first.{copy}"
    )


def exported_names(archive: Path) -> list[str]:
    """The names of the networks in an archive that export_models.py wrote."""
    with zipfile.ZipFile(archive) as file:
        return [name for name in file.namelist() if name != "exports.json"]
