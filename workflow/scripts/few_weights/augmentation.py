"""Training images turned, zoomed and shifted a little, anew each epoch: more images than there are."""

from collections.abc import Mapping

import numpy as np
import tensorflow as tf


def draw_transforms(
    augmentation: Mapping, seed: int, epoch: int, examples: int, image_shape: tuple[int, ...]
) -> np.ndarray:
    """How each training image is changed in an epoch: it follows from seed and epoch (from 1) alone.

    Args:
        augmentation: `rotation` in degrees, `zoom` as a share, `shift` in pixels along rows and columns; each
            is drawn evenly from minus to plus this.
        image_shape: (rows, columns, channels).

    Returns:
        (examples, 8) as float32, as `warp` takes it: (a, b, c, d, e, f, 0, 0) says that the pixel at column x
        and row y comes from column a x + b y + c and row d x + e y + f.
    """
    generator = np.random.default_rng([seed, epoch, 1])  # [seed, epoch] draws the order of the images
    turn, zoom, right, down = generator.uniform(-1, 1, (4, examples))
    turn, zoom = np.deg2rad(augmentation["rotation"]) * turn, 1 + augmentation["zoom"] * zoom
    rows, columns = ((size - 1) / 2 for size in image_shape[:2])
    a, d = np.cos(turn) * zoom, np.sin(turn) * zoom
    c = columns - a * columns + d * rows + augmentation["shift"] * right
    f = rows - d * columns - a * rows + augmentation["shift"] * down
    zeros = np.zeros(examples)
    return np.stack([a, -d, c, d, a, f, zeros, zeros], axis=1).astype(np.float32)


def warp(images: tf.Tensor, transforms: tf.Tensor) -> tf.Tensor:
    """Images (batch, rows, columns, channels) under these transforms: bilinear, and black beyond the edge."""
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=transforms,
        output_shape=tf.shape(images)[1:3],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="CONSTANT",
    )
