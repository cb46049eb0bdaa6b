"""Reads Keras' layers as steps of a `GroupPlan`: one function per class of layers.

To add a layer, write its kind in `kinds/`, and a function here that reads it from Keras. A function refuses
every setting that it does not know, so that Keras computes whatever nobody has thought of.
"""

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import layers

from few_weights.engine.group_plan import (
    GroupPlan,
    Planner,
    Tensor,
    UnsupportedLayerError,
    input_shape,
    reads,
)
from few_weights.engine.kinds.batch_normalization import BatchNormalization
from few_weights.engine.kinds.convolution import Convolution
from few_weights.engine.kinds.depthwise import Depthwise
from few_weights.engine.kinds.dropout import Dropout
from few_weights.engine.kinds.kind import Kind
from few_weights.engine.kinds.layer_normalization import LayerNormalization
from few_weights.engine.kinds.merge import Merge
from few_weights.engine.kinds.pooling import Pooling
from few_weights.engine.kinds.prelu import PReLU
from few_weights.engine.kinds.zero_padding import ZeroPadding
from few_weights.engine.layouts import Map
from few_weights.engine.machine_code import LANES
from few_weights.engine.plain import has_only, is_plain, seconds_by_keras

#: The code of a depthwise convolution is written once per weight of a kernel: for more, compiling takes
#: seconds.
MOST_TAPS = 64

#: About how long it takes to compile a layer with its gradient.
SECONDS_PER_KIND = 0.15

#: Settings of convolutions.
SPATIAL = ("kernel_size", "strides", "padding", "dilation_rate", "activation", "use_bias")

#: The operation behind `x + y`.
ADDITION = type((keras.Input((1,)) + keras.Input((1,)))._keras_history.operation)


def plan_groups(model: keras.Model, body: Sequence[keras.Layer], steps: int) -> GroupPlan | str:
    """The plan of a network, or why there is none, such as "for lstm".

    Args:
        model: the network.
        body: its layers without those that are applied beforehand, if they follow each other; else the model
            alone.
        steps: of the whole training.
    """
    try:
        if math.prod(size or 0 for size in input_shape(body[0])[-2:]) < LANES:
            return f"for rows of fewer than {LANES} numbers"
        plan = Planner().read(body)
    except UnsupportedLayerError as error:
        return f"for {error}"
    if not has_only(model, plan.variables):
        return "for variables or a dtype outside its layers"
    kinds = len({step.kind for step in plan.steps})
    if SECONDS_PER_KIND * kinds > seconds_by_keras(steps):
        return f"for {kinds} different layers, which take too long to compile for {steps:,} steps"
    return plan


def _require(layer: Any, settings: Sequence[str], weights: Sequence[str] = ()) -> None:
    """Refuse a layer with a setting, or a variable, that its reader does not know; L2 penalties are known."""
    penalties = [f"{weight}_regularizer" for weight in weights]
    if not is_plain(layer, type(layer), (*settings, *penalties), tuple(weights), penalties=True):
        raise UnsupportedLayerError(layer.name)


def _weights(layer: Any, *names: str) -> tuple[str, ...]:
    return (*names, "bias") if layer.use_bias else names


def _output_shape(layer: Any, tensor: Tensor) -> tuple[int, ...]:
    return tuple(layer.compute_output_shape((None, *tensor.shape))[1:])


def _paddings(
    layer: Any, tensor: Tensor, output: Sequence[int], size: Sequence[int], dilation: Sequence[int] = (1, 1)
) -> list[tuple[int, int]]:
    """How far a layer's windows reach beyond the values: rows above and below, columns left and right."""
    if layer.padding not in ("valid", "same"):
        raise UnsupportedLayerError(layer.name)
    pairs = []
    for axis in (0, 1):
        length = (output[axis] - 1) * layer.strides[axis] + (size[axis] - 1) * dilation[axis] + 1
        missing = max(length - tensor.spatial[axis], 0)
        before = missing // 2 if layer.padding == "same" else 0
        pairs.append((before, missing - before))
    return pairs


@reads(layers.Conv2D)
def _read_convolution(planner: Planner, layer: Any, inputs: Sequence[Tensor]) -> Tensor:
    _require(layer, ("filters", *SPATIAL), _weights(layer, "kernel"))
    output = _add_convolution(planner, layer, Convolution, inputs[0], _output_shape(layer, inputs[0]))
    return planner.activate(layer, layer.activation, output)


