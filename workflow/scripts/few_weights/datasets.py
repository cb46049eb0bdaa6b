"""Data sets as arrays in memory, always verified, never unpickled.

A data set is one that we know by name, or an .npz of the user's. Images are uint8 and are divided by 255
before a network sees them; labels count from 0.
"""

import hashlib
import struct
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
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

#: The same of the digits that lie in workflow/resources/.
DIGITS_SHA256 = {
    "x_train": "1192d80fb13b41bd405974e7276f8c82d0b32e4f26b229444c27b9e486971746",
    "y_train": "f8a600b73e2c056aa42316260206e6643bd33e96bd71cfb8e32b94f76fac4f93",
    "x_test": "80510fc9162448f4c8666335357ea127bd14ff20c9a09e20a09f3b8d96ef1ca3",
    "y_test": "cf2c8a23974df0c99eb3f36ff34c02acb9be1c84aca7280211ef04bea1135360",
}

#: What the arrays of a data set must be, bit for bit. The download of the others is verified instead.
SHA256 = {"mnist": MNIST_SHA256, "digits": DIGITS_SHA256}

ARRAYS = ("x_train", "y_train", "x_test", "y_test")

#: Predictions and labels are bytes.
MOST_CLASSES = 256


@dataclass(frozen=True)
class Facts:
    """What is known of a data set before it is read.

    `image_shape` is (rows, columns, channels). `train_examples` counts all, before any are held out.
    `sha256` is that of a user's own arrays when the study was read; empty for a data set that we know.
    """

    image_shape: tuple[int, int, int]
    classes: int
    train_examples: int
    test_examples: int
    sha256: str = ""


KNOWN = {
    "mnist": Facts((28, 28, 1), 10, 60_000, 10_000),
    "fashion_mnist": Facts((28, 28, 1), 10, 60_000, 10_000),
    "cifar10": Facts((32, 32, 3), 10, 50_000, 10_000),
    "cifar100": Facts((32, 32, 3), 100, 50_000, 10_000),
    "digits": Facts((8, 8, 1), 10, 1_437, 360),
}


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
        # The validation images belong to those that say how many there are.
        return int(max(self.y_train.max(), self.y_validation.max(initial=0))) + 1


