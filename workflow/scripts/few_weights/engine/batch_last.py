"""Layers of small networks in the memory layout [channel, row, column, batch], compiled by XLA.

Convolution libraries vectorise over the channels, so with few channels they spend their time moving data.
Here vectors run along the batch. A convolution is a sum of shifted images, each times one weight, which XLA
fuses into one pass; the gradient of its kernel is a matrix product.
"""

import math
from collections.abc import Callable, Sequence
from typing import TypeAlias

import keras
import tensorflow as tf
from keras import layers

from few_weights.engine.again import Again
from few_weights.engine.native import halves
from few_weights.engine.plain import is_plain

#: (x, training) -> the output of a layer.
Lowered: TypeAlias = Callable[[tf.Tensor, bool], tf.Tensor]
Function: TypeAlias = Callable[[tf.Tensor], tf.Tensor]

#: From the gradient of an output to those of the inputs.
Gradient: TypeAlias = Callable[[tf.Tensor], "tf.Tensor | tuple[tf.Tensor, ...]"]


def lower_layer(layer: keras.Layer) -> Lowered | None:
    """A function (x, training) that computes a layer in this layout; None if the layer is not supported.

    Images are [channel, row, column, batch], flat features [feature, batch]. A softmax is left to the loss.
    """
    lowering = LOWERINGS.get(type(layer))
    return lowering(layer) if lowering else None


def is_cheap(layer: keras.Layer) -> bool:
    """Whether a layer is a depthwise or 1 x 1 convolution, whose few terms a library computes slowly."""
    pointwise = isinstance(layer, layers.Conv2D) and layer.kernel_size == (1, 1)
    return pointwise or isinstance(layer, layers.DepthwiseConv2D)


def count_kernels(layer: keras.Layer) -> int:
    """Channels x filters of a convolution larger than 1 x 1; 0 for other layers."""
    larger = isinstance(layer, layers.Conv2D) and layer.kernel_size != (1, 1)
    return math.prod(layer.kernel.shape[2:]) if larger else 0


def count_terms(layer: keras.Layer) -> int:
    """The number of unrolled terms of a layer and its gradient, with which XLA's compile time grows."""
    if isinstance(layer, Again):
        return count_terms(layer.first)
    if isinstance(layer, layers.DepthwiseConv2D):
        # The gradient of each weight is a sum over rows.
        return math.prod(layer.kernel_size) * (2 + layer.output.shape[1])
    if isinstance(layer, layers.Conv2D):
        return 2 * math.prod(layer.kernel.shape)
    return 0


#: Settings that are supported for convolutions.
_COMMON = ("activation", "use_bias", "kernel_size", "strides", "padding")


def _weights(layer: keras.Layer) -> tuple[str, ...]:
    return ("kernel", "bias") if layer.use_bias else ("kernel",)


def _lower_convolution(layer: layers.Conv2D) -> Lowered | None:
    activation = _lower_activation(layer.activation)
    plain = is_plain(layer, layers.Conv2D, ("filters", *_COMMON), _weights(layer))
    if not plain or activation is None or layer.strides[0] != layer.strides[1]:
        return None
    stride = layer.strides[0]
    pad = _padding(layer)
    pointwise = layer.kernel_size == (1, 1) and stride == 1

    def convolve(x: tf.Tensor, training: bool) -> tf.Tensor:
        kernel = tf.convert_to_tensor(layer.kernel)
        y = mix_channels(x, kernel) if pointwise else convolve_valid(pad(x), kernel, stride)
        return activation(y + tf.reshape(layer.bias, [-1, 1, 1, 1]) if layer.use_bias else y)

    return convolve


def _lower_depthwise(layer: layers.DepthwiseConv2D) -> Lowered | None:
    activation = _lower_activation(layer.activation)
    plain = is_plain(layer, layers.DepthwiseConv2D, ("depth_multiplier", *_COMMON), _weights(layer))
    if not plain or activation is None or layer.strides != (1, 1) or layer.depth_multiplier != 1:
        return None
    pad = _padding(layer)

    def convolve(x: tf.Tensor, training: bool) -> tf.Tensor:
        y = convolve_depthwise(pad(x), tf.convert_to_tensor(layer.kernel)[..., 0])
        return activation(y + tf.reshape(layer.bias, [-1, 1, 1, 1]) if layer.use_bias else y)

    return convolve


def _lower_dense(layer: layers.Dense) -> Lowered | None:
    activation = _lower_activation(layer.activation)
    plain = is_plain(layer, layers.Dense, ("units", "activation", "use_bias"), ("kernel", "bias"))
    if not plain or len(layer.input.shape) != 2 or activation is None:
        return None

    def multiply(x: tf.Tensor, training: bool) -> tf.Tensor:
        product = tf.matmul(tf.convert_to_tensor(layer.kernel), x, transpose_a=True)
        return activation(product + tf.expand_dims(layer.bias, 1))

    return multiply