@reads(layers.DepthwiseConv2D)
def _read_depthwise(planner: Planner, layer: Any, inputs: Sequence[Tensor]) -> Tensor:
    _require(layer, ("depth_multiplier", *SPATIAL, "depthwise_regularizer"), _weights(layer, "kernel"))
    output = _add_convolution(planner, layer, Depthwise, inputs[0], _output_shape(layer, inputs[0]))
    return planner.activate(layer, layer.activation, output)


@reads(layers.SeparableConv2D)
def _read_separable(planner: Planner, layer: Any, inputs: Sequence[Tensor]) -> Tensor:
    names = _weights(layer, "depthwise_kernel", "pointwise_kernel")
    penalties = ("depthwise_regularizer", "pointwise_regularizer")
    _require(layer, ("filters", "depth_multiplier", *SPATIAL, *penalties), names)
    shape = _output_shape(layer, inputs[0])
    between = (*shape[:2], inputs[0].spatial[2] * layer.depth_multiplier)
    values = _add_convolution(planner, layer, Depthwise, inputs[0], between, layer.depthwise_kernel)
    output = _add_product(planner, values, shape, layer.pointwise_kernel, layer.bias)
    return planner.activate(layer, layer.activation, output)


def _add_convolution(
    planner: Planner,
    layer: Any,
    kind: type[Convolution] | type[Depthwise],
    tensor: Tensor,
    shape: tuple[int, ...],
    kernel: keras.Variable | None = None,
) -> Tensor:
    """Add a convolution with a layer's geometry; with a kernel of its own it has no bias."""
    size, strides, dilation = layer.kernel_size, layer.strides, layer.dilation_rate
    if kind is Depthwise and math.prod(size) > MOST_TAPS:
        raise UnsupportedLayerError(f"{layer.name}'s kernel of {size[0]} x {size[1]}")
    rows, columns = _paddings(layer, tensor, shape, size, dilation)
    planner.pad(tensor, (rows[0], columns[0], rows[1], columns[1]))
    bias = layer.bias if kernel is None else None

    def make(inputs: Sequence[Map], output: Map) -> Kind:
        padding = rows[0], columns[0]
        return kind(inputs[0], output, size, strides, dilation, padding, bias is not None)

    kernel = layer.kernel if kernel is None else kernel
    return planner.add(make, [tensor], planner.tensor(shape), kernel=kernel, bias=bias)


def _add_product(
    planner: Planner,
    tensor: Tensor,
    shape: tuple[int, ...],
    kernel: keras.Variable,
    bias: keras.Variable | None,
) -> Tensor:
    """Add a product of each position's channels with a matrix: a dense layer is a convolution of 1 x 1."""

    def make(inputs: Sequence[Map], output: Map) -> Kind:
        return Convolution(inputs[0], output, (1, 1), (1, 1), (1, 1), (0, 0), bias is not None)

    return planner.add(make, [tensor], planner.tensor(shape), kernel=kernel, bias=bias)


@reads(layers.Dense)
def _read_dense(planner: Planner, layer: Any, inputs: Sequence[Tensor]) -> Tensor:
    _require(layer, ("units", "activation", "use_bias"), _weights(layer, "kernel"))
    shape = (*inputs[0].shape[:-1], layer.units)
    output = _add_product(planner, inputs[0], shape, layer.kernel, layer.bias)
    return planner.activate(layer, layer.activation, output)


@reads(layers.Activation)
def _read_activation(planner: Planner, layer: Any, inputs: Sequence[Tensor]) -> Tensor:
    _require(layer, ("activation",))
    return planner.activate(layer, layer.activation, inputs[0])


@reads(layers.ReLU)
def _read_relu(planner: Planner, layer: Any, inputs: Sequence[Tensor]) -> Tensor:
    _require(layer, ("negative_slope", "threshold"))
    if layer.threshold or layer.negative_slope:
        raise UnsupportedLayerError(layer.name)
    return planner.add_activation("relu", inputs[0])


