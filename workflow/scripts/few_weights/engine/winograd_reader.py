"""Reads networks of 3 x 3 convolutions, 2 x 2 max pooling and dense layers for the Winograd program."""

import math
from collections.abc import Sequence

import keras
from keras import layers

from few_weights.engine.machine_code import LANES
from few_weights.engine.plain import is_plain, seconds_by_keras, trains_only
from few_weights.engine.winograd_program import Plan

#: Seconds to compile a convolution with fewer filters than a vector has lanes, and with more. Keras takes 0.2
#: seconds to trace one. Dense layers of any size compile faster than Keras traces them: 0.1 seconds.
CONVOLUTION_SECONDS = (0.3, 0.6)

#: The loss is unrolled over the classes: 1.4 seconds to compile for so many, 11 for 1,000.
MOST_CLASSES = 256

_LINEAR = keras.activations.linear

#: Settings that are supported for layers with weights.
_COMMON = ("activation", "use_bias")

_WEIGHTS = ("kernel", "bias")


def plan_network(model: keras.Model, body: Sequence[keras.Layer], steps: int) -> Plan | str:
    """The plan for layers that follow each other; or why there is none, such as "for conv2d".

    Args:
        model: the model.
        body: its layers, without leading ones that have no weights.
        steps: how many the training takes.
    """
    convolutions: list[tuple[layers.Conv2D, bool]] = []
    dense: list[layers.Dense] = []
    flat = False
    for layer in body:
        if _is_convolution(layer) and not dense and not flat:
            convolutions.append((layer, False))
        elif halves(layer, layers.MaxPooling2D) and convolutions and not flat:
            convolution, pooled = convolutions.pop()
            if pooled:
                return f"for {layer.name}, which pools once more"
            convolutions.append((convolution, True))
        elif is_plain(layer, layers.Flatten, ()) and convolutions and not flat:
            flat = True
        elif is_plain(layer, layers.Dense, ("units", *_COMMON), _WEIGHTS) and len(layer.input.shape) == 2:
            dense.append(layer)
        else:
            return f"for {layer.name}"
    hidden = [*(layer for layer, _ in convolutions), *dense[:-1]]
    unknown = [layer for layer in hidden if layer.activation not in (keras.activations.relu, _LINEAR)]
    if unknown:
        return f"for {unknown[0].name}'s activation"
    if not dense or dense[-1].activation is not keras.activations.softmax:
        return "for a last layer without softmax"
    if math.prod(body[0].input.shape[1:][-2:]) < LANES:
        return f"for rows of fewer than {LANES} numbers"
    plan = Plan(convolutions, dense)
    if not trains_only(model, plan.variables):
        return "for variables or a dtype outside its layers"
    if dense[-1].units > MOST_CLASSES:
        return f"for {dense[-1].units} classes"
    seconds = sum(CONVOLUTION_SECONDS[layer.filters >= LANES] for layer, _ in convolutions)
    if seconds > seconds_by_keras(steps):
        return f"for {len(convolutions)} convolutions, which take too long to compile for {steps:,} steps"
    return plan


def _is_convolution(layer: keras.Layer) -> bool:
    settings = ("filters", "kernel_size", "padding", "strides", *_COMMON)
    return (
        is_plain(layer, layers.Conv2D, settings, _WEIGHTS)
        and layer.kernel_size == (3, 3)
        and layer.strides == (1, 1)
        and layer.padding in ("valid", "same")
    )


def halves(layer: keras.Layer, kind: type[keras.Layer]) -> bool:
    """Whether a layer is pooling of a kind, over 2 x 2 pixels that do not overlap."""
    plain = is_plain(layer, kind, ("pool_size", "strides", "padding"))
    return plain and layer.padding == "valid" and layer.pool_size == layer.strides == (2, 2)