def _lower_max_pooling(layer: layers.MaxPooling2D) -> Lowered | None:
    return (lambda x, training: max_pool(x)) if halves(layer, layers.MaxPooling2D) else None


def _lower_flatten(layer: layers.Flatten) -> Lowered | None:
    if not is_plain(layer, layers.Flatten, ()) or len(layer.input.shape) != 4:
        return None
    # Keras flattens [row, column, channel]
    return lambda x, training: tf.reshape(tf.transpose(x, [1, 2, 0, 3]), [-1, x.shape[3]])


def _lower_activation_layer(layer: layers.Activation) -> Lowered | None:
    activation = _lower_activation(layer.activation)
    if activation is None or not is_plain(layer, layers.Activation, ("activation",)):
        return None
    return lambda x, training: activation(x)


def _lower_activation(activation: object) -> Function | None:
    known: dict[object, Function] = {
        keras.activations.relu: tf.nn.relu,
        keras.activations.gelu: lambda x: tf.nn.gelu(x, approximate=False),
        keras.activations.linear: tf.identity,
        keras.activations.softmax: tf.identity,
    }
    # A user's activation may not be hashable.
    return next((lowered for function, lowered in known.items() if function is activation), None)


def _padding(layer: keras.Layer) -> Function:
    """A function that pads a convolution's input: not at all, or with the zeros of "same"."""
    if layer.padding == "valid":
        return tf.identity

    def pad(x: tf.Tensor) -> tf.Tensor:
        # A layer that is applied again may be given images of another size.
        around = []
        for size, kernel, stride in zip(x.shape[1:3], layer.kernel_size, layer.strides, strict=True):
            missing = max((math.ceil(size / stride) - 1) * stride + kernel - size, 0)
            around.append((missing // 2, missing - missing // 2))
        return tf.pad(x, [(0, 0), *around, (0, 0)])

    return pad


def _lower_again(layer: Again) -> Lowered | None:
    first = layer.first
    plain = is_plain(layer, Again, ("first",), None) and type(first) is not Again
    return lower_layer(first) if plain and len(layer.input.shape) == len(first.input.shape) else None


LOWERINGS: dict[type[keras.Layer], Callable[[keras.Layer], Lowered | None]] = {
    Again: _lower_again,
    layers.Conv2D: _lower_convolution,
    layers.DepthwiseConv2D: _lower_depthwise,
    layers.Dense: _lower_dense,
    layers.MaxPooling2D: _lower_max_pooling,
    layers.Flatten: _lower_flatten,
    layers.Activation: _lower_activation_layer,
}


def convolve_valid(x: tf.Tensor, kernel: tf.Tensor, stride: int = 1) -> tf.Tensor:
    """A convolution without padding.

    Args:
        x: [channel, row, column, batch].
        kernel: [kernel row, kernel column, channel, filter], as Keras keeps it.

    Returns:
        [filter, row, column, batch].
    """

    @tf.custom_gradient  # type: ignore[untyped-decorator]  # TensorFlow has no types
    def convolve(x: tf.Tensor, kernel: tf.Tensor) -> tuple[tf.Tensor, Gradient]:
        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            reversed_kernel = tf.transpose(kernel[::-1, ::-1], [0, 1, 3, 2])
            padded = _pad_upstream(upstream, x.shape, kernel.shape, stride)
            return _sum_of_shifts(padded, reversed_kernel, 1), _kernel_gradient(
                x, upstream, kernel.shape, stride
            )

        return _sum_of_shifts(x, kernel, stride), gradient

    return convolve(x, kernel)


def _shifted(x: tf.Tensor, size: Sequence[int], stride: int) -> list[list[tf.Tensor]]:
    """The part of x that each weight of a kernel is multiplied with, by kernel row and column."""
    rows, columns = ((x.shape[axis] - size[axis - 1]) // stride * stride + 1 for axis in (1, 2))
    return [
        [x[:, i : i + rows : stride, j : j + columns : stride] for j in range(size[1])]
        for i in range(size[0])
    ]


def _sum_of_shifts(x: tf.Tensor, kernel: tf.Tensor, stride: int) -> tf.Tensor:
    kernel_rows, kernel_columns, channels, filters = kernel.shape
    shifted = _shifted(x, kernel.shape[:2], stride)
    return tf.stack(
        [
            sum(
                kernel[i, j, channel, filter] * shifted[i][j][channel]
                for i in range(kernel_rows)
                for j in range(kernel_columns)
                for channel in range(channels)
            )
            for filter in range(filters)
        ]
    )


def _pad_upstream(
    upstream: tf.Tensor, shape: Sequence[int], kernel_shape: Sequence[int], stride: int
) -> tf.Tensor:
    """The gradient of the output, padded for a convolution with the reversed kernel, without stride."""
    paddings = [(0, 0)]
    for axis in (1, 2):
        size, kernel = upstream.shape[axis], kernel_shape[axis - 1]
        if stride > 1:  # zeros between the values, for the positions that were skipped
            zeros = [tf.zeros_like(upstream)] * (stride - 1)
            dilated = tf.stack([upstream, *zeros], axis + 1)
            wide = [*upstream.shape[:axis], size * stride, *upstream.shape[axis + 1 :]]
            upstream = tf.reshape(dilated, wide)[(slice(None),) * axis + (slice((size - 1) * stride + 1),)]
        # Rows at the end that the stride did not reach have no gradient.
        paddings.append((kernel - 1, shape[axis] - upstream.shape[axis]))
    return tf.pad(upstream, [*paddings, (0, 0)])


def _kernel_gradient(x: tf.Tensor, upstream: tf.Tensor, shape: Sequence[int], stride: int) -> tf.Tensor:
    kernel_rows, kernel_columns, channels, filters = shape
    shifted = [part for row in _shifted(x, shape[:2], stride) for part in row]
    patches = tf.reshape(tf.stack(shifted), [kernel_rows * kernel_columns * channels, -1])
    product = tf.matmul(patches, tf.reshape(upstream, [filters, -1]), transpose_b=True)
    return tf.reshape(product, shape)


def mix_channels(x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """A 1 x 1 convolution of [channel, row, column, batch]; kernel: [1, 1, channel, filter]."""

    @tf.custom_gradient  # type: ignore[untyped-decorator]  # TensorFlow has no types
    def mix(x: tf.Tensor, weights: tf.Tensor) -> tuple[tf.Tensor, Gradient]:
        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            channels, filters = weights.shape
            flat = tf.reshape(x, [channels, -1]), tf.reshape(upstream, [filters, -1])
            return _mix(upstream, tf.transpose(weights)), tf.matmul(*flat, transpose_b=True)

        return _mix(x, weights), gradient

    return mix(x, kernel[0, 0])


def _mix(x: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    return sum(weights[channel, :, None, None, None] * x[channel] for channel in range(x.shape[0]))


def convolve_depthwise(x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """A depthwise convolution without padding, stride 1.

    Args:
        x: [channel, row, column, batch].
        kernel: [kernel row, kernel column, channel].
    """

    @tf.custom_gradient  # type: ignore[untyped-decorator]  # TensorFlow has no types
    def convolve(x: tf.Tensor, kernel: tf.Tensor) -> tuple[tf.Tensor, Gradient]:
        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            rows, columns = kernel.shape[0] - 1, kernel.shape[1] - 1
            padded = tf.pad(upstream, [[0, 0], [rows, rows], [columns, columns], [0, 0]])
            products = [
                [channel_sums(window, upstream) for window in row] for row in _shifted(x, kernel.shape[:2], 1)
            ]
            return _sum_of_windows(padded, kernel[::-1, ::-1]), tf.stack([tf.stack(row) for row in products])

        return _sum_of_windows(x, kernel), gradient

    return convolve(x, kernel)


def _sum_of_windows(x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    windows = _shifted(x, kernel.shape[:2], 1)
    return sum(
        kernel[i, j, :, None, None, None] * window
        for i, row in enumerate(windows)
        for j, window in enumerate(row)
    )


def channel_sums(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """The sum of x * y over all but the first axis, both [channel, row, column, batch].

    Rows are added in an expression that XLA compiles to one vectorised loop; as a single reduction it would
    be a loop over single numbers, several times slower.
    """
    return tf.reduce_sum(sum(x[:, row] * y[:, row] for row in range(x.shape[1])), [1, 2])


def max_pool(x: tf.Tensor) -> tf.Tensor:
    """2 x 2 max pooling of [channel, row, column, batch]; an odd last row or column is dropped.

    If several of the four pixels are the largest, the first in reading order receives the gradient, as in
    TensorFlow's MaxPoolGrad. This matters: after ReLU whole windows are zero.
    """
    rows, columns = x.shape[1] // 2 * 2, x.shape[2] // 2 * 2
    odd_rows, odd_columns = x.shape[1] - rows, x.shape[2] - columns

    @tf.custom_gradient  # type: ignore[untyped-decorator]  # TensorFlow has no types
    def pool(x: tf.Tensor) -> tuple[tf.Tensor, Gradient]:
        window = [x[:, i:rows:2, j:columns:2] for i in (0, 1) for j in (0, 1)]
        largest = tf.maximum(tf.maximum(window[0], window[1]), tf.maximum(window[2], window[3]))

        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            parts: list[tf.Tensor] = []
            taken = tf.zeros_like(upstream, tf.bool)
            for value in window:
                hit = tf.logical_and(value == largest, tf.logical_not(taken))
                taken = tf.logical_or(taken, hit)
                parts.append(tf.where(hit, upstream, 0.0))
            upper, lower = tf.stack(parts[:2], 3), tf.stack(parts[2:], 3)
            whole = tf.reshape(tf.stack([upper, lower], 2), [x.shape[0], rows, columns, x.shape[3]])
            return tf.pad(whole, [[0, 0], [0, odd_rows], [0, odd_columns], [0, 0]])

        return largest, gradient

    return pool(x)