@reads(layers.LeakyReLU)
def _read_leaky_relu(planner: Planner, layer: Any, inputs: Sequence[Tensor]) -> Tensor:
    _require(layer, ("negative_slope",))
    return planner.add_activation("leaky_relu", inputs[0], float(layer.negative_slope))


@reads(layers.PReLU)
def _read_prelu(planner: Planner, layer: Any, inputs: Sequence[Tensor]) -> Tensor:
    _require(layer, ("shared_axes",), ("alpha",))
    # Keras makes shared axes 1 long, whichever way they are counted; rows and columns may be missing.
    missing = 3 - len(inputs[0].shape)
    rows, columns, channels = (size == 1 for size in (1,) * missing + tuple(layer.alpha.shape))
    return planner.add(
        lambda maps, output: PReLU(maps[0], output, (rows, columns, channels)),
        inputs,
        planner.tensor(inputs[0].shape),
        alpha=layer.alpha,
    )


@reads(layers.ELU)
def _read_elu(planner: Planner, layer: Any, inputs: Sequence[Tensor]) -> Tensor:
    _require(layer, ("alpha",))
    if layer.alpha != 1:
        raise UnsupportedLayerError(layer.name)
    return planner.add_activation("elu", inputs[0])


@reads(layers.Softmax)
def _read_softmax(planner: Planner, layer: Any, inputs: Sequence[Tensor]) -> Tensor:
    _require(layer, ("axis",))
    if layer.axis != -1:
        raise UnsupportedLayerError(layer.name)
    return planner.activate(layer, keras.activations.softmax, inputs[0])


@reads(layers.Flatten)
def _read_flatten(planner: Planner, layer: Any, inputs: Sequence[Tensor]) -> Tensor:
    _require(layer, ())
    return planner.reshape(inputs[0], _output_shape(layer, inputs[0]))


@reads(layers.Reshape)
def _read_reshape(planner: Planner, layer: Any, inputs: Sequence[Tensor]) -> Tensor:
    _require(layer, ("target_shape",))
    return planner.reshape(inputs[0], _output_shape(layer, inputs[0]))


@reads(layers.MaxPooling2D, layers.AveragePooling2D)
def _read_pooling(planner: Planner, layer: Any, inputs: Sequence[Tensor]) -> Tensor:
    _require(layer, ("pool_size", "strides", "padding"))
    shape = _output_shape(layer, inputs[0])
    rows, columns = _paddings(layer, inputs[0], shape, layer.pool_size)
    geometry = layer.pool_size, layer.strides, (rows[0], columns[0])
    largest = isinstance(layer, layers.MaxPooling2D)
    return planner.add(
        lambda maps, output: Pooling(maps[0], output, *geometry, largest), inputs, planner.tensor(shape)
    )


@reads(layers.Cropping2D)
def _read_cropping(planner: Planner, layer: Any, inputs: Sequence[Tensor]) -> Tensor:
    _require(layer, ("cropping",))
    (top, _), (left, _) = layer.cropping
    # As the mean of each single value that is left.
    return planner.add(
        lambda maps, output: Pooling(maps[0], output, (1, 1), (1, 1), (-top, -left), largest=False),
        inputs,
        planner.tensor(_output_shape(layer, inputs[0])),
    )


@reads(layers.ZeroPadding2D)
def _read_zero_padding(planner: Planner, layer: Any, inputs: Sequence[Tensor]) -> Tensor:
    _require(layer, ("padding",))
    (top, _), (left, _) = layer.padding
    return planner.add(
        lambda maps, output: ZeroPadding(maps[0], output, top, left),
        inputs,
        planner.tensor(_output_shape(layer, inputs[0])),
    )


@reads(layers.GlobalMaxPooling2D, layers.GlobalAveragePooling2D)
def _read_global_pooling(planner: Planner, layer: Any, inputs: Sequence[Tensor]) -> Tensor:
    _require(layer, ("keepdims",))
    size = inputs[0].spatial[:2]
    shape = (1, 1, inputs[0].shape[-1]) if layer.keepdims else inputs[0].shape[-1:]
    largest = isinstance(layer, layers.GlobalMaxPooling2D)
    return planner.add(
        lambda maps, output: Pooling(maps[0], output, size, size, (0, 0), largest, shared=largest),
        inputs,
        planner.tensor(shape),
    )


