"""Data sets as arrays in memory, always verified, never unpickled.

Every data set, a known one or a user's own, lies in results/data/ as four uint8 arrays: `conversion.py` made
them of whatever the user has. Images are divided by 255 before a network sees them; labels count from 0.
"""

import hashlib
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from few_weights.errors import StudyError
from few_weights.plan.data_facts import DataFacts

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


#: Mean and standard deviation of each channel over the training images, divided by 255, of the data sets
#: whose arrays have no published hash. These are the constants by which others standardise their inputs:
#: for CIFAR https://github.com/kuangliu/pytorch-cifar/issues/19, for Fashion-MNIST
#: https://github.com/chatflip/CalculationMeanStd.
MOMENTS = {
    "fashion_mnist": ((0.2860,), (0.3530,)),
    "cifar10": ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
    "cifar100": ((0.5071, 0.4867, 0.4408), (0.2675, 0.2565, 0.2761)),
}


#: The published means and deviations of one data set differ by up to 0.0003. Data sets of the same shape lie
#: further apart: MNIST's mean is 0.1307, KMNIST's 0.1918, Fashion-MNIST's 0.2860.
MOMENTS_TOLERANCE = 0.001


ARRAYS = ("x_train", "y_train", "x_test", "y_test")


PARTS = ("train", "validation", "test")


KNOWN = {
    "mnist": DataFacts((28, 28, 1), 10, 60_000, 10_000),
    "fashion_mnist": DataFacts((28, 28, 1), 10, 60_000, 10_000),
    "cifar10": DataFacts((32, 32, 3), 10, 50_000, 10_000),
    "cifar100": DataFacts((32, 32, 3), 100, 50_000, 10_000),
    "digits": DataFacts((8, 8, 1), 10, 1_437, 360),
}

#: Known data sets by the names that publications use.
DISPLAY_NAMES = {
    "mnist": "MNIST",
    "fashion_mnist": "Fashion-MNIST",
    "cifar10": "CIFAR-10",
    "cifar100": "CIFAR-100",
    "digits": "UCI digits",
}


def display_name(dataset: str) -> str:
    """A data set's name as figures and the report write it; that of a user's own data set is unchanged."""
    return DISPLAY_NAMES.get(dataset, dataset)


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
    _require_uint8(arrays)
    facts = array_facts(arrays)
    if dataset in KNOWN:
        _require_content(arrays, replace(facts, sha256=""), dataset)
    if sha256 and facts.sha256 != sha256:
        raise StudyError("it is no longer the file that the study was started with")


def _require_uint8(arrays: Mapping[str, np.ndarray]) -> None:
    """Refuse what is not four uint8 arrays of images and labels."""
    for name in ARRAYS:
        if name not in arrays:
            raise StudyError(f"it holds no {name}")
        array, images = arrays[name], name.startswith("x")
        if array.dtype != np.uint8:
            raise StudyError(f"its {name} holds {array.dtype}, not uint8")
        if array.ndim not in ((3, 4) if images else (1,)) or 0 in array.shape:
            raise StudyError(f"its {name} has the shape {array.shape}")
    for part in ("train", "test"):
        images, labels = len(arrays[f"x_{part}"]), len(arrays[f"y_{part}"])
        if images != labels:
            raise StudyError(f"it has {images} images in x_{part} and {labels} labels in y_{part}")


def _require_content(arrays: Mapping[str, np.ndarray], facts: DataFacts, dataset: str) -> None:
    """Refuse arrays that are not the known data set: by their sizes, classes and pixels."""
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
    for name, found, expected in zip(
        names, channel_moments(arrays["x_train"]), MOMENTS[dataset], strict=True
    ):
        if np.abs(np.subtract(found, expected)).max() > MOMENTS_TOLERANCE:
            found, expected = (", ".join(f"{value:.4f}" for value in values) for values in (found, expected))
            raise StudyError(
                f"it is not {dataset}: the {name} of its training images divided by 255 is {found}, "
                f"not {expected}"
            )


def channel_moments(images: np.ndarray) -> tuple[list[float], list[float]]:
    """Mean and standard deviation of each channel of uint8 images, divided by 255.

    `images` has the shape (examples, rows, columns) or (examples, rows, columns, channels).
    """
    channels = images.shape[3] if images.ndim == 4 else 1
    flat = images.reshape(len(images), -1)
    sums, squares = np.zeros((2, flat.shape[1]))
    for first in range(0, len(flat), 256):  # few enough that float32 holds their sums exactly
        part = flat[first : first + 256].astype(np.float32)
        sums += part.sum(axis=0)
        squares += np.square(part).sum(axis=0)
    count = flat.size / channels
    mean = sums.reshape(-1, channels).sum(axis=0) / count
    variance = squares.reshape(-1, channels).sum(axis=0) / count - mean**2
    return (mean / 255).tolist(), (np.sqrt(np.maximum(variance, 0)) / 255).tolist()


def array_facts(arrays: Mapping[str, np.ndarray]) -> DataFacts:
    """The facts of four uint8 arrays, with one SHA-256 over all of them."""
    rows_columns_channels = (*arrays["x_train"].shape[1:], 1)[:3]
    hashes = "".join(idx_sha256(arrays[name]) for name in ARRAYS)
    return DataFacts(
        rows_columns_channels,
        int(arrays["y_train"].max()) + 1,
        len(arrays["y_train"]),
        len(arrays["y_test"]),
        hashlib.sha256(hashes.encode()).hexdigest(),
    )


def _describe(facts: DataFacts) -> str:
    shape = "x".join(map(str, facts.image_shape))
    return f"{facts.train_examples} + {facts.test_examples} images of {shape} in {facts.classes} classes"


#: What numpy and the modules under it raise for a file that is damaged or no .npz at all.
UNREADABLE = (
    ValueError,  # what is not an array, or would have to be unpickled
    EOFError,
    KeyError,
    OverflowError,
    MemoryError,  # a damaged header may promise any size
    NotImplementedError,  # a compression that zipfile does not know
    RuntimeError,  # an encrypted archive
    SyntaxError,
    TypeError,
    AttributeError,
    struct.error,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
    OSError,  # a place in the file that cannot be
)


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """The arrays of an .npz file; objects that would have to be unpickled are refused.

    Raises:
        StudyError: the file cannot be read as such.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            return dict(file)
    except UNREADABLE as error:
        if isinstance(error, OSError) and error.filename:
            raise  # it could not even be opened
        # Not in numpy's words: it advises to unpickle.
        raise StudyError("it is not a complete .npz file of plain arrays") from error


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


def summarise(dataset: Dataset) -> dict:
    """What a reader should know of a data set at a glance, as plain numbers.

    The keys: `parts`, with `examples` and the list `per_class` for train, validation and test; `image_shape`
    as [rows, columns, channels]; `classes`; `darkest`, `brightest` and `mean` (0 to 255) over the pixels of
    all parts.
    """
    parts = {part: (getattr(dataset, f"x_{part}"), getattr(dataset, f"y_{part}")) for part in PARTS}
    held = [images for images, _ in parts.values() if len(images)]
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
        "darkest": int(min(images.min() for images in held)),
        "brightest": int(max(images.max() for images in held)),
        "mean": float(
            sum(images.sum(dtype=np.int64) for images in held) / sum(images.size for images in held)
        ),
    }
