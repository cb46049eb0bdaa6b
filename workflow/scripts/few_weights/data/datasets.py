"""Data sets as arrays in memory, always verified, never unpickled.

Every data set, a built-in one or a user's own, is stored in results/data/ as four uint8 arrays, which
`conversion.py` has made. Images are divided by 255 before they enter a network; labels count from 0.
"""

import hashlib
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias, TypedDict

import numpy as np
from numpy.typing import NDArray

from few_weights.errors import StudyError
from few_weights.plan.data_facts import DataFacts

#: SHA-256 of the four canonical IDX byte streams of MNIST (header and data, uncompressed).
MNIST_SHA256 = {
    "x_train": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "y_train": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "x_test": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "y_test": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}

#: SHA-256 of the four arrays of the digits in workflow/resources/, as IDX byte streams like those of MNIST.
DIGITS_SHA256 = {
    "x_train": "1192d80fb13b41bd405974e7276f8c82d0b32e4f26b229444c27b9e486971746",
    "y_train": "f8a600b73e2c056aa42316260206e6643bd33e96bd71cfb8e32b94f76fac4f93",
    "x_test": "80510fc9162448f4c8666335357ea127bd14ff20c9a09e20a09f3b8d96ef1ca3",
    "y_test": "cf2c8a23974df0c99eb3f36ff34c02acb9be1c84aca7280211ef04bea1135360",
}

#: The hashes of data sets that are verified bit for bit. For the others, the downloaded files are verified.
SHA256 = {"mnist": MNIST_SHA256, "digits": DIGITS_SHA256}

#: Mean and standard deviation of each channel of the training images divided by 255, for data sets whose
#: arrays have no published hash. They are the usual constants for standardising inputs: for CIFAR
#: https://github.com/kuangliu/pytorch-cifar/issues/19, for Fashion-MNIST
#: https://github.com/chatflip/CalculationMeanStd.
MOMENTS = {
    "fashion_mnist": ((0.2860,), (0.3530,)),
    "cifar10": ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
    "cifar100": ((0.5071, 0.4867, 0.4408), (0.2675, 0.2565, 0.2761)),
}

#: The published means and deviations of one data set differ by up to 0.0003. Data sets of the same shape
#: differ more: the mean of MNIST is 0.1307, of KMNIST 0.1918, of Fashion-MNIST 0.2860.
MOMENTS_TOLERANCE = 0.001

#: An array of any type, as it was read.
Array: TypeAlias = NDArray[Any]

#: The images or labels of a data set.
Bytes: TypeAlias = NDArray[np.uint8]

ARRAYS = ("x_train", "y_train", "x_test", "y_test")
PARTS = ("train", "validation", "test")

#: The data sets that a study can use by name.
KNOWN = {
    "mnist": DataFacts((28, 28, 1), 10, 60_000, 10_000),
    "fashion_mnist": DataFacts((28, 28, 1), 10, 60_000, 10_000),
    "cifar10": DataFacts((32, 32, 3), 10, 50_000, 10_000),
    "cifar100": DataFacts((32, 32, 3), 100, 50_000, 10_000),
    "digits": DataFacts((8, 8, 1), 10, 1_437, 360),
}


