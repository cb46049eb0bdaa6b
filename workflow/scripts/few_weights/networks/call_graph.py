"""The calls of layers that make up a Keras model: which layer is applied, in which order, to what shapes."""

from collections.abc import Callable
from typing import Any, NamedTuple

import keras

#: A tensor's shape, with the batch in front as None.
Shape = tuple[int | None, ...]


class Call(NamedTuple):
    """One use of an operation in a network.

    Args:
        operation: a Keras layer, or a bare operation such as `keras.ops.add`.
        inputs: shapes of the tensors it is given.
        outputs: shapes of the tensors it returns.
    """

    operation: keras.Operation
    inputs: list[Shape]
    outputs: list[Shape]


def graph_of(operation: keras.Operation) -> keras.Function | None:
    """The graph of calls of a functional or Sequential model; None for any other layer or operation."""
    # A Sequential keeps it in an inner model.
    graph = getattr(operation, "_functional", operation)
    return graph if isinstance(graph, keras.Function) else None


def run_graph(graph: keras.Function, inputs: Any, compute: Callable[..., Any]) -> Any:
    """Run a graph with `compute(operation, *arguments, **options)` in place of each operation's call.

    Args:
        inputs: the tensors, or symbolic tensors, that the graph is given, in any nesting that Keras takes.
    """
    return graph._run_through_graph(
        inputs, operation_fn=lambda operation: operation, call_fn=lambda op, *a, **k: compute(op, *a, **k)
    )


def calls(model: keras.Model) -> list[Call]:
    """Every call of a network in the order of computation; inner networks are opened at each use.

    A layer that is used three times gives three calls, each with the shapes of that use.
    """
    recorded: list[Call] = []

    def record(operation: keras.Operation, *arguments: Any, **options: Any) -> Any:
        graph = graph_of(operation)
        if graph is not None:
            return run_graph(graph, arguments[0], record)
        outputs = operation.compute_output_spec(*arguments, **options)
        recorded.append(Call(operation, shapes_of([arguments, options]), shapes_of(outputs)))
        return outputs

    run_graph(graph_of(model), model.inputs, record)
    return recorded


def first_output_shapes(model: keras.Model) -> dict[int, list[Shape]]:
    """The output shapes of each layer of a network at its first use, by the layer's `id`.

    Inner networks count as one layer.
    """
    shapes: dict[int, list[Shape]] = {}

    def record(operation: keras.Operation, *arguments: Any, **options: Any) -> Any:
        outputs = operation.compute_output_spec(*arguments, **options)
        shapes.setdefault(id(operation), shapes_of(outputs))
        return outputs

    run_graph(graph_of(model), model.inputs, record)
    return shapes


def shapes_of(tensors: Any) -> list[Shape]:
    """The shapes of all symbolic tensors in a nested structure, in order."""
    return [tuple(t.shape) for t in keras.tree.flatten(tensors) if isinstance(t, keras.KerasTensor)]
