"""Images shifted by whole pixels."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

#: Images that are shifted together: they and their borders stay in the cache.
TOGETHER = 1000


def shift_images(images: NDArray[np.uint8], shifts: NDArray[np.integer]) -> NDArray[np.uint8]:
    """Shift images by whole pixels; pixels that come in from outside are black.

    Args:
        images: (examples, rows, columns, channels).
        shifts: (examples, 2), rows down and columns to the right.
    """
    size = np.array(images.shape[1:3])
    shifts = np.clip(shifts, -size, size)
    reach = int(np.abs(shifts).max(initial=0))
    border = ((0, 0), (reach, reach), (reach, reach), (0, 0))
    shifted = np.empty_like(images)
    for first in range(0, len(images), TOGETHER):
        part = slice(first, first + TOGETHER)
        padded = np.pad(images[part], border)
        # A shifted image is a window of the image with its border: (example, row, column, channel, window).
        windows = np.moveaxis(sliding_window_view(padded, tuple(size), axis=(1, 2)), 3, -1)
        down, right = shifts[part].T
        shifted[part] = windows[np.arange(len(padded)), reach - down, reach - right]
    return shifted