@reads(layers.Add, ADDITION)
def _read_addition(planner: Planner, layer: Any, inputs: Sequence[Tensor]) -> Tensor:
    if isinstance(layer, layers.Add):
        _require(layer, ())
    if len({each.shape for each in inputs}) > 1:
        raise UnsupportedLayerError(layer.name)
    return planner.add(
        lambda maps, output: Merge(tuple(maps), output, True), inputs, planner.tensor(inputs[0].shape)
    )


@reads(layers.Concatenate)
def _read_concatenation(planner: Planner, layer: Any, inputs: Sequence[Tensor]) -> Tensor:
    _require(layer, ("axis",))
    first = inputs[0].shape
    if layer.axis not in (-1, len(first)) or len({each.shape[:-1] for each in inputs}) > 1:
        raise UnsupportedLayerError(layer.name)
    shape = (*first[:-1], sum(each.shape[-1] for each in inputs))
    return planner.add(lambda maps, output: Merge(tuple(maps), output, False), inputs, planner.tensor(shape))


@reads(layers.BatchNormalization)
def _read_batch_normalization(planner: Planner, layer: Any, inputs: Sequence[Tensor]) -> Tensor:
    settings = ("axis", "momentum", "epsilon", "center", "scale", "synchronized", "renorm", "renorm_momentum")
    states = (layer.moving_mean, layer.moving_variance)
    gamma, beta = layer.gamma if layer.scale else None, layer.beta if layer.center else None
    names = [name for name, weight in (("gamma", gamma), ("beta", beta)) if weight is not None]
    plain = is_plain(layer, layers.BatchNormalization, settings, tuple(names), states)
    if not plain or layer.synchronized or layer.renorm or not _is_last(layer, inputs[0]):
        raise UnsupportedLayerError(layer.name)

    def make(maps: Sequence[Map], output: Map) -> Kind:
        return BatchNormalization(maps[0], output, layer.scale, layer.center, layer.momentum, layer.epsilon)

    output = planner.tensor(inputs[0].shape)
    moving = {"moving_mean": layer.moving_mean, "moving_variance": layer.moving_variance}
    return planner.add(make, inputs, output, gamma=gamma, beta=beta, **moving)


@reads(layers.LayerNormalization)
def _read_layer_normalization(planner: Planner, layer: Any, inputs: Sequence[Tensor]) -> Tensor:
    gamma, beta = layer.gamma if layer.scale else None, layer.beta if layer.center else None
    names = [name for name, weight in (("gamma", gamma), ("beta", beta)) if weight is not None]
    _require(layer, ("axis", "epsilon", "center", "scale", "rms_scaling"), names)
    if layer.rms_scaling or not _is_last(layer, inputs[0]):
        raise UnsupportedLayerError(layer.name)

    def make(maps: Sequence[Map], output: Map) -> Kind:
        return LayerNormalization(maps[0], output, layer.scale, layer.center, layer.epsilon)

    return planner.add(make, inputs, planner.tensor(inputs[0].shape), gamma=gamma, beta=beta)


def _is_last(layer: Any, tensor: Tensor) -> bool:
    """Whether a layer normalises along the last axis alone."""
    axes = [layer.axis] if isinstance(layer.axis, int) else list(layer.axis)
    return axes in ([-1], [len(tensor.shape)])


@reads(layers.Dropout, layers.SpatialDropout2D)
def _read_dropout(planner: Planner, layer: Any, inputs: Sequence[Tensor]) -> Tensor:
    if not layer.rate:
        _require(layer, ("rate", "seed"))
        return inputs[0]
    if layer.rate >= 1:  # nothing is left to be scaled up
        raise UnsupportedLayerError(layer.name)
    state = layer.seed_generator.state
    if not is_plain(layer, type(layer), ("rate", "seed"), (), (state,)):
        raise UnsupportedLayerError(layer.name)
    # Each use of a layer draws other numbers, as in Keras.
    use = len(planner.plan.maps)
    spatial = isinstance(layer, layers.SpatialDropout2D)
    return planner.add(
        lambda maps, output: Dropout(maps[0], output, layer.rate, use, spatial),
        inputs,
        planner.tensor(inputs[0].shape),
        in_place=True,
        seed=state,
    )
