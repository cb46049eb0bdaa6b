"""Networks as files for other programs (.keras and TFLite), read back and asked for their answers."""

import contextlib
import io
import os
import re
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from few_weights.errors import StudyError, brief

#: Images that are computed at a time.
PART = 1000


def predict(model: keras.Model, images: np.ndarray) -> np.ndarray:
    """The classes that a network gives to images (uint8), as whole numbers."""
    parts = np.array_split(images, -(-len(images) // PART))
    return np.concatenate(
        [np.asarray(model(part / np.float32(255), training=False)).argmax(1) for part in parts]
    )


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

    It takes any number of images at a time; or one, where TFLite can hold the network in no other way, as
    with the loop of a recurrent layer.

    Raises:
        StudyError: an operation of the network has no counterpart there.
    """
    # Constants, because TFLite's loops cannot read variables.
    weights = [
        [variable.numpy() for variable in variables]
        for variables in (model.trainable_variables, model.non_trainable_variables)
    ]

    @tf.function(input_signature=[tf.TensorSpec((1, *model.input_shape[1:]), tf.float32)])
    def answer_one(images):
        constants = [[tf.constant(array) for array in arrays] for arrays in weights]
        return model.stateless_call(*constants, images, training=False)[0]

    def any_number():
        return tf.lite.TFLiteConverter.from_keras_model(model)

    def one():
        return tf.lite.TFLiteConverter.from_concrete_functions([answer_one.get_concrete_function()], model)

    error = None
    for converter in (any_number, one):
        try:
            # The converter writes about itself to both streams.
            with contextlib.redirect_stdout(io.StringIO()), _quiet():
                content = converter().convert()
            predict_tflite(content, np.zeros((3, *model.input_shape[1:]), np.uint8))
            return content
        except Exception as problem:  # the converter's own errors are of many kinds
            error = problem
    if isinstance(error, StudyError):
        raise error
    operations = sorted(set(re.findall(r"'?tf\.(\w+)'? op ", str(error))))
    why = f"TFLite has no counterpart for {', '.join(operations)}" if operations else brief(error)
    raise StudyError(f"the network cannot be converted to TFLite: {why}") from error


def predict_tflite(content: bytes, images: np.ndarray) -> np.ndarray:
    """The classes that a TFLite network gives to images (uint8), as whole numbers.

    Raises:
        StudyError: TFLite cannot compute it.
    """
    with warnings.catch_warnings():  # it announces its successor, a package of its own
        warnings.simplefilter("ignore")
        interpreter = tf.lite.Interpreter(model_content=content)
    taken, given = interpreter.get_input_details()[0], interpreter.get_output_details()[0]["index"]
    part_size = PART if taken["shape_signature"][0] == -1 else 1
    classes = []
    try:
        for part in np.array_split(images, -(-len(images) // part_size)):
            if part_size > 1:
                interpreter.resize_tensor_input(taken["index"], part.shape)
            interpreter.allocate_tensors()
            interpreter.set_tensor(taken["index"], part / np.float32(255))
            interpreter.invoke()
            classes.append(interpreter.get_tensor(given).argmax(1))
    except (RuntimeError, ValueError) as error:
        raise StudyError(
            f"the network is converted to TFLite but does not run there: {brief(error)}"
        ) from error
    return np.concatenate(classes)


def load_keras(content: bytes) -> keras.Model:
    """The network in a .keras file, as `keras.saving.load_model` reads it.

    Raises:
        StudyError: it cannot be read back.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.keras")
        path.write_bytes(content)
        try:
            return keras.saving.load_model(path, compile=False)
        except Exception as error:  # whatever a layer of the user's does
            raise StudyError(
                f"the network is saved as .keras but cannot be read back ({brief(error)}); register its own "
                "layers with keras.saving.register_keras_serializable, write a layer of its own instead of a "
                "Lambda, or leave export_models out"
            ) from error


def predict_keras(content: bytes, images: np.ndarray) -> np.ndarray:
    """The classes that a .keras file gives to images (uint8), as whole numbers."""
    return predict(load_keras(content), images)


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
