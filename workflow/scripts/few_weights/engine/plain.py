"""Whether a layer has only settings that a fast path supports, and whether compiling it pays off."""

from collections.abc import Iterable

import keras

#: The values of settings that have no effect. Settings that are not listed have no effect if they are None.
NO_EFFECT = {"trainable": True, "data_format": "channels_last", "dilation_rate": (1, 1), "groups": 1}


def is_plain(
    layer: keras.Layer,
    kind: type[keras.Layer],
    settings: tuple[str, ...],
    weights: tuple[str, ...] | None = (),
    states: Iterable[keras.Variable] = (),
    penalties: bool = False,
) -> bool:
    """Whether a fast path that supports some settings and weights of a class of layers supports a layer.

    A layer has many more settings: regularizers, constraints, groups, LoRA, a dtype, and those of later
    versions of Keras. Each must be at a value without effect; so anything unforeseen is computed by Keras.

    Args:
        layer: the layer.
        kind: its exact class; a derived class may compute something else.
        settings: names in the layer's configuration that the fast path supports. The caller checks the
            activation: its name in the configuration may be that of any function.
        weights: the attributes of all its variables, in the order of `layer.weights`; None for a layer
            whose variables belong to another one.
        states: its variables that are not trained.
        penalties: whether the fast path supports L2 penalties on the weights.
    """
    if type(layer) is not kind or "call" in vars(layer) or layer.activity_regularizer is not None:
        return False
    if layer.dtype_policy.name != "float32" or layer.quantization_mode is not None:
        return False
    try:
        config = layer.get_config()
    except Exception:  # a user's regularizer or activation may raise anything
        return False
    without_effect = all(
        (tuple(value) if isinstance(value, list) else value) == NO_EFFECT.get(key)
        for key, value in config.items()
        if key not in ("name", "dtype", *settings) and not key.endswith("_initializer")
    )
    if weights is None:
        return without_effect
    # Variables can be changed after the layer was created: tied, frozen, constrained, or split by LoRA.
    known = [getattr(layer, name) for name in weights]
    return (
        without_effect
        and {id(variable) for variable in layer.variables} == {id(variable) for variable in (*known, *states)}
        and all(_is_plain_variable(each, penalties) for each in known)
    )


def has_only(model: keras.Model, variables: Iterable[keras.Variable]) -> bool:
    """Whether a model has exactly these variables, in any order, and takes float32 as it is."""
    return (
        {id(variable) for variable in model.variables} == {id(variable) for variable in variables}
        and _is_graph(model)
        and model.dtype_policy.name == "float32"
        and [each.dtype for each in model.inputs] == ["float32"]
    )


def trains_only(model: keras.Model, weights: list[keras.Variable]) -> bool:
    """Whether a model has exactly these variables, each once, and its input is float32 without conversion."""
    return (
        _are_same(model.variables, weights)
        and _is_graph(model)
        and model.dtype_policy.name == "float32"
        and [each.dtype for each in model.inputs] == ["float32"]
    )


def seconds_by_keras(steps: int) -> float:
    """The least seconds that a training by Keras takes: tracing a small network, and so many steps.

    A network that takes longer to compile is trained by Keras. Measured with one thread of 2.6 GHz.
    """
    return 3 + 0.004 * steps


def _is_graph(model: keras.Model) -> bool:
    """Whether a model computes its graph of layers and nothing else, as a user's class may."""
    return (
        "call" not in vars(model)
        and type(model).call.__module__.startswith("keras.")
        and getattr(model, "activity_regularizer", None) is None
    )


def _are_same(variables: Iterable[keras.Variable], expected: Iterable[keras.Variable]) -> bool:
    return [id(variable) for variable in variables] == [id(variable) for variable in expected]


def _is_plain_variable(variable: keras.Variable, penalties: bool) -> bool:
    return bool(
        variable.dtype == "float32"
        and variable.trainable
        and (
            variable.regularizer is None
            or (penalties and type(variable.regularizer) is keras.regularizers.L2)
        )
        and variable.constraint is None
        and not variable.overwrite_with_gradient
    )
