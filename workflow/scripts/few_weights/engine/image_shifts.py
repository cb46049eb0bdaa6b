"""Images shifted by whole pixels, in TensorFlow."""

import tensorflow as tf


def shift_images(images: tf.Tensor, shifts: tf.Tensor) -> tf.Tensor:
    """Shift images by whole pixels; pixels that come in from outside are black.

    Args:
        images: (batch, rows, columns, channels).
        shifts: (batch, 2), rows down and columns to the right.
    """
    down, right = tf.unstack(tf.cast(shifts, tf.float32), axis=1)
    one, zero = tf.ones_like(down), tf.zeros_like(down)
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        # The pixel at column x and row y comes from column a x + b y + c and row d x + e y + f.
        transforms=tf.stack([one, zero, -right, zero, one, -down, zero, zero], axis=1),
        output_shape=tf.shape(images)[1:3],
        fill_value=0.0,
        interpolation="NEAREST",
        fill_mode="CONSTANT",
    )
