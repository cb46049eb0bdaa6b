"""Reads a user's file or folder of any format: decides by its content which reader to use."""

import gzip
import re
import zlib
from collections.abc import Iterable
from pathlib import Path

from few_weights.data.conversion import roles
from few_weights.data.readers.cifar import CIFAR_LABEL_BYTES, read_cifar
from few_weights.data.readers.csv_tables import read_csv_folder
from few_weights.data.readers.forms import FORMS, PART_NAMES, Arrays, listed
from few_weights.data.readers.idx import IDX_NAME, read_idx_folder
from few_weights.data.readers.image_folders import image_files_in, read_image_folders
from few_weights.data.readers.numpy_files import read_npy_folder, read_npz_file
from few_weights.errors import StudyError

#: Files that cannot be read: their first bytes, what they are, and what to do.
FOREIGN = [
    (
        b"\x89HDF",
        "an HDF5 file (.h5, or .mat of version 7.3)",
        "read its arrays and save them with numpy.savez",
    ),
    (b"MATLAB", "a MATLAB file", "scipy.io.loadmat reads it: save its arrays with numpy.savez"),
    (b"PAR1", "a Parquet file", "read it with pandas and save its arrays with numpy.savez"),
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself", "`git lfs pull` fetches it"),
    (b"\x89PNG", "one image", "put the images into one folder per class"),
    (b"\xff\xd8\xff", "one image", "put the images into one folder per class"),
    (b"Rar!", "a RAR archive", "unpack it and name the folder"),
    (b"7z\xbc\xaf", "a 7z archive", "unpack it and name the folder"),
    (b"\xff\xfe", "a text in UTF-16", "save it as UTF-8"),
    (b"BZh", "packed by bzip2", "unpack it and name the result"),
    (b"\xfd7zXZ", "packed by xz", "unpack it and name the result"),
]


def read_path(path: Path, dataset: str) -> tuple[Arrays, list[str]]:
    """Read a file or folder.

    Args:
        path: the file or folder.
        dataset: the name of the data set; CIFAR has its own format.

    Returns:
        Arrays by role, neither converted nor verified; and what was done, one sentence each.

    Raises:
        StudyError: the path does not exist or cannot be read.
    """
    try:
        if not path.exists():
            raise StudyError("there is no such file or folder")
        if path.is_dir():
            return _read_folder(path, dataset)
        if not path.is_file():
            raise StudyError(f"it is neither a file nor a folder; {FORMS}")
        return _read_file(path, dataset)
    except MemoryError as error:
        raise StudyError("it needs more memory than this machine has free") from error
    except OSError as error:
        raise StudyError(f"it cannot be read ({error.strerror or error})") from error


def _read_file(path: Path, dataset: str) -> tuple[Arrays, list[str]]:
    """Read a file by its content, whatever its name is."""
    with path.open("rb") as file:
        start = file.read(512)
    if not start:
        raise StudyError(f"it is empty; {FORMS}")
    if start.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return read_npz_file(path)
    if dataset in CIFAR_LABEL_BYTES and (path.name.endswith((".tar.gz", ".tgz", ".tar")) or _is_tar(start)):
        return read_cifar(path, CIFAR_LABEL_BYTES[dataset]), []
    raise StudyError(f"it is {_foreign(path, start)}; {FORMS}")


def _is_tar(start: bytes) -> bool:
    return start[257:262] == b"ustar"


def _foreign(path: Path, start: bytes) -> str:
    """What an unsupported file is, and what to do with it."""
    packed = ""
    if start.startswith(b"\x1f\x8b"):
        packed = "gzipped, and contains "
        try:
            with gzip.open(path) as file:
                start = file.read(512)
        except (OSError, EOFError, zlib.error):
            return "a damaged .gz file: fetch it again"
        if not start:
            return "an empty .gz file: fetch it again"
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n")
    for begin, what, fix in FOREIGN:
        if start.startswith(begin):
            return f"{packed}{what}: {fix}"
    if start.startswith(b"\x93NUMPY"):
        return f"{packed}one array (.npy): save the four together, numpy.savez(path, x_train=x_train, …)"
    if text[:1] == b"<":
        return f"{packed}a web page (HTML or XML), perhaps an error page: fetch the file again"
    if _is_tar(start):
        return f"{packed}a tar archive: unpack it and name the folder"
    if re.match(rb"\x80[\x02-\x05]", start):
        return (
            f"{packed}a pickle, which is not opened because it can run any program: "
            "save its arrays with numpy.savez"
        )
    if re.match(rb"\0\0[\x08-\x0e][\x01-\x04]", start):
        return f"{packed}one IDX file: name the folder that contains all four"
    if _is_text(start):
        if text[:1] not in b"{[" and re.search(rb"[,;\t]", text.partition(b"\n")[0]):
            tests = [file.name for file in path.parent.glob("*.csv*") if "test" in file.name.lower()]
            if tests and "test" not in path.name.lower():
                return f"{packed}one CSV: to use {tests[0]} as well, name their folder, {path.parent}"
            return (
                f"{packed}one CSV, without test images: split it into train.csv and test.csv, "
                "and name the folder that contains both"
            )
        return f"{packed}a text"
    return f"{packed}a file of an unknown format"


def _is_text(start: bytes) -> bool:
    try:
        # The last character may be incomplete.
        return "\0" not in start.decode("utf-8", "strict" if len(start) < 512 else "ignore")
    except UnicodeDecodeError:
        return False


def _read_folder(folder: Path, dataset: str) -> tuple[Arrays, list[str]]:
    entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    files, folders = [e for e in entries if e.is_file()], [e for e in entries if e.is_dir()]
    if any(IDX_NAME.match(entry.name) for entry in entries):
        return read_idx_folder(folder)
    if dataset in CIFAR_LABEL_BYTES and any(file.suffix == ".bin" for file in files):
        return read_cifar(folder, CIFAR_LABEL_BYTES[dataset]), []
    tables = [file for file in files if re.search(r"\.csv(\.gz)?$", file.name, re.IGNORECASE)]
    if parts := _parts(folders):
        return read_image_folders(folder, parts)
    if tables:
        return read_csv_folder(tables)
    if by_role := roles(file.stem for file in files if file.suffix == ".npy"):
        return read_npy_folder(folder, by_role)
    fix = ""
    if archives := [file.name for file in files if file.suffix == ".npz"]:
        fix = f"name the file: {folder / archives[0]}; "
    elif any(re.fullmatch(r"data_batch_\d|(train|test)", file.name) for file in files):
        fix = "CIFAR's Python version would have to be unpickled, so use the binary version (.bin); "
    elif any(image_files_in(each)[0] for each in folders):
        fix = "put the folders of the classes into train/ and test/; "
    elif len(folders) == 1:
        fix = f"do you mean {folders[0]}? "
    raise StudyError(f"the folder contains {listed(entry.name for entry in entries)}; {fix}{FORMS}")


def _parts(entries: Iterable[Path]) -> dict[str, Path]:
    """The folder of each part, for folders that have the name of a part."""
    by_part: dict[str, Path] = {}
    for entry in entries:
        for part, names in PART_NAMES.items():
            if entry.name.lower() in names:
                if part in by_part:
                    both = f"{by_part[part].name}/ and {entry.name}/"
                    raise StudyError(f"it contains both {both}; remove one of them")
                by_part[part] = entry
    return {part: by_part[part] for part in PART_NAMES if part in by_part}
