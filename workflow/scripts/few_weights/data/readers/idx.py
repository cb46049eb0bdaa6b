"""Reads IDX files, the format in which MNIST was published."""

import gzip
import re
import struct
import zlib
from pathlib import Path

import numpy as np

from few_weights.data.conversion import roles
from few_weights.data.datasets import Array
from few_weights.data.readers.forms import Arrays, listed
from few_weights.errors import StudyError

#: The names under which the four IDX files of MNIST are published.
IDX_FILES = {
    "x_train": "train-images-idx3-ubyte",
    "y_train": "train-labels-idx1-ubyte",
    "x_test": "t10k-images-idx3-ubyte",
    "y_test": "t10k-labels-idx1-ubyte",
}


#: All names that IDX files have, without .gz: emnist-letters-train-images-idx3-ubyte,
#: train-images.idx3-ubyte.
IDX_NAME = re.compile(
    r"(?P<set>.*?)(?P<part>train|t10k|test|val(?:id(?:ation)?)?)[-_.](?P<kind>images|imgs|labels)"
    r"[-_.]idx\d[-_.](?:u?byte|int)",
    re.IGNORECASE,
)


#: The third byte of an IDX file -> the NumPy type of its values, big-endian.
IDX_TYPES = {8: ">u1", 9: ">i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}


def read_idx_folder(folder: Path) -> tuple[Arrays, list[str]]:
    """Read the four IDX files of a folder under any of the usual names, gzipped or not.

    Raises:
        StudyError: a file is missing or damaged, or the folder contains files of several data sets.
    """
    by_role: dict[str, Path] = {}
    prefixes = {}
    for file, match in _idx_files(folder):
        (role,) = roles([f"{match['part']}_{match['kind']}"])
        by_role.setdefault(role, file)
        prefixes[match["set"].lower()] = file
    if len(prefixes) > 1:
        names = " and ".join(sorted(repr(prefix.strip("-_.")) for prefix in prefixes))
        raise StudyError(
            f"the folder contains the IDX files of more than one data set, {names}; put the four files of "
            "each into its own folder"
        )
    (prefix,) = prefixes or ("",)
    for role, name in IDX_FILES.items():
        if role not in by_role:
            raise StudyError(
                f"{prefix}{name} (or {prefix}{name}.gz) is missing; the folder contains "
                f"{listed(entry.name for entry in folder.iterdir())}"
            )
    arrays = {role: _read_idx(file) for role, file in by_role.items()}
    sentences = []
    if prefix.startswith("emnist"):
        sentences.append("images: read as they are stored; those of EMNIST have rows and columns exchanged")
    return arrays, sentences


def _idx_files(folder: Path) -> list[tuple[Path, re.Match[str]]]:
    """The files with a name of IDX files and the match of the name, unpacked files before packed ones.

    A file may lie in a folder of its own name, as some programs unpack it.
    """
    files = []
    for entry in folder.iterdir():
        if entry.name.startswith(".") or not IDX_NAME.match(entry.name):
            continue
        for file in entry.iterdir() if entry.is_dir() else [entry]:
            if (match := IDX_NAME.match(file.name)) and file.is_file():
                files.append((file, match))
    return sorted(files, key=lambda item: (item[0].suffix == ".gz", len(item[0].parts), item[0].name))


def _read_idx(file: Path) -> Array:
    content = file.read_bytes()
    if content.startswith(b"\x1f\x8b"):
        try:
            content = gzip.decompress(content)
        except (EOFError, zlib.error, OSError) as error:
            raise StudyError(
                f"{file.name} is damaged or incomplete: it cannot be unzipped ({error})"
            ) from error
    dimensions = content[3] if len(content) > 3 else 0
    header = 4 + 4 * dimensions
    if content[:2] == b"\0\0" and len(content) >= header > 4 and content[2] in IDX_TYPES:
        dtype = np.dtype(IDX_TYPES[content[2]])
        shape = struct.unpack(f">{dimensions}I", content[4:header])
        if len(content) - header == dtype.itemsize * int(np.prod(shape, dtype=object)):
            array = np.frombuffer(content, dtype, offset=header).reshape(shape)
            return array.astype(dtype.newbyteorder("="), copy=False)
    raise StudyError(f"{file.name} is not a complete IDX file: fetch it again")
