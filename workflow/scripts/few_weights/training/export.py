"""A run's trained network, built again from its files and checked against its predictions."""

from collections.abc import Mapping
from pathlib import Path

import keras
import numpy as np

from few_weights.data.datasets import Dataset
from few_weights.errors import StudyError
from few_weights.networks.builder import build_network
from few_weights.networks.saved_models import predict, set_weights
from few_weights.plan.runs import Run
from few_weights.training.run_files import read_run_arrays

#: How many of the test images a converted network may answer otherwise than the original: rounding may turn a
#: few that stand between two classes, no more.
MOST_CHANGED = 0.001


def trained_network(
    row: Mapping[str, str], network: Mapping, dataset: Dataset, folder: Path
) -> tuple[keras.Model, np.ndarray]:
    """The network that a run trained: built as the run built it, with the weights that it stored.

    Args:
        row: the run's, of runs.csv.
        network: what its architecture is.
        folder: the study's, where runs/ lies.

    Returns:
        The network, and the classes that the trained one gave to the test images.

    Raises:
        StudyError: a file of the run is damaged, or the network does not answer as the run's did.
    """
    run = Run(row["architecture"], int(row["width"]), int(row["seed"]))
    model = build_network(
        run.architecture, network, run.width, dataset.image_shape, dataset.classes, run.seed
    )
    path = run.weights_path(folder)
    weights = read_run_arrays(path, run, row.get("weights_sha256"))
    if not all(np.all(np.isfinite(array)) for array in weights.values() if array.dtype.kind == "f"):
        raise StudyError(f"{run} diverged in training: its weights are not finite, so it is not exported")
    try:
        set_weights(model, weights)
    except StudyError as error:
        raise StudyError(f"{path}: {error}; delete it and start again, {run} is trained anew") from error
    predictions = read_run_arrays(run.predictions_path(folder), run, row.get("predictions_sha256"))
    original = predictions["test"]
    changed = int(np.count_nonzero(predict(model, dataset.x_test) != original))
    if changed > most_changed(len(original)):
        raise StudyError(
            f"{run}: built again with its weights, the network answers {changed} of {len(original)} test "
            "images otherwise than the one that was trained, so it is not exported; it holds a random "
            "constant that follows no seed: keep it as a weight, self.add_weight(..., trainable=False)"
        )
    return model, original


def require_same(name: str, converted: np.ndarray, original: np.ndarray) -> int:
    """How many predictions a conversion changed.

    Raises:
        StudyError: they are too many to be rounding.
    """
    changed = int(np.count_nonzero(converted != original))
    if changed > most_changed(len(original)):
        raise StudyError(
            f"{name}: {changed} of {len(original)} answers changed by the conversion; not exported"
        )
    return changed


def most_changed(images: int) -> float:
    """How many of so many answers rounding may change."""
    return max(1, MOST_CHANGED * images)
