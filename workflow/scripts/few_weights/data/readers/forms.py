"""The forms of data that are read, and what every reader of them returns."""

from collections.abc import Iterable

import numpy as np

from few_weights.data.datasets import ARRAYS

#: What data can be, for whoever has something else.
FORMS = (
    f"data can be an .npz with {', '.join(ARRAYS)}, or a folder with train.csv and test.csv, with "
    "the four IDX "
    "files, or with train/CLASS/ and test/CLASS/ full of images"
)


#: Names of a part's folder or CSV.
PART_NAMES = {
    "train": ("train", "training"),
    "validation": ("val", "valid", "validation"),
    "test": ("test", "testing"),
}


Arrays = dict[str, np.ndarray]


def listed(names: Iterable[str]) -> str:
    names = sorted(names)
    return ", ".join(names[:12]) + (", …" if len(names) > 12 else "") if names else "nothing"
