"""IDX files, the format in which MNIST is published, as arrays by name."""

import gzip
import re
import struct
import zlib
from pathlib import Path

import numpy as np

from few_weights.data.conversion import roles
from few_weights.data.readers.forms import Arrays, listed
from few_weights.errors import StudyError

#: The names under which the four IDX files of MNIST are published.
IDX_FILES = {
    "x_train": "train-images-idx3-ubyte",
    "y_train": "train-labels-idx1-ubyte",
    "x_test": "t10k-images-idx3-ubyte",
    "y_test": "t10k-labels-idx1-ubyte",
}


#: Any name of an IDX file, without .gz: emnist-letters-train-images-idx3-ubyte, train-images.idx3-ubyte.
IDX_NAME = re.compile(
    r"(?P<set>.*?)(?P<part>train|t10k|test|val(?:id(?:ation)?)?)[-_.](?P<kind>images|imgs|labels)"
    r"[-_.]idx\d[-_.](?:u?byte|int)",
    re.IGNORECASE,
)


#: The third byte of an IDX file -> the type of its values, big-endian.
IDX_TYPES = {8: ">u1", 9: ">i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}


# IDX


def read_idx_folder(folder: Path) -> tuple[Arrays, list[str]]:
    """The four IDX files of a folder under any of the names in use, gzipped or not.

    Raises:
        StudyError: one is missing or damaged, or the folder holds those of several data sets.
    """
    found: dict[str, Path] = {}
    prefixes = {}
    for file in _idx_files(folder):
        match = IDX_NAME.match(file.name)
        ((role, _),) = roles([f"{match['part']}_{match['kind']}"]).items()
        found.setdefault(role, file)
        prefixes[match["set"].lower()] = file
    if len(prefixes) > 1:
        names = " and ".join(sorted(repr(prefix.strip("-_.")) for prefix in prefixes))
        raise StudyError(
            f"the folder holds the IDX files of more than one data set, {names}; put the four of "
            "one into a folder"
        )
    (prefix,) = prefixes or ("",)
    for role, name in IDX_FILES.items():
        if role not in found:
            raise StudyError(
                f"{prefix}{name} (or {prefix}{name}.gz) is missing; the folder holds "
                f"{listed(entry.name for entry in folder.iterdir())}"
            )
    arrays = {role: _read_idx(file) for role, file in found.items()}
    sentences = []
    if prefix.startswith("emnist"):
        sentences.append("images: taken as the files hold them; EMNIST's have rows and columns exchanged")
    return arrays, sentences


def _idx_files(folder: Path) -> list[Path]:
    """Those named like IDX files, those that were unpacked into a folder of their own name with them.

    An unpacked file comes before the packed one.
    """
    files = []
    for entry in folder.iterdir():
        if entry.name.startswith(".") or not IDX_NAME.match(entry.name):
            continue
        inside = (
            [file for file in entry.iterdir() if IDX_NAME.match(file.name)] if entry.is_dir() else [entry]
        )
        files += [file for file in inside if file.is_file()]
    return sorted(files, key=lambda file: (file.suffix == ".gz", len(file.parts), file.name))


def _read_idx(file: Path) -> np.ndarray:
    content = file.read_bytes()
    if content.startswith(b"\x1f\x8b"):
        try:
            content = gzip.decompress(content)
        except (EOFError, zlib.error, OSError) as error:
            raise StudyError(
                f"{file.name} is damaged, or cut short: it cannot be unzipped ({error})"
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
