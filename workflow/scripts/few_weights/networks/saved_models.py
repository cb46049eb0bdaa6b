"""Networks as files for other programs (.keras, TFLite, packed weights), and what such files predict."""

import contextlib
import io
import os
import re
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from few_weights.engine.quantisation import pack, unpack
from few_weights.errors import StudyError, brief

#: uint8, (examples, rows, columns, channels).
Images = NDArray[np.uint8]

#: (examples,): the class of each.
Classes = NDArray[np.integer]

#: Images that are computed at a time.
BATCH = 1000


def predict(model: keras.Model, images: Images) -> Classes:
    """The class that a network predicts for each image.

    Args:
        images: uint8, (examples, rows, columns, channels). Divided by 255 before the network sees them.

    Returns:
        (examples,), integers.
    """
    parts = np.array_split(images, -(-len(images) // BATCH))
    return np.concatenate(
        [np.asarray(model(part / np.float32(255), training=False)).argmax(1) for part in parts]
    )


def keras_bytes(model: keras.Model) -> bytes:
    """The network as a .keras file, which `keras.saving.load_model` reads.

    Raises:
        StudyError: a layer that the user defined cannot be saved.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.keras")
        try:
            keras.saving.save_model(model, path)
        except Exception as error:  # a user's layer may raise anything
            raise StudyError(
                f"the network cannot be saved as .keras ({brief(error)}); define get_config in its own "
                "layers, or remove export_models from the study"
            ) from error
        return path.read_bytes()


def convert_to_tflite(model: keras.Model, calibration: Images | None = None) -> bytes:
    """The network as a TFLite file, which takes images divided by 255 and returns probabilities, in float32.

    It takes any number of images at a time; or a single one, if TFLite cannot represent the network
    otherwise, as with the loop of a recurrent layer.

    Args:
        model: the network.
        calibration: images, from which the range of each activation is found, for a file that stores weights
            and computes in int8. None for a file that does so in float32.

    Raises:
        StudyError: TFLite has no counterpart for an operation of the network.
    """
    # Constants, because TFLite's loops cannot read variables.
    weights = [
        [variable.numpy() for variable in variables]
        for variables in (model.trainable_variables, model.non_trainable_variables)
    ]

    def compute_one(images: tf.Tensor) -> tf.Tensor:
        constants = [[tf.constant(array) for array in arrays] for arrays in weights]
        return model.stateless_call(*constants, images, training=False)[0]

    def any_number() -> tf.lite.TFLiteConverter:
        return tf.lite.TFLiteConverter.from_keras_model(model)

    def one() -> tf.lite.TFLiteConverter:
        signature = [tf.TensorSpec((1, *model.input_shape[1:]), tf.float32)]
        function = tf.function(compute_one, input_signature=signature).get_concrete_function()
        return tf.lite.TFLiteConverter.from_concrete_functions([function], model)

    errors: list[Exception] = []
    for converter in (any_number, one):
        try:
            # The converter logs to both streams.
            with contextlib.redirect_stdout(io.StringIO()), _quiet(), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                content = _in_int8(converter(), calibration).convert()
            predict_tflite(content, np.zeros((3, *model.input_shape[1:]), np.uint8))
            return content
        except Exception as problem:  # the converter raises many kinds of errors
            errors.append(problem)
    error = errors[-1]
    if isinstance(error, StudyError):
        raise error
    operations = sorted(set(re.findall(r"'?tf\.(\w+)'? op ", str(error))))
    why = f"TFLite has no counterpart for {', '.join(operations)}" if operations else brief(error)
    raise StudyError(f"the network cannot be converted to TFLite: {why}") from error


def _in_int8(converter: tf.lite.TFLiteConverter, calibration: Images | None) -> tf.lite.TFLiteConverter:
    """The converter, set to weights and activations in int8 where it is given images."""
    if calibration is not None:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.representative_dataset = lambda: ([image[None] / np.float32(255)] for image in calibration)
    return converter


def pack_weights(model: keras.Model, weight_bits: int) -> bytes:
    """The trainable weights of a network that was trained with so few bits each, packed."""
    return pack([variable.numpy() for variable in model.trainable_variables], weight_bits)


def predict_packed(content: bytes, images: Images, model: keras.Model, weight_bits: int) -> Classes:
    """The class that a network predicts for each image with packed weights.

    Args:
        content: the packed weights.
        images: uint8, (examples, rows, columns, channels). Divided by 255 before the network sees them.
        model: the network, whose trainable weights are replaced.
        weight_bits: of each weight.

    Returns:
        (examples,), integers.
    """
    variables = model.trainable_variables
    values = unpack(content, [tuple(variable.shape) for variable in variables], weight_bits)
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
    return predict(model, images)


def predict_tflite(content: bytes, images: Images) -> Classes:
    """The class that a TFLite file predicts for each image.

    Args:
        content: the file's content.
        images: uint8, (examples, rows, columns, channels). Divided by 255 before the network sees them.

    Returns:
        (examples,), integers.

    Raises:
        StudyError: TFLite cannot compute the network.
    """
    with warnings.catch_warnings():  # it announces its successor, a separate package
        warnings.simplefilter("ignore")
        interpreter = tf.lite.Interpreter(model_content=content)
    taken, returned = interpreter.get_input_details()[0], interpreter.get_output_details()[0]["index"]
    batch_size = BATCH if taken["shape_signature"][0] == -1 else 1
    classes = []
    try:
        for part in np.array_split(images, -(-len(images) // batch_size)):
            if batch_size > 1:
                interpreter.resize_tensor_input(taken["index"], part.shape)
            interpreter.allocate_tensors()
            interpreter.set_tensor(taken["index"], part / np.float32(255))
            interpreter.invoke()
            classes.append(interpreter.get_tensor(returned).argmax(1))
    except (RuntimeError, ValueError) as error:
        raise StudyError(
            f"the network is converted to TFLite but does not run there: {brief(error)}"
        ) from error
    return np.concatenate(classes)


def load_keras(content: bytes) -> keras.Model:
    """The network in a .keras file.

    Raises:
        StudyError: it cannot be read back.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.keras")
        path.write_bytes(content)
        try:
            return keras.saving.load_model(path, compile=False)
        except Exception as error:  # a user's layer may raise anything
            raise StudyError(
                f"the network is saved as .keras but cannot be read back ({brief(error)}); register its own "
                "layers with keras.saving.register_keras_serializable, write a layer class instead of a "
                "Lambda, or remove export_models from the study"
            ) from error


def predict_keras(content: bytes, images: Images) -> Classes:
    """The class that a .keras file predicts for each image.

    Args:
        content: the file's content.
        images: uint8, (examples, rows, columns, channels). Divided by 255 before the network sees them.

    Returns:
        (examples,), integers.

    Raises:
        StudyError: the file cannot be read back.
    """
    return predict(load_keras(content), images)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Discard what C++ code writes to standard error."""
    standard_error, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(standard_error, 2)
        os.close(standard_error)
        os.close(nowhere)
