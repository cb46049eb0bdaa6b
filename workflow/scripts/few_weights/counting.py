"""What a network holds and what it costs, counted from the Keras model itself."""

import math

import keras
from keras import layers


def layer_table(model: keras.Model) -> list[dict]:
    """One row a layer, in order: its name, class, output shape such as "26x26x2", trainable parameters.

    Weights that several layers share are counted at the first.
    """
    rows, counted = [], set()
    for layer in model.layers:
        if isinstance(layer, layers.InputLayer):
            continue
        own = [variable for variable in layer.trainable_variables if id(variable) not in counted]
        counted.update(id(variable) for variable in own)
        rows.append(
            {
                "layer": layer.name,
                "type": type(layer).__name__,
                "output_shape": "x".join(str(size) for size in layer.output.shape[1:]),
                "parameters": sum(math.prod(variable.shape) for variable in own),
            }
        )
    return rows


def trainable_parameters(layer: keras.Layer) -> int:
    """The number of trainable weights of a layer or model; a weight that is used twice counts once."""
    return sum(math.prod(variable.shape) for variable in layer.trainable_variables)


def multiply_adds(model: keras.Model) -> int:
    """Multiplications (each with its addition) that one image takes on its way through the network.

    Dense layers and convolutions are counted, from their shapes; activations, pooling and additions of a bias
    are not. A layer of another kind counts as one use of each of its weights a position of its output. A
    layer that is used twice counts once.
    """
    return sum(
        # A network inside this one; a subclassed model has no inputs, and counts as one layer.
        multiply_adds(layer)
        if isinstance(layer, keras.Model) and getattr(layer, "inputs", None)
        else _layer_multiply_adds(layer)
        for layer in model.layers
    )


def _layer_multiply_adds(layer: keras.Layer) -> int:
    if not layer.trainable_variables:
        return 0
    kernels = sum(
        math.prod(variable.shape) for variable in layer.trainable_variables if len(variable.shape) > 1
    )
    # A dense layer on a flat input has one position; a convolution one for each row and column of its output.
    positions = math.prod(layer.output.shape[1:-1])
    return kernels * positions