@dataclass(frozen=True)
class Dataset:
    """Images as uint8 of shape (examples, rows, columns, channels), labels as uint8 of shape (examples,).

    The validation images are held out of training; there are none unless `hold_out` was asked for some.
    """

    x_train: Bytes
    y_train: Bytes
    x_validation: Bytes
    y_validation: Bytes
    x_test: Bytes
    y_test: Bytes

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(rows, columns, channels)."""
        rows, columns, channels = self.x_train.shape[1:]
        return rows, columns, channels

    @property
    def classes(self) -> int:
        """The number of classes among the training and the validation images."""
        return int(max(self.y_train.max(), self.y_validation.max(initial=0))) + 1


def idx_sha256(array: Array) -> str:
    """SHA-256 of a uint8 array in the IDX format, in which MNIST was first published.

    The header is two zero bytes, the type (8 is unsigned byte), the number of dimensions, then each dimension
    as a big-endian 32-bit integer (http://yann.lecun.com/exdb/mnist/).
    """
    header = struct.pack(f">4B{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    return hashlib.sha256(header + array.tobytes()).hexdigest()


def data_sha256(dataset: str, own: str = "") -> str:
    """One SHA-256 over the four arrays of a data set, known before it is fetched.

    Args:
        dataset: the name of the data set.
        own: the SHA-256 of a user's own arrays, see `array_facts`.

    Returns:
        The SHA-256; empty for data sets of which only the downloaded files are verified.
    """
    if dataset not in SHA256:
        return own
    return hashlib.sha256("".join(SHA256[dataset][name] for name in ARRAYS).encode()).hexdigest()


def verify_arrays(arrays: Mapping[str, Array], dataset: str, sha256: str = "") -> None:
    """Check that the four arrays belong to a data set: bit for bit if their hashes are known.

    Args:
        arrays: x_train, y_train, x_test and y_test.
        dataset: the name of the data set.
        sha256: the SHA-256 of a user's own arrays, see `array_facts`.

    Raises:
        StudyError: an array is missing or differs; the message says which.
    """
    if dataset in SHA256:
        for name, expected in SHA256[dataset].items():
            if name not in arrays:
                raise StudyError(f"it contains no {name}")
            array = arrays[name]
            if array.dtype != np.uint8:
                raise StudyError(f"its {name} is {array.dtype}, not uint8")
            if (actual := idx_sha256(array)) != expected:
                raise StudyError(
                    f"its {name} is not that of {dataset} (SHA-256 {actual[:12]}…, not {expected[:12]}…)"
                )
        return
    _require_uint8(arrays)
    facts = array_facts(arrays)
    if dataset in KNOWN:
        _require_content(arrays, replace(facts, sha256=""), dataset)
    if sha256 and facts.sha256 != sha256:
        raise StudyError("it is not the file that the study was started with")


def _require_uint8(arrays: Mapping[str, Array]) -> None:
    """Refuse arrays that are not four uint8 arrays of images and labels."""
    for name in ARRAYS:
        if name not in arrays:
            raise StudyError(f"it contains no {name}")
        array, dimensions = arrays[name], (3, 4) if name.startswith("x") else (1,)
        if array.dtype != np.uint8:
            raise StudyError(f"its {name} is {array.dtype}, not uint8")
        if array.ndim not in dimensions or 0 in array.shape:
            raise StudyError(f"its {name} has the shape {array.shape}")
    for part in ("train", "test"):
        images, labels = len(arrays[f"x_{part}"]), len(arrays[f"y_{part}"])
        if images != labels:
            raise StudyError(f"it has {images} images in x_{part} and {labels} labels in y_{part}")


def _require_content(arrays: Mapping[str, Array], facts: DataFacts, dataset: str) -> None:
    """Refuse arrays that are not a built-in data set: by their sizes, classes and pixels."""
    known = KNOWN[dataset]
    if facts != known:
        raise StudyError(f"it is not {dataset}: it has {_describe(facts)}, not {_describe(known)}")
    for part, examples in (("train", known.train_examples), ("test", known.test_examples)):
        counts = np.bincount(arrays[f"y_{part}"], minlength=known.classes)
        if (counts != examples // known.classes).any():
            raise StudyError(
                f"it is not {dataset}: its {part} images are {counts.min()} to {counts.max()} per class, "
                f"not {examples // known.classes}"
            )
    names = ("mean", "standard deviation")
    for name, actual, expected in zip(
        names, channel_moments(arrays["x_train"]), MOMENTS[dataset], strict=True
    ):
        if np.abs(np.subtract(actual, expected)).max() > MOMENTS_TOLERANCE:
            numbers = [", ".join(f"{value:.4f}" for value in values) for values in (actual, expected)]
            raise StudyError(
                f"it is not {dataset}: the {name} of its training images divided by 255 is {numbers[0]}, "
                f"not {numbers[1]}"
            )


def channel_moments(images: Array) -> tuple[list[float], list[float]]:
    """Mean and standard deviation of each channel of uint8 images divided by 255.

    Args:
        images: (examples, rows, columns) or (examples, rows, columns, channels).
    """
    channels = images.shape[3] if images.ndim == 4 else 1
    flat = images.reshape(len(images), -1)
    totals, squares = np.zeros((2, flat.shape[1]))
    for first in range(0, len(flat), 256):  # few enough for float32 to represent their sums exactly
        part = flat[first : first + 256].astype(np.float32)
        totals += part.sum(axis=0)
        squares += np.square(part).sum(axis=0)
    count = flat.size / channels
    mean = totals.reshape(-1, channels).sum(axis=0) / count
    variance = squares.reshape(-1, channels).sum(axis=0) / count - mean**2
    return (mean / 255).tolist(), (np.sqrt(np.maximum(variance, 0)) / 255).tolist()


def array_facts(arrays: Mapping[str, Array]) -> DataFacts:
    """The facts of four uint8 arrays, with one SHA-256 over all of them."""
    rows, columns, channels = (*arrays["x_train"].shape[1:], 1)[:3]
    hashes = "".join(idx_sha256(arrays[name]) for name in ARRAYS)
    return DataFacts(
        (rows, columns, channels),
        int(arrays["y_train"].max()) + 1,
        len(arrays["y_train"]),
        len(arrays["y_test"]),
        hashlib.sha256(hashes.encode()).hexdigest(),
    )


def _describe(facts: DataFacts) -> str:
    shape = "x".join(map(str, facts.image_shape))
    return f"{facts.train_examples} + {facts.test_examples} images of {shape} in {facts.classes} classes"


#: What NumPy and the modules that it uses raise for a file that is damaged or not an .npz.
UNREADABLE = (
    ValueError,  # not an array, or one that would have to be unpickled
    EOFError,
    KeyError,
    OverflowError,
    MemoryError,  # a damaged header may give any size
    NotImplementedError,  # a compression that zipfile does not know
    RuntimeError,  # an encrypted archive
    SyntaxError,
    TypeError,
    AttributeError,
    struct.error,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
    OSError,  # an impossible offset in the file
)


def read_npz(path: Path) -> dict[str, Array]:
    """The arrays of an .npz file.

    Raises:
        StudyError: the file is damaged, or contains objects that would have to be unpickled.
        OSError: the file cannot be opened.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            return dict(file)
    except UNREADABLE as error:
        if isinstance(error, OSError) and error.filename:
            raise  # it could not be opened
        # Not NumPy's message, which advises to unpickle.
        raise StudyError("it is not a complete .npz file of plain arrays") from error


def hold_out(arrays: Mapping[str, Array], examples: int) -> dict[str, Array]:
    """Split the last training images and labels off as `x_validation` and `y_validation`.

    Args:
        arrays: x_train, y_train, x_test and y_test.
        examples: the number of validation images.

    Returns:
        All six arrays.

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
    """Read and verify a data set that `fetch_data.py` has written, and hold out the last training images.

    Args:
        path: the .npz file.
        dataset: the name of the data set.
        validation_examples: the number of training images to hold out.
        sha256: the SHA-256 of a user's own arrays, see `array_facts`.

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
            f"{path} is damaged: {error}; delete it and start again: it will be fetched again"
        ) from error
    arrays = {name: array[..., np.newaxis] if array.ndim == 3 else array for name, array in arrays.items()}
    return Dataset(**hold_out({name: arrays[name] for name in ARRAYS}, validation_examples))


