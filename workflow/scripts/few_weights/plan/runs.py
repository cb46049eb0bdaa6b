"""What a run is, and where its results lie."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

#: The files that a training makes, in the order in which they are written: the metrics say that a run is
#: finished.
RUN_FILES = ("predictions.npz", "weights.npz", "metrics.json")


@dataclass(frozen=True)
class Run:
    """One training job: an architecture at a width, with a seed."""

    architecture: str
    width: int
    seed: int

    def metrics_path(self, folder: Path | str) -> Path:
        """Where this run's metrics.json lies in the folder of its study."""
        return Path(
            folder, "runs", self.architecture, f"width-{self.width}", f"seed-{self.seed}", "metrics.json"
        )

    def predictions_path(self, folder: Path | str) -> Path:
        """Where its predictions.npz lies, beside its metrics."""
        return self.metrics_path(folder).with_name("predictions.npz")

    def weights_path(self, folder: Path | str) -> Path:
        """Where its weights.npz lies, beside its metrics."""
        return self.metrics_path(folder).with_name("weights.npz")

    def __str__(self) -> str:
        return f"{self.architecture} width {self.width} seed {self.seed}"


def expand_runs(widths: Mapping[str, Iterable[int]], seeds: Iterable[int]) -> list[Run]:
    """All runs of architecture -> widths with each of the seeds."""
    return [
        Run(architecture, width, seed)
        for architecture, its_widths in widths.items()
        for width in its_widths
        for seed in seeds
    ]
