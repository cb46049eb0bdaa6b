"""Data sets as arrays in memory, always verified, never unpickled."""

import hashlib
import struct
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from few_weights.errors import StudyError

#: SHA-256 of the four canonical IDX byte streams of MNIST (header and data, uncompressed).
MNIST_SHA256 = {
    "x_train": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "y_train": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "x_test": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "y_test": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}

SHA256 = {"mnist": MNIST_SHA256}

#: How many images there are to train on, before any are held out.
TRAIN_EXAMPLES = {"mnist": 60_000}

#: The shape of an image (rows, columns, channels) and the number of classes.
SHAPES = {"mnist": ((28, 28, 1), 10)}


@dataclass(frozen=True)
class Dataset:
    """Images as uint8 of shape (examples, rows, columns, channels), labels as uint8 of shape (examples,).

    The validation images are held out of training, and none unless `hold_out` was asked for some.
    """

    x_train: np.ndarray
    y_train: np.ndarray
    x_validation: np.ndarray
    y_validation: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray

    @property
    def image_shape(self) -> tuple[int, int, int]:
        return self.x_train.shape[1:]

    @property
    def classes(self) -> int:
        return int(self.y_train.max()) + 1


def idx_sha256(array: np.ndarray) -> str:
    """SHA-256 of a uint8 array written in the IDX format, in which MNIST was first published.

    The header is two zero bytes, the type (8 is unsigned byte), the number of dimensions, then each dimension
    as a big-endian 32-bit integer (http://yann.lecun.com/exdb/mnist/).
    """
    header = struct.pack(f">4B{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    return hashlib.sha256(header + array.tobytes()).hexdigest()


def verify_arrays(arrays: Mapping[str, np.ndarray], dataset: str) -> None:
    """Check that the four arrays are those of the data set, bit for bit.

    Raises:
        StudyError: an array is missing or differs; the message says which.
    """
    for name, expected in SHA256[dataset].items():
        if name not in arrays:
            raise StudyError(f"it holds no {name}")
        array = arrays[name]
        if array.dtype != np.uint8:
            raise StudyError(f"its {name} holds {array.dtype}, not uint8")
        if (found := idx_sha256(array)) != expected:
            raise StudyError(
                f"its {name} is not that of {dataset} (SHA-256 {found[:12]}…, not {expected[:12]}…)"
            )


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """The arrays of an .npz file; objects that would have to be unpickled are refused.

    Raises:
        StudyError: the file cannot be read as such.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            return dict(file)
    except (ValueError, EOFError, zipfile.BadZipFile, KeyError) as error:
        raise StudyError(f"it cannot be read as .npz ({error})") from error


def hold_out(arrays: Mapping[str, np.ndarray], examples: int) -> dict[str, np.ndarray]:
    """The arrays with the last `examples` training images and labels as `x_validation`, `y_validation`.

    Raises:
        StudyError: no image would be left to train on.
    """
    kept = len(arrays["y_train"]) - examples
    if kept < 1:
        raise StudyError(
            f"{examples} validation images cannot be held out of {len(arrays['y_train'])} training images"
        )
    return dict(arrays) | {
        f"{kind}_{part}": arrays[f"{kind}_train"][span]
        for kind in "xy"
        for part, span in (("train", slice(kept)), ("validation", slice(kept, None)))
    }


def load_dataset(path: Path, dataset: str, validation_examples: int = 0) -> Dataset:
    """Read and verify what `fetch_data.py` left at `path`, and hold out the last training images.

    Raises:
        StudyError: the file is missing, damaged or another data set, or too many images are to be held out.
    """
    try:
        arrays = read_npz(path)
        verify_arrays(arrays, dataset)
    except FileNotFoundError as error:
        raise StudyError(f"{path} is missing; `snakemake --cores 1 {path}` fetches it") from error
    except StudyError as error:
        raise StudyError(
            f"{path} is damaged: {error}; delete it and start again, it is fetched anew"
        ) from error
    arrays = {name: array[..., np.newaxis] if array.ndim == 3 else array for name, array in arrays.items()}
    return Dataset(**hold_out({name: arrays[name] for name in SHA256[dataset]}, validation_examples))
