"""Which of a study's runs and exported networks are there."""

import csv
import json
import zipfile
from collections.abc import Iterable
from pathlib import Path

from few_weights.plan.runs import RUN_FILES, Run, expand_runs
from few_weights.plan.study import Study


def planned_runs(study: Study, folder: Path) -> list[Run]:
    """The runs that a study asks for; with `refine`, also those that its search has asked for so far.

    Args:
        study: the study.
        folder: its results.
    """
    widths = {name: list(section.widths) for name, section in study.architectures.items()}
    for path in sorted(folder.glob("search/*/round-*.json")) if study.refine else []:
        try:
            search_round = json.loads(path.read_bytes())
            widths[path.parent.name] += [*search_round["visited"], *search_round["next"]]
        except (ValueError, KeyError, TypeError):
            continue  # a round that cannot be read is ignored
    return expand_runs({name: dict.fromkeys(planned) for name, planned in widths.items()}, study.seeds)


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
