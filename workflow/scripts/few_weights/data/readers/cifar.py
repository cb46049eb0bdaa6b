"""Reads the binary files of CIFAR-10 and CIFAR-100."""

import tarfile
import zlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from few_weights.data.datasets import Array
from few_weights.data.readers.forms import Arrays
from few_weights.errors import StudyError

#: The files of CIFAR's archives that contain images.
CIFAR_FILES = {
    "train": [*(f"data_batch_{number}.bin" for number in range(1, 6)), "train.bin"],
    "test": ["test_batch.bin", "test.bin"],
}

#: The number of label bytes before each image: CIFAR-100 has a coarse label (20 classes), then the fine label
#: (100 classes), which is the one that is used.
CIFAR_LABEL_BYTES = {"cifar10": 1, "cifar100": 2}


def read_cifar(path: Path, label_bytes: int) -> Arrays:
    """Read CIFAR's binary version: records of labels, then 1,024 red, 1,024 green and 1,024 blue bytes.

    Args:
        path: the archive, or the folder that it was unpacked into.
        label_bytes: see `CIFAR_LABEL_BYTES`.

    Raises:
        StudyError: the archive is damaged, or files are missing.
    """
    parts: dict[str, dict[str, Array]] = {part: {} for part in CIFAR_FILES}
    try:
        for name, content in _binary_files(path):
            for part, names in CIFAR_FILES.items():
                if name in names:
                    records = np.frombuffer(content, np.uint8)
                    parts[part][name] = records.reshape(-1, label_bytes + 3 * 32 * 32)
    except (tarfile.TarError, OSError, EOFError, zlib.error, ValueError) as error:
        raise StudyError(
            f"{path.name} is not a complete archive of CIFAR's binary version ({error})"
        ) from error
    arrays = {}
    for part, files in parts.items():
        if not files:
            raise StudyError(f"{path.name} contains none of {', '.join(CIFAR_FILES[part])}")
        records = np.concatenate([files[name] for name in CIFAR_FILES[part] if name in files])
        arrays[f"y_{part}"] = records[:, label_bytes - 1]
        pixels = records[:, label_bytes:].reshape(-1, 3, 32, 32)
        arrays[f"x_{part}"] = np.ascontiguousarray(pixels.transpose(0, 2, 3, 1))
    return arrays


def _binary_files(path: Path) -> Iterable[tuple[str, bytes]]:
    if path.is_dir():
        yield from ((file.name, file.read_bytes()) for file in path.glob("*.bin"))
        return
    with tarfile.open(path) as archive:
        for member in archive:
            if member.name.endswith(".bin") and member.isfile() and (file := archive.extractfile(member)):
                yield Path(member.name).name, file.read()
