"""Small networks in the layout [channel, row, column, batch].

With one to a few channels, a convolution library spends its time on moving data: its vectors run along the
channels, and there are none to speak of. Here they run along the batch. A convolution is a sum of shifted
images, each times one weight, which XLA fuses into one pass; the gradient of its kernel is a matrix product.
"""

import keras
import tensorflow as tf
from keras import layers


def lower_layer(layer: keras.Layer):
    """The function that computes `layer` in this layout, or None where there is none.

    Images are [channel, row, column, batch], flat features [feature, batch]; a softmax is left to the loss.
    """
    lowering = LOWERINGS.get(type(layer))
    return lowering(layer) if lowering else None


def _lower_convolution(layer: layers.Conv2D):
    plain = layer.strides == (1, 1) and layer.dilation_rate == (1, 1) and layer.groups == 1
    plain = plain and layer.data_format == "channels_last" and layer.activity_regularizer is None
    activation = _lower_activation(layer)
    if not plain or layer.padding != "valid" or not layer.use_bias or activation is None:
        return None

    def convolve(x):
        bias = tf.reshape(layer.bias, [-1, 1, 1, 1])
        return activation(convolve_valid(x, tf.convert_to_tensor(layer.kernel)) + bias)

    return convolve


def _lower_dense(layer: layers.Dense):
    activation = _lower_activation(layer)
    flat = len(layer.input.shape) == 2
    if not flat or not layer.use_bias or activation is None or layer.activity_regularizer is not None:
        return None

    def multiply(x):
        product = tf.matmul(tf.convert_to_tensor(layer.kernel), x, transpose_a=True)
        return activation(product + tf.expand_dims(layer.bias, 1))

    return multiply


def _lower_pooling(layer: layers.MaxPooling2D):
    plain = layer.pool_size == layer.strides == (2, 2) and layer.padding == "valid"
    return max_pool if plain and layer.data_format == "channels_last" else None


def _lower_flatten(layer: layers.Flatten):
    if len(layer.input.shape) != 4 or layer.data_format != "channels_last":
        return None
    # Keras flattens [row, column, channel]
    return lambda x: tf.reshape(tf.transpose(x, [1, 2, 0, 3]), [-1, x.shape[3]])


def _lower_activation(layer: keras.Layer):
    return {
        keras.activations.relu: tf.nn.relu,
        keras.activations.linear: tf.identity,
        keras.activations.softmax: tf.identity,
    }.get(layer.activation)


LOWERINGS = {
    layers.Conv2D: _lower_convolution,
    layers.Dense: _lower_dense,
    layers.MaxPooling2D: _lower_pooling,
    layers.Flatten: _lower_flatten,
}


def convolve_valid(x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """A convolution without padding, stride 1.

    Args:
        x: [channel, row, column, batch].
        kernel: [kernel row, kernel column, channel, filter], as Keras keeps it.

    Returns:
        [filter, row, column, batch].
    """

    @tf.custom_gradient
    def convolve(x, kernel):
        def gradient(upstream):
            rows, columns = kernel.shape[0] - 1, kernel.shape[1] - 1
            padded = tf.pad(upstream, [[0, 0], [rows, rows], [columns, columns], [0, 0]])
            turned = tf.transpose(kernel[::-1, ::-1], [0, 1, 3, 2])
            return _sum_of_shifts(padded, turned), _kernel_gradient(x, upstream, kernel.shape)

        return _sum_of_shifts(x, kernel), gradient

    return convolve(x, kernel)


def _sum_of_shifts(x, kernel):
    kernel_rows, kernel_columns, channels, filters = kernel.shape
    rows, columns = x.shape[1] - kernel_rows + 1, x.shape[2] - kernel_columns + 1
    return tf.stack(
        [
            sum(
                kernel[i, j, channel, filter] * x[channel, i : i + rows, j : j + columns]
                for i in range(kernel_rows)
                for j in range(kernel_columns)
                for channel in range(channels)
            )
            for filter in range(filters)
        ]
    )


def _kernel_gradient(x, upstream, shape):
    kernel_rows, kernel_columns, channels, filters = shape
    _, rows, columns, _ = upstream.shape
    shifted = [x[:, i : i + rows, j : j + columns] for i in range(kernel_rows) for j in range(kernel_columns)]
    patches = tf.reshape(tf.stack(shifted), [kernel_rows * kernel_columns * channels, -1])
    product = tf.matmul(patches, tf.reshape(upstream, [filters, -1]), transpose_b=True)
    return tf.reshape(product, shape)


def max_pool(x: tf.Tensor) -> tf.Tensor:
    """2 x 2 max pooling of [channel, row, column, batch]; an odd last row or column is left out.

    Where several of the four are the largest, the first in reading order receives the gradient, as in
    TensorFlow's MaxPoolGrad. It matters: after ReLU whole windows are zero.
    """
    rows, columns = x.shape[1] // 2 * 2, x.shape[2] // 2 * 2
    odd_rows, odd_columns = x.shape[1] - rows, x.shape[2] - columns

    @tf.custom_gradient
    def pool(x):
        window = [x[:, i:rows:2, j:columns:2] for i in (0, 1) for j in (0, 1)]
        largest = tf.maximum(tf.maximum(window[0], window[1]), tf.maximum(window[2], window[3]))

        def gradient(upstream):
            first, taken = [], tf.zeros_like(upstream, tf.bool)
            for value in window:
                hit = tf.logical_and(value == largest, tf.logical_not(taken))
                taken = tf.logical_or(taken, hit)
                first.append(tf.where(hit, upstream, 0.0))
            upper, lower = tf.stack(first[:2], 3), tf.stack(first[2:], 3)
            whole = tf.reshape(tf.stack([upper, lower], 2), [x.shape[0], rows, columns, x.shape[3]])
            return tf.pad(whole, [[0, 0], [0, odd_rows], [0, odd_columns], [0, 0]])

        return largest, gradient

    return pool(x)