class PartSummary(TypedDict):
    """The size of a part of a data set: all its images, and those of each class."""

    examples: int
    per_class: list[int]


class Summary(TypedDict):
    """What a reader should know about a data set.

    `parts` has the keys train, validation and test; `image_shape` is [rows, columns, channels]; `darkest`,
    `brightest` and `mean` are pixel values from 0 to 255, over all parts.
    """

    parts: dict[str, PartSummary]
    image_shape: list[int]
    classes: int
    darkest: int
    brightest: int
    mean: float


def summarise(dataset: Dataset) -> Summary:
    """The sizes of a data set's parts and classes, and the range of its pixels."""
    parts = {part: (getattr(dataset, f"x_{part}"), getattr(dataset, f"y_{part}")) for part in PARTS}
    not_empty = [images for images, _ in parts.values() if len(images)]
    return {
        "parts": {
            part: {
                "examples": len(labels),
                "per_class": np.bincount(labels, minlength=dataset.classes).tolist(),
            }
            for part, (_, labels) in parts.items()
        },
        "image_shape": list(dataset.image_shape),
        "classes": dataset.classes,
        "darkest": int(min(images.min() for images in not_empty)),
        "brightest": int(max(images.max() for images in not_empty)),
        "mean": float(
            sum(images.sum(dtype=np.int64) for images in not_empty) / sum(images.size for images in not_empty)
        ),
    }
