"""Rebuilds a run's trained network from its files, and checks it against the run's predictions."""

from collections.abc import Mapping
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

from few_weights.data.datasets import Dataset
from few_weights.errors import StudyError
from few_weights.networks.builder import build_network
from few_weights.networks.saved_models import predict
from few_weights.networks.weights import set_weights
from few_weights.plan.recipe import Network
from few_weights.plan.runs import Run
from few_weights.training.run_files import read_run_arrays

#: The share of predictions on the test images that may change when a network is rebuilt or converted:
#: rounding may change a few that are between two classes, no more.
CHANGED_BY_ROUNDING = 0.001


def trained_network(
    row: Mapping[str, str], network: Network, dataset: Dataset, folder: Path
) -> tuple[keras.Model, NDArray[np.uint8]]:
    """The network that a run trained: built as the run built it, with the weights that it stored.

    Args:
        row: the run's row of runs.csv.
        network: what its architecture is.
        folder: the study's, where runs/ lies.

    Returns:
        The network, and the class that the run predicted for each test image.

    Raises:
        StudyError: a file of the run is damaged, or the network does not predict what the run did.
    """
    run = Run(row["architecture"], int(row["width"]), int(row["seed"]))
    model = build_network(
        run.architecture, network, run.width, dataset.image_shape, dataset.classes, run.seed
    )
    path = run.weights_path(folder)
    weights = read_run_arrays(path, run, row.get("weights_sha256"))
    finite = all(np.all(np.isfinite(array)) for array in weights.values() if array.dtype.kind == "f")
    if row.get("diverged_in_epoch") or not finite:
        raise StudyError(f"{run} diverged in training, so it is not exported")
    try:
        set_weights(model, weights)
    except StudyError as error:
        raise StudyError(f"{path}: {error}; delete it and start again, {run} is trained again") from error
    predictions = read_run_arrays(run.predictions_path(folder), run, row.get("predictions_sha256"))
    original = predictions["test"]
    changed = int(np.count_nonzero(predict(model, dataset.x_test) != original))
    if changed > most_changed(len(original)):
        raise StudyError(
            f"{run}: rebuilt with its weights, the network predicts another class for {changed} of "
            f"{len(original)} test images than the trained one did, so it is not exported; it contains a "
            "random constant that does not depend on the seed: keep it as a weight, "
            "self.add_weight(..., trainable=False)"
        )
    return model, original


def count_changed(
    name: str, converted: NDArray[np.integer], original: NDArray[np.integer], rounds: bool = False
) -> int:
    """How many predictions a conversion changed.

    Args:
        name: the run, for the message.
        converted, original: the class that each network predicts for each image.
        rounds: whether the conversion rounds, and may so change any prediction.

    Raises:
        StudyError: more changed than rounding can explain.
    """
    changed = int(np.count_nonzero(converted != original))
    if changed > most_changed(len(original)) and not rounds:
        raise StudyError(
            f"{name}: the conversion changed {changed} of {len(original)} predictions, so it is not exported"
        )
    return changed


def most_changed(images: int) -> float:
    """How many of the predictions on so many images rounding may change."""
    return max(1, CHANGED_BY_ROUNDING * images)