def idx_sha256(array: np.ndarray) -> str:
    """SHA-256 of a uint8 array written in the IDX format, in which MNIST was first published.

    The header is two zero bytes, the type (8 is unsigned byte), the number of dimensions, then each dimension
    as a big-endian 32-bit integer (http://yann.lecun.com/exdb/mnist/).
    """
    header = struct.pack(f">4B{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    return hashlib.sha256(header + array.tobytes()).hexdigest()


def data_sha256(dataset: str, own: str = "") -> str:
    """One SHA-256 over the four arrays of a data set, known before it is fetched.

    `own` is that of a user's own arrays. Empty for the data sets of which only the download is verified.
    """
    if dataset not in SHA256:
        return own
    return hashlib.sha256("".join(SHA256[dataset][name] for name in ARRAYS).encode()).hexdigest()


def verify_arrays(arrays: Mapping[str, np.ndarray], dataset: str, sha256: str = "") -> None:
    """Check that the four arrays are those of the data set: bit for bit where their hashes are known.

    `sha256` is that of a user's own arrays, as `array_facts` gives it.

    Raises:
        StudyError: an array is missing or differs; the message says which.
    """
    if dataset in SHA256:
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
        return
    facts = array_facts(normalise(arrays))
    if dataset in KNOWN and (found := replace(facts, sha256="")) != KNOWN[dataset]:
        raise StudyError(f"it is not {dataset}: it has {_describe(found)}, not {_describe(KNOWN[dataset])}")
    if sha256 and facts.sha256 != sha256:
        raise StudyError("it is no longer the file that the study was started with")


def normalise(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The four arrays, checked, with labels as uint8 of shape (examples,).

    Raises:
        StudyError: they cannot be trained on; the message says which array, why, and how to mend it.
    """
    missing = [name for name in ARRAYS if name not in arrays]
    if missing:
        found = ", ".join(arrays) or "nothing"
        raise StudyError(f"it holds no {missing[0]}, but {found}; it must hold {', '.join(ARRAYS)}")
    images = {part: arrays[f"x_{part}"] for part in ("train", "test")}
    labels = {part: _labels(f"y_{part}", arrays[f"y_{part}"]) for part in ("train", "test")}
    for part, array in images.items():
        if array.dtype != np.uint8:
            raise StudyError(
                f"its x_{part} holds {array.dtype}; images must be uint8 from 0 to 255"
                + (", such as (255 * x).round().astype('uint8')" if array.dtype.kind == "f" else "")
            )
        if array.ndim not in (3, 4) or 0 in array.shape:
            raise StudyError(
                f"its x_{part} has the shape {array.shape}; "
                "images must be (examples, rows, columns) or (examples, rows, columns, channels)"
            )
        if len(array) != len(labels[part]):
            raise StudyError(
                f"it has {len(array)} images in x_{part} and {len(labels[part])} labels in y_{part}"
            )
    if images["train"].shape[1:] != images["test"].shape[1:]:
        shapes = [array.shape[1:] for array in images.values()]
        raise StudyError(f"the images of x_train are {shapes[0]}, those of x_test {shapes[1]}")
    classes = int(labels["train"].max()) + 1
    absent = np.setdiff1d(np.arange(classes), labels["train"])
    if classes < 2 or absent.size:
        raise StudyError(
            f"y_train has labels up to {classes - 1}"
            + (f", but none is {absent[0]}" if absent.size else "")
            + "; labels must count from 0 to the number of classes less one"
        )
    if labels["test"].max() >= classes:
        raise StudyError(f"y_test has the label {labels['test'].max()}, which no training image has")
    return {
        f"{kind}_{part}": pair[part]
        for part in ("train", "test")
        for kind, pair in (("x", images), ("y", labels))
    }


def _labels(name: str, array: np.ndarray) -> np.ndarray:
    if array.dtype.kind not in "iu":
        raise StudyError(f"its {name} holds {array.dtype}; labels must be whole numbers")
    if array.ndim == 2 and array.shape[1] == 1:  # as keras.datasets gives those of CIFAR
        array = array[:, 0]
    if array.ndim != 1 or not array.size:
        raise StudyError(
            f"its {name} has the shape {array.shape}; it must hold one label an image, not one-hot"
        )
    if array.min() < 0 or array.max() >= MOST_CLASSES:
        raise StudyError(
            f"its {name} goes from {array.min()} to {array.max()}; labels must lie in 0 to {MOST_CLASSES - 1}"
        )
    return array.astype(np.uint8)


def array_facts(arrays: Mapping[str, np.ndarray]) -> Facts:
    """The facts of normalised arrays, with one SHA-256 over all four."""
    rows_columns_channels = (*arrays["x_train"].shape[1:], 1)[:3]
    hashes = "".join(idx_sha256(arrays[name]) for name in ARRAYS)
    return Facts(
        rows_columns_channels,
        int(arrays["y_train"].max()) + 1,
        len(arrays["y_train"]),
        len(arrays["y_test"]),
        hashlib.sha256(hashes.encode()).hexdigest(),
    )


def _describe(facts: Facts) -> str:
    shape = "x".join(map(str, facts.image_shape))
    return f"{facts.train_examples} + {facts.test_examples} images of {shape} in {facts.classes} classes"


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


def load_dataset(path: Path, dataset: str, validation_examples: int = 0, sha256: str = "") -> Dataset:
    """Read and verify what `fetch_data.py` left at `path`, and hold out the last training images.

    `sha256` is that of a user's own arrays, which no table knows.

    Raises:
        StudyError: the file is missing, damaged or another data set, or too many images are to be held out.
    """
    try:
        arrays = read_npz(path)
        verify_arrays(arrays, dataset, sha256)
    except FileNotFoundError as error:
        raise StudyError(f"{path} is missing; `snakemake --cores 1 {path}` fetches it") from error
    except StudyError as error:
        raise StudyError(
            f"{path} is damaged: {error}; delete it and start again, it is fetched anew"
        ) from error
    arrays = {name: array[..., np.newaxis] if array.ndim == 3 else array for name, array in arrays.items()}
    return Dataset(**hold_out({name: arrays[name] for name in ARRAYS}, validation_examples))
