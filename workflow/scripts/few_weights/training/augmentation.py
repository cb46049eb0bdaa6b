"""Augmentation: training images shifted by a few pixels, differently in each epoch."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray


def draw_shifts(augmentation: Mapping[str, int], seed: int, epoch: int, examples: int) -> NDArray[np.int32]:
    """How far each training image is shifted in an epoch; it follows only from seed and epoch.

    Args:
        augmentation: `shift` is the largest shift, in pixels.
        epoch: counted from 1.

    Returns:
        (examples, 2): rows down and columns to the right, in pixels: integers from -shift to shift, all
        equally likely. Fractions would blur the training images, and the test images are sharp.
    """
    generator = np.random.default_rng([seed, epoch, 1])  # [seed, epoch] draws the order of the images
    largest = augmentation["shift"]
    return generator.integers(-largest, largest, (examples, 2), np.int32, endpoint=True)
