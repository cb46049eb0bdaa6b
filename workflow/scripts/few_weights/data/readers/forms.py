"""The formats of data that are supported, and the types that every reader returns."""

from collections.abc import Iterable
from typing import TypeAlias

from few_weights.data.datasets import ARRAYS, Array

#: The supported formats, for messages about any other.
FORMS = (
    f"data can be an .npz with {', '.join(ARRAYS)}, or a folder with train.csv and test.csv, with the four "
    "IDX files, or with images in train/CLASS/ and test/CLASS/"
)

#: The names of each part that folders and CSV files can have.
PART_NAMES = {
    "train": ("train", "training"),
    "validation": ("val", "valid", "validation"),
    "test": ("test", "testing"),
}

#: Arrays by role, such as x_train.
Arrays: TypeAlias = dict[str, Array]


def listed(names: Iterable[str]) -> str:
    """Up to twelve names for a message; "nothing" if there are none."""
    names = sorted(names)
    return ", ".join(names[:12]) + (", …" if len(names) > 12 else "") if names else "nothing"
