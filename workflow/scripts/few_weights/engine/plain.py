"""Whether a fast way knows all about a layer, and is worth compiling."""

import keras

#: What a setting must be for a layer to be as if it did not exist. All that is not named here must be None.
IDLE = {"trainable": True, "data_format": "channels_last", "dilation_rate": (1, 1), "groups": 1}


def is_plain(
    layer: keras.Layer, kind: type, settings: tuple[str, ...], weights: tuple[str, ...] | None = ()
) -> bool:
    """Whether a fast way that knows `settings` and `weights` of layers of this kind knows the layer.

    A layer has many more settings: regularizers, constraints, groups, LoRA, a dtype, and whatever a later
    Keras brings. Each must be at its idle value, so that what nobody has thought of goes by Keras.

    Args:
        kind: the very class. One that is derived from it may compute something else.
        settings: names in the layer's configuration. Its activation is to be one of them, and checked by the
            caller: the name in the configuration may be that of any function.
        weights: attributes that hold all its variables, in the order of `layer.weights`; None for a layer
            whose variables are another's.
    """
    if type(layer) is not kind or "call" in vars(layer) or layer.activity_regularizer is not None:
        return False
    if layer.dtype_policy.name != "float32" or layer.quantization_mode is not None:
        return False
    try:
        config = layer.get_config()
    except Exception:  # a user's own regularizer or activation raises what it likes, and is not plain
        return False
    idle = all(
        (tuple(value) if isinstance(value, list) else value) == IDLE.get(key)
        for key, value in config.items()
        if key not in ("name", "dtype", *settings) and not key.endswith("_initializer")
    )
    if weights is None:
        return idle
    # Variables can be changed after the layer was made: tied, frozen, bounded, or made of two by LoRA.
    known = [getattr(layer, name) for name in weights]
    return idle and _are_same(layer.weights, known) and all(_is_plain_variable(each) for each in known)


def trains_only(model: keras.Model, weights: list[keras.Variable]) -> bool:
    """Whether these are all the variables of a model, each once, and it is given float32 as it is."""
    return (
        _are_same(model.variables, weights)
        and "call" not in vars(model)
        and model.dtype_policy.name == "float32"
        and [each.dtype for each in model.inputs] == ["float32"]
    )


def seconds_by_keras(steps: int) -> float:
    """The least that a training by Keras takes: to trace a network of some layers, and so many steps.

    What compiles for longer goes by Keras, in one thread of 2.6 GHz as measured.
    """
    return 3 + 0.004 * steps


def _are_same(variables, others):
    return [id(variable) for variable in variables] == [id(other) for other in others]


def _is_plain_variable(variable):
    return (
        variable.dtype == "float32"
        and variable.trainable
        and variable.regularizer is None
        and variable.constraint is None
        and not variable.overwrite_with_gradient
    )
