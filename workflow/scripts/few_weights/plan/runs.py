"""What a run is, and where its results are stored."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: The files that a training writes, in this order: once metrics.json exists, the run is finished.
RUN_FILES = ("predictions.npz", "weights.npz", "metrics.json")

#: The largest seed that Keras takes.
LARGEST_SEED = 2**32 - 1


@dataclass(frozen=True)
class Run:
    """One training job: an architecture at a width, with a seed."""

    architecture: str
    width: int
    seed: int

    def metrics_path(self, folder: Path | str) -> Path:
        """The path of this run's metrics.json in the results folder of its study."""
        return Path(
            folder, "runs", self.architecture, f"width-{self.width}", f"seed-{self.seed}", "metrics.json"
        )

    def predictions_path(self, folder: Path | str) -> Path:
        """The path of this run's predictions.npz, next to its metrics.json."""
        return self.metrics_path(folder).with_name("predictions.npz")

    def weights_path(self, folder: Path | str) -> Path:
        """The path of this run's weights.npz, next to its metrics.json."""
        return self.metrics_path(folder).with_name("weights.npz")

    def __str__(self) -> str:
        return f"{self.architecture} width {self.width} seed {self.seed}"


def expand_runs(seeds: Mapping[str, Mapping[int, Iterable[int]]]) -> list[Run]:
    """All runs of a study, from architecture -> width -> the seeds it is trained with."""
    return [
        Run(architecture, width, seed)
        for architecture, of_architecture in seeds.items()
        for width, of_width in of_architecture.items()
        for seed in of_width
    ]


def first_seeds(seeds: Sequence[int], number: int) -> list[int]:
    """So many seeds: those of the study, then the next whole numbers after its largest."""
    further = number - len(seeds)
    return [*seeds, *range(max(seeds) + 1, max(seeds) + 1 + further)]


def seeds_after(judged: Mapping[str, Any], seeds: Sequence[int]) -> dict[int, list[int]]:
    """Width -> the seeds it has been trained with when a round of a search and what it asks for are done.

    Args:
        judged: the round, as search_widths.py writes it: `plan`, or `visited` and `next`.
        seeds: those that the study gives.
    """
    plan = judged.get("plan") or dict.fromkeys(judged["visited"] + judged["next"], len(seeds))
    # JSON has made the widths texts.
    return {int(width): first_seeds(seeds, number) for width, number in plan.items()}
