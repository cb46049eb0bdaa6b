"""What a network holds and what it costs, counted from the Keras model itself."""

import math
from collections.abc import Callable
from typing import NamedTuple

import keras
import numpy as np
from keras import layers

#: Convolutions whose kernels meet every position of their input instead of their output.
TRANSPOSED = (layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose)


class Call(NamedTuple):
    """One use of an operation in a network.

    Args:
        operation: a Keras layer, or a bare operation such as `keras.ops.add`.
        inputs: shapes of the tensors it takes, with the batch in front as None.
        outputs: shapes of the tensors it gives.
    """

    operation: keras.Operation
    inputs: list[tuple]
    outputs: list[tuple]


def graph_of(operation: keras.Operation) -> keras.Function | None:
    """The graph of calls of a functional or Sequential model; None for any other layer or operation."""
    # A Sequential keeps it in a model of its own.
    graph = getattr(operation, "_functional", operation)
    return graph if isinstance(graph, keras.Function) else None


def run_graph(graph: keras.Function, inputs, compute: Callable):
    """Compute a graph with `compute(operation, *arguments, **options)` in place of each operation's call."""
    return graph._run_through_graph(
        inputs, operation_fn=lambda operation: operation, call_fn=lambda op, *a, **k: compute(op, *a, **k)
    )


def calls(model: keras.Model) -> list[Call]:
    """Every call of the network's graph in the order of computation; inner networks are opened at each use.

    A layer that is used three times gives three calls, each with the shapes of that use.
    """
    made: list[Call] = []

    def note(operation, *arguments, **options):
        graph = graph_of(operation)
        if graph is not None:
            return run_graph(graph, arguments[0], note)
        outputs = operation.compute_output_spec(*arguments, **options)
        made.append(Call(operation, _shapes([arguments, options]), _shapes(outputs)))
        return outputs

    run_graph(graph_of(model), model.inputs, note)
    return made


def _shapes(tensors) -> list[tuple]:
    return [tuple(t.shape) for t in keras.tree.flatten(tensors) if isinstance(t, keras.KerasTensor)]


def layer_table(model: keras.Model) -> list[dict]:
    """One row per layer, in order: its name, class, output shape such as "26x26x2", trainable parameters.

    The shapes of several outputs are joined by " + "; a layer that is used several times has the shape of its
    first use. Weights that several layers share are counted at the first.
    """
    shapes: dict[int, list[tuple]] = {}

    def note(operation, *arguments, **options):
        outputs = operation.compute_output_spec(*arguments, **options)
        shapes.setdefault(id(operation), _shapes(outputs))
        return outputs

    run_graph(graph_of(model), model.inputs, note)
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
                "output_shape": " + ".join(
                    "x".join(str(size) for size in shape[1:]) for shape in shapes.get(id(layer), [])
                ),
                "parameters": _size(own),
            }
        )
    return rows


def trainable_parameters(layer: keras.Layer) -> int:
    """The number of trainable weights of a layer or model; a weight that is used twice counts once."""
    return _size(layer.trainable_variables)


def multiply_adds(model: keras.Model) -> int:
    """Multiplications (each with its addition) that one image takes on its way through the network.

    Dense layers and convolutions are counted, from their shapes, at each use; activations, pooling and
    additions of a bias are not. A layer of another kind counts as one use of each of its weights at each
    position of its output.
    """
    return sum(_call_multiply_adds(call) for call in calls(model))


def _call_multiply_adds(call: Call) -> int:
    layer = call.operation
    variables = getattr(layer, "trainable_variables", [])
    kernels = sum(math.prod(variable.shape) for variable in variables if len(variable.shape) > 1)
    if not kernels:
        return 0
    shape = (call.inputs if isinstance(layer, TRANSPOSED) else call.outputs)[0]
    # A dense layer on a flat input has one position; a convolution one for each row and column of its output.
    channels_first = getattr(layer, "data_format", None) == "channels_first"
    return kernels * math.prod(shape[2:] if channels_first else shape[1:-1])


def count_weights(model: keras.Model) -> dict[str, int | str]:
    """A network's weights by every usual rule of counting. The network has its trained weights.

    `trainable`: all trainable parameters, one that is used several times counted once; it is `parameters` in
    runs.csv. `non_zero`: those of them that are not exactly 0, as pruned networks are counted. `at_each_use`:
    counted anew at each use of the layer that holds them. `non_trainable`: other variables, such as the
    statistics of a batch normalisation, with their names in `non_trainable_names`. `bytes`: all variables,
    trainable or not, in the types they are kept in; file format and activations come on top.
    """
    trainable = model.trainable_variables
    # The state of a random generator is no part of what the network computes once trained.
    trained = {id(variable) for variable in trainable}
    others = [variable for variable in model.weights if id(variable) not in trained]
    return {
        "trainable": _size(trainable),
        "non_zero": sum(int(np.count_nonzero(variable)) for variable in trainable),
        "at_each_use": sum(_size(getattr(c.operation, "trainable_variables", [])) for c in calls(model)),
        "non_trainable": _size(others),
        "non_trainable_names": " ".join("/".join(variable.path.split("/")[-2:]) for variable in others),
        "bytes": sum(
            math.prod(variable.shape) * np.dtype(variable.dtype).itemsize
            for variable in [*trainable, *others]
        ),
    }


def named_weights(model: keras.Model) -> dict[str, np.ndarray]:
    """Every weight of a network, trainable or not, in Keras' order, by a name that no other has.

    Names are those of layer and variable, such as "conv2d/kernel". Keras gives the same name to two layers in
    different parts of a network, and to two variables of one layer; the second gets "_2" behind it.
    """
    named: dict[str, np.ndarray] = {}
    for variable in model.weights:
        name, number = variable.path, 1
        while name in named:
            number += 1
            name = f"{variable.path}_{number}"
        named[name] = np.asarray(variable)
    return named


def _size(variables) -> int:
    return sum(math.prod(variable.shape) for variable in variables)
