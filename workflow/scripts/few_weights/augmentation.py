"""Training images shifted a little, anew each epoch: more images than there are."""

from collections.abc import Mapping

import numpy as np
import tensorflow as tf


def draw_shifts(augmentation: Mapping, seed: int, epoch: int, examples: int) -> np.ndarray:
    """How far each training image moves in an epoch: it follows from seed and epoch (from 1) alone.

    Args:
        augmentation: `shift` is the largest, in pixels.

    Returns:
        (examples, 2): rows down and columns to the right, whole numbers from minus to plus the largest, each
        as likely as another. Fractions would blur the images, and those judged on are sharp.
    """
    generator = np.random.default_rng([seed, epoch, 1])  # [seed, epoch] draws the order of the images
    largest = augmentation["shift"]
    return generator.integers(-largest, largest, (examples, 2), np.int32, endpoint=True)


def shift_images(images: tf.Tensor, shifts: tf.Tensor) -> tf.Tensor:
    """Images (batch, rows, columns, channels), moved by (batch, 2) rows and columns; what enters is black."""
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
