"""Images shifted by whole pixels."""

import numpy as np
from numpy.typing import NDArray


def shift_images(images: NDArray[np.uint8], shifts: NDArray[np.integer]) -> NDArray[np.uint8]:
    """Shift images by whole pixels; pixels that come in from outside are black.

    Args:
        images: (examples, rows, columns, channels).
        shifts: (examples, 2), rows down and columns to the right.
    """
    rows, columns = images.shape[1:3]
    shifted = np.zeros_like(images)
    # Images with the same shift are copied together.
    for down, right in np.unique(shifts, axis=0).tolist():
        alike = np.flatnonzero((shifts[:, 0] == down) & (shifts[:, 1] == right))
        target = np.ix_(alike, _overlap(rows, down), _overlap(columns, right))
        source = np.ix_(alike, _overlap(rows, -down), _overlap(columns, -right))
        shifted[target] = images[source]
    return shifted


def _overlap(size: int, by: int) -> NDArray[np.integer]:
    """The indices along an axis that a shift fills."""
    return np.arange(max(by, 0), max(size + min(by, 0), max(by, 0)))
