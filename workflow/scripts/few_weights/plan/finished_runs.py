"""Which of a study's runs and exported networks are there."""

import contextlib
import csv
import json
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from few_weights.plan.runs import RUN_FILES, Run, expand_runs, seeds_after
from few_weights.plan.study import Study


def planned_runs(study: Study, folder: Path) -> list[Run]:
    """The runs that a study asks for, with those that its search has asked for so far; with `halving`, of the
    last stage.

    Args:
        study: the study.
        folder: its results.
    """
    planned = {
        name: dict.fromkeys(section.widths, section.seeds) for name, section in study.architectures.items()
    }
    if study.halving:
        last = folder / "stages" / f"stage-{len(study.halving.epochs)}.json"
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):  # nothing has gone on so far
            following = json.loads(last.read_bytes())["next"]
            planned = {
                name: dict.fromkeys(following.get(name, ()), section.seeds)
                for name, section in study.architectures.items()
            }
    for name, section in study.architectures.items():
        if rounds := search_rounds(study, folder, name):
            planned[name] = seeds_after(rounds[-1], section.seeds)
    return expand_runs(planned)


def search_rounds(study: Study, folder: Path, architecture: str) -> list[Mapping[str, Any]]:
    """The rounds of an architecture's search that are there, in order, up to the first that is missing.

    Those that a search left which the study no longer asks for, with other widths, targets or seeds, are not
    among them.
    """
    section = study.architectures[architecture]
    rounds: list[Mapping[str, Any]] = []
    trained = dict.fromkeys(section.widths, section.seeds)
    while (study.refine or study.certainty) and not (rounds and rounds[-1]["finished"]):
        path = folder / "search" / architecture / f"round-{len(rounds)}.json"
        try:
            judged = json.loads(path.read_bytes())
            following = seeds_after(judged, section.seeds)
            is_next = (
                set(judged["visited"]) == set(trained)
                and [of_target["target"] for of_target in judged["targets"]] == study.targets
                and ("plan" in judged) == bool(study.certainty)
                and all(len(following[width]) >= len(seeds) for width, seeds in trained.items())
                and judged["finished"] in (False, True)
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            break
        if not is_next or study.certainty and max(map(len, following.values())) > study.certainty.at_most:
            break
        rounds.append(judged)
        trained = following
    return rounds


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
