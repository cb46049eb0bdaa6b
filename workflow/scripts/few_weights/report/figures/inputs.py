"""What figures are drawn from: the study's tables and, for some, one run's files and the images."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from few_weights.analysis import read_tables
from few_weights.analysis.rows import rows
from few_weights.data.datasets import Dataset, load_dataset
from few_weights.plan.runs import Run
from few_weights.training.run_files import read_run_arrays


@dataclass(frozen=True)
class FigureInputs:
    """The files that a figure may be drawn from, each read when it is asked for.

    Args:
        tables: the paths of the study's tables by name. The files of its runs lie next to runs.csv.
        architecture: the one that the figure is of, for the figures of one architecture.
        published_for: the data set whose published records are drawn; "" for none.
        data: the path of the data set's .npz.
        dataset: its name.
        data_sha256: of a user's own data, for comparison.
        validation_examples: how many of the last training images are held out.

    Raises:
        StudyError: on reading, for a file that is damaged or another one.
        OSError: on reading, for one that is missing.
    """

    tables: Mapping[str, Path] = field(default_factory=dict)
    architecture: str = ""
    published_for: str = ""
    data: Path = Path()
    dataset: str = ""
    data_sha256: str = ""
    validation_examples: int = 0

    @cached_property
    def runs(self) -> pd.DataFrame:
        """runs.csv."""
        return read_tables.read_runs(self.tables["runs"])

    @cached_property
    def breakpoints(self) -> pd.DataFrame:
        """breakpoints.csv."""
        return read_tables.read_breakpoints(self.tables["breakpoints"])

    @cached_property
    def layers(self) -> pd.DataFrame:
        """layers.csv."""
        return read_tables.read_layers(self.tables["layers"])

    @cached_property
    def history(self) -> pd.DataFrame:
        """history.csv."""
        return read_tables.read_history(self.tables["history"])

    @cached_property
    def certainty(self) -> pd.DataFrame:
        """certainty.csv, of a study with `certainty`."""
        return read_tables.read_certainty(self.tables["certainty"])

    @cached_property
    def images(self) -> Dataset:
        """The data set."""
        return load_dataset(self.data, self.dataset, self.validation_examples, self.data_sha256)

    def predictions(self, run: Run) -> NDArray[np.uint8]:
        """The classes that a run's network gives to the test images, (examples,)."""
        path = run.predictions_path(self.tables["runs"].parent)
        return read_run_arrays(path, run, self._recorded(run, "predictions_sha256"))["test"]

    def weights(self, run: Run) -> dict[str, NDArray[np.floating]]:
        """A run's trained weights, "layer/variable" -> array, in the order of the layers."""
        path = run.weights_path(self.tables["runs"].parent)
        return read_run_arrays(path, run, self._recorded(run, "weights_sha256"))

    def _recorded(self, run: Run, column: str) -> str | None:
        """A cell of a run's row in runs.csv; None where the table has no such column."""
        found = next(row for row in rows(self.runs) if Run(row.architecture, row.width, row.seed) == run)
        return getattr(found, column, None)
