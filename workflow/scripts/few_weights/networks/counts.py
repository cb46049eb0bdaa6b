"""How large a network is: its parameters, multiply-adds, layers, and weights by every way of counting.

All numbers come from the Keras model itself.
"""

import math
from collections.abc import Iterable

import keras
import numpy as np
from keras import layers

from few_weights.engine.quantisation import packed_bytes
from few_weights.networks.call_graph import Call, calls, first_output_shapes
from few_weights.networks.count_types import LayerRow, WeightCounts

#: Convolutions whose kernels are applied at every position of their input instead of their output.
TRANSPOSED = (layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose)


def trainable_parameters(layer: keras.Layer) -> int:
    """The number of trainable weights of a layer or model; a weight that is used twice counts once."""
    return _size(layer.trainable_variables)


def multiply_adds(model: keras.Model) -> int:
    """Multiplications (each with its addition) that a network takes for one image.

    Dense layers and convolutions are counted, from their shapes, at each use; activations, pooling and
    additions of a bias are not. A layer of another kind counts as one use of each of its weights at each
    position of its output.
    """
    return sum(call_multiply_adds(call) for call in calls(model))


def call_multiply_adds(call: Call) -> int:
    """The multiply-adds of one use of a layer, for one image; 0 for a layer without weights."""
    layer = call.operation
    variables = getattr(layer, "trainable_variables", [])
    kernels = sum(math.prod(variable.shape) for variable in variables if len(variable.shape) > 1)
    if not kernels:
        return 0
    shape = (call.inputs if isinstance(layer, TRANSPOSED) else call.outputs)[0]
    # A dense layer on a flat input has one position; a convolution one for each row and column of its output.
    channels_first = getattr(layer, "data_format", None) == "channels_first"
    positions = shape[2:] if channels_first else shape[1:-1]
    return kernels * math.prod(positions)  # type: ignore[arg-type]  # only the batch is None


def layer_table(model: keras.Model) -> list[LayerRow]:
    """One row per layer of a network, in order.

    A layer that is used several times has the shape of its first use. Weights that several layers share are
    counted at the first of them.
    """
    shapes = first_output_shapes(model)
    rows: list[LayerRow] = []
    counted: set[int] = set()
    for layer in model.layers:
        if isinstance(layer, layers.InputLayer):
            continue
        new = [variable for variable in layer.trainable_variables if id(variable) not in counted]
        counted.update(id(variable) for variable in new)
        rows.append(
            {
                "layer": layer.name,
                "type": type(layer).__name__,
                "output_shape": " + ".join(
                    "x".join(str(size) for size in shape[1:]) for shape in shapes.get(id(layer), [])
                ),
                "parameters": _size(new),
            }
        )
    return rows


def weight_bytes(model: keras.Model, weight_bits: int | None = None) -> int:
    """Bytes of a network's trainable weights as they are stored, without file format and activations.

    Args:
        weight_bits: of each weight, with a scale per variable, as `pack` stores them; None for their dtypes.
    """
    if weight_bits:
        return packed_bytes(
            [math.prod(variable.shape) for variable in model.trainable_variables], weight_bits
        )
    return _bytes(model.trainable_variables)


def count_weights(model: keras.Model, weight_bits: int | None = None) -> WeightCounts:
    """A trained network's weights by every usual way of counting; `WeightCounts` says what each counts.

    Args:
        weight_bits: of each trainable weight, as `weight_bytes` takes it.
    """
    trainable = model.trainable_variables
    # The state of a random generator is no part of what the network computes once trained.
    trainable_ids = {id(variable) for variable in trainable}
    non_trainable = [variable for variable in model.weights if id(variable) not in trainable_ids]
    return {
        "trainable": _size(trainable),
        "non_zero": sum(int(np.count_nonzero(variable)) for variable in trainable),
        "at_each_use": sum(
            _size(getattr(call.operation, "trainable_variables", [])) for call in calls(model)
        ),
        "non_trainable": _size(non_trainable),
        "non_trainable_names": " ".join(
            "/".join(variable.path.split("/")[-2:]) for variable in non_trainable
        ),
        "bytes": weight_bytes(model, weight_bits) + _bytes(non_trainable),
    }


def _bytes(variables: Iterable[keras.Variable]) -> int:
    return sum(math.prod(variable.shape) * np.dtype(variable.dtype).itemsize for variable in variables)


def _size(variables: Iterable[keras.Variable]) -> int:
    return sum(math.prod(variable.shape) for variable in variables)
