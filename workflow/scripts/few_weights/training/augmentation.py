"""Training images shifted a little, anew each epoch: more images than there are."""

from collections.abc import Mapping

import numpy as np


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
