"""Trained networks for other programs: as .keras, and as TFLite for phones and microcontrollers."""

import contextlib
import csv
import io
import os
import tempfile
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from few_weights.datasets import Dataset
from few_weights.errors import StudyError
from few_weights.layer_list import brief
from few_weights.networks import build_network
from few_weights.run_files import read_run_arrays
from few_weights.runs import Run

#: How many of the test images a converted network may answer otherwise than the original: rounding may turn a
#: few that stand between two classes, no more.
MOST_CHANGED = 0.001


def read_rows(path: Path) -> list[dict[str, str]]:
    """A CSV of runs or breakpoints as texts by column, without pandas, which the training environment lacks.

    Raises:
        StudyError: the file is empty, cut short, or another table.
    """
    try:
        text = path.read_bytes().decode()
        rows = list(csv.DictReader(io.StringIO(text, newline="")))
    except (ValueError, csv.Error):
        text, rows = "", []
    lacking = [
        row
        for row in rows
        if None in row or None in row.values() or not {"architecture", "width"} <= row.keys()
    ]
    # Every table of the workflow ends with the end of a line; a last number that is cut may pass for one.
    if lacking or not rows or not text.endswith("\n"):
        raise StudyError(
            f"{path} is empty, cut short or another table; delete it and start again, it is made again"
        )
    return rows


def csv_text(columns: Sequence[str], rows: Iterable[Mapping]) -> str:
    """Rows by column as a CSV with a header."""
    buffer = io.StringIO()
    table = csv.DictWriter(buffer, columns, lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    return buffer.getvalue()


def trained_networks(
    rows: Iterable[Mapping[str, str]], networks: Mapping[str, Mapping], dataset: Dataset, folder: Path
) -> Iterator[tuple[Run, keras.Model]]:
    """Each run of runs.csv with its network, which has its trained weights.

    Args:
        rows: of runs.csv.
        networks: what each architecture is.
        folder: the study's, where runs/ lies.

    Raises:
        StudyError: a file of weights is damaged, or holds those of another network.
    """
    for row in rows:
        run = Run(row["architecture"], int(row["width"]), int(row["seed"]))
        network = networks[run.architecture]
        model = build_network(run.architecture, network, run.width, dataset.image_shape, dataset.classes)
        weights = run.weights_path(folder)
        arrays = read_run_arrays(weights, run, row.get("weights_sha256"))
        try:
            set_weights(model, arrays)
        except StudyError as error:
            raise StudyError(
                f"{weights}: {error}; delete it and start again, {run} is trained anew"
            ) from error
        yield run, model


def set_weights(model: keras.Model, weights: Mapping[str, np.ndarray]) -> None:
    """Give a network its trained weights, in the order of its layers, as training wrote them.

    Raises:
        StudyError: they are those of another network.
    """
    try:
        model.set_weights(list(weights.values()))
    except ValueError as error:
        raise StudyError(f"they are not the weights of this network ({brief(error)})") from error


def keras_bytes(model: keras.Model) -> bytes:
    """The network as a .keras file, which `keras.saving.load_model` reads.

    Raises:
        StudyError: a layer of the user's cannot be saved.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.keras")
        try:
            keras.saving.save_model(model, path)
        except Exception as error:  # whatever a layer of the user's does
            raise StudyError(
                f"the network cannot be saved as .keras ({brief(error)}); give its own layers a get_config, "
                "or leave export_models out"
            ) from error
        return path.read_bytes()


def convert_to_tflite(model: keras.Model) -> bytes:
    """The network as a TFLite file, in float32. It takes images divided by 255, as the network does.

    Raises:
        StudyError: an operation of the network has no counterpart there.
    """
    try:
        # The converter writes about itself to both streams.
        with contextlib.redirect_stdout(io.StringIO()), _quiet():
            return tf.lite.TFLiteConverter.from_keras_model(model).convert()
    except Exception as error:  # the converter's own errors are of many kinds
        raise StudyError(f"the network cannot be converted to TFLite ({brief(error)})") from error


def predict_tflite(content: bytes, images: np.ndarray) -> np.ndarray:
    """The classes that a TFLite network gives to images (uint8), as whole numbers."""
    with warnings.catch_warnings():  # it announces its successor, a package of its own
        warnings.simplefilter("ignore")
        interpreter = tf.lite.Interpreter(model_content=content)
    place, answer = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]
    classes = []
    for part in np.array_split(images, max(1, len(images) // 1000)):
        interpreter.resize_tensor_input(place, part.shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(place, part / np.float32(255))
        interpreter.invoke()
        classes.append(interpreter.get_tensor(answer).argmax(1))
    return np.concatenate(classes)


def require_same(name: str, converted: np.ndarray, original: np.ndarray) -> int:
    """How many predictions a conversion changed.

    Raises:
        StudyError: they are too many to be rounding.
    """
    changed = int(np.count_nonzero(converted != original))
    if changed > max(1, MOST_CHANGED * len(original)):
        raise StudyError(
            f"{name}: {changed} of {len(original)} answers changed by the conversion; not exported"
        )
    return changed


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep what C++ code writes to standard error out of a log."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
