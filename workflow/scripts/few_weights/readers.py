"""Files and folders that people have data in, read as arrays: .npz, .npy, IDX, CSV, images, CIFAR's archives.

What comes out is not converted yet: the arrays by their role (`conversion.roles`), and a sentence for all
that was done. Nothing is unpickled, and an array that is not needed is not read.
"""

import gzip
import io
import re
import struct
import tarfile
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from few_weights.conversion import described_roles, require_roles, roles
from few_weights.datasets import ARRAYS, UNREADABLE
from few_weights.errors import StudyError

#: What data can be, for whoever has something else.
FORMS = (
    f"data can be an .npz with {', '.join(ARRAYS)}, or a folder with train.csv and test.csv, with "
    "the four IDX "
    "files, or with train/CLASS/ and test/CLASS/ full of images"
)

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

#: The files of CIFAR's archives that hold images, and how many bytes of label stand before each image:
#: CIFAR-100 has the coarse one of 20 first, then the one of 100 that counts.
CIFAR_FILES = {
    "train": [*(f"data_batch_{number}.bin" for number in range(1, 6)), "train.bin"],
    "test": ["test_batch.bin", "test.bin"],
}
CIFAR_LABEL_BYTES = {"cifar10": 1, "cifar100": 2}

#: The columns of a CSV that hold labels, in small letters.
LABEL_COLUMNS = {"label", "labels", "class", "target", "y"}

#: Names of a part's folder or CSV.
PART_NAMES = {
    "train": ("train", "training"),
    "validation": ("val", "valid", "validation"),
    "test": ("test", "testing"),
}

#: What a folder of images may hold: everything else in it is left out, and named.
IMAGE_SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".pgm", ".ppm", ".pbm"}

#: How files begin that are something else: the bytes, what it is, and what to do.
FOREIGN = [
    (
        b"\x89HDF",
        "an HDF5 file (.h5, or .mat of version 7.3)",
        "read its arrays and save them with numpy.savez",
    ),
    (b"MATLAB", "a MATLAB file", "scipy.io.loadmat reads it: save its arrays with numpy.savez"),
    (b"PAR1", "a Parquet file", "read it with pandas and save its arrays with numpy.savez"),
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself", "`git lfs pull` fetches it"),
    (b"\x89PNG", "one image", "put the images into a folder for each class"),
    (b"\xff\xd8\xff", "one image", "put the images into a folder for each class"),
    (b"Rar!", "a RAR archive", "unpack it and name the folder"),
    (b"7z\xbc\xaf", "a 7z archive", "unpack it and name the folder"),
    (b"\xff\xfe", "a text in UTF-16", "save it as UTF-8"),
    (b"BZh", "packed by bzip2", "unpack it and name what was in it"),
    (b"\xfd7zXZ", "packed by xz", "unpack it and name what was in it"),
]

Arrays = dict[str, np.ndarray]


def read_path(path: Path, dataset: str) -> tuple[Arrays, list[str]]:
    """The arrays of a local file or folder by their role, neither converted nor verified, and what was done.

    Raises:
        StudyError: there is nothing there, or nothing that can be read.
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
        raise StudyError("it takes more memory than this machine has free") from error
    except OSError as error:
        raise StudyError(f"it cannot be read ({error.strerror or error})") from error


def _read_file(path: Path, dataset: str) -> tuple[Arrays, list[str]]:
    """By what the file holds, whatever its name is."""
    with path.open("rb") as file:
        start = file.read(512)
    if not start:
        raise StudyError(f"it is empty; {FORMS}")
    if start.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _from_npz(path)
    if dataset in CIFAR_LABEL_BYTES and (path.name.endswith((".tar.gz", ".tgz", ".tar")) or _is_tar(start)):
        return read_cifar(path, CIFAR_LABEL_BYTES[dataset]), []
    raise StudyError(f"it is {_foreign(path, start)}; {FORMS}")


def _is_tar(start: bytes) -> bool:
    return start[257:262] == b"ustar"


def _foreign(path: Path, start: bytes) -> str:
    """What a file is that cannot be taken, and what to do with it."""
    packed = ""
    if start.startswith(b"\x1f\x8b"):
        packed = "gzipped, and in it "
        try:
            with gzip.open(path) as file:
                start = file.read(512)
        except (OSError, EOFError, zlib.error):
            return "a damaged .gz file: fetch it again"
        if not start:
            return "a .gz file with nothing in it: fetch it again"
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n")
    for begin, what, fix in FOREIGN:
        if start.startswith(begin):
            return f"{packed}{what}: {fix}"
    if start.startswith(b"\x93NUMPY"):
        return f"{packed}one array (.npy): save the four together, numpy.savez(path, x_train=x_train, …)"
    if text[:1] == b"<":
        return f"{packed}a web page (HTML or XML), perhaps of an error: fetch the file again"
    if _is_tar(start):
        return f"{packed}a tar archive: unpack it and name the folder"
    if re.match(rb"\x80[\x02-\x05]", start):
        return (
            f"{packed}a pickle, which is not opened because it can run any program: "
            "save its arrays with numpy.savez"
        )
    if re.match(rb"\0\0[\x08-\x0e][\x01-\x04]", start):
        return f"{packed}one IDX file: name the folder that holds all four"
    if _is_text(start):
        if text[:1] not in b"{[" and re.search(rb"[,;\t]", text.partition(b"\n")[0]):
            beside = [file.name for file in path.parent.glob("*.csv*") if "test" in file.name.lower()]
            if beside and "test" not in path.name.lower():
                return f"{packed}one CSV: to take {beside[0]} with it, name their folder, {path.parent}"
            return (
                f"{packed}one CSV, without a part to test on: split it into train.csv and test.csv, "
                "and name the folder that holds both"
            )
        return f"{packed}a text"
    return f"{packed}no file that is known here"


def _is_text(start: bytes) -> bool:
    try:
        # The last character may be cut.
        return "\0" not in start.decode("utf-8", "strict" if len(start) < 512 else "ignore")
    except UnicodeDecodeError:
        return False


def _listed(names: Iterable[str]) -> str:
    names = sorted(names)
    return ", ".join(names[:12]) + (", …" if len(names) > 12 else "") if names else "nothing"


# .npz and .npy


def _from_npz(path: Path) -> tuple[Arrays, list[str]]:
    try:
        file = np.load(path, allow_pickle=False)
    except UNREADABLE as error:
        raise StudyError(f"it is damaged, or cut short: fetch or save it again; {FORMS}") from error
    with file:
        if not any(name.endswith(".npy") for name in file.zip.namelist()):
            names = _listed(file.zip.namelist())
            raise StudyError(f"it is a zip archive of {names}: unpack it and name the folder; {FORMS}")
        found = roles(file.files)
        require_roles(found, file.files)
        return {role: _array(file, name) for role, name in found.items()}, described_roles(found)


def _array(file: Mapping[str, np.ndarray], name: str) -> np.ndarray:
    """One array of an .npz, or the refusal that fits: not numpy's words, which advise to unpickle."""
    try:
        array = file[name]
    except UNREADABLE as error:
        if "allow_pickle" in str(error):
            raise StudyError(_pickled(name)) from error
        raise StudyError(f"its {name} is damaged: fetch or save the file again; {FORMS}") from error
    if not isinstance(array, np.ndarray):
        raise StudyError(f"its {name} is no array; {FORMS}")
    return array


def _pickled(name: str) -> str:
    (role,) = roles([name])
    fix = (
        f"{name}=np.stack({name}), of images that are all of one size"
        if role.startswith("x")
        else f"{name}={name}.astype(str) for texts, {name}.astype(int) for numbers"
    )
    return (
        f"its {name} is an array of Python objects, which are not opened because they can run any program; "
        f"save it as {fix}"
    )


def _from_npy_folder(folder: Path, found: Mapping[str, str]) -> tuple[Arrays, list[str]]:
    """A file for each array: x_train.npy, y_train.npy and so on."""
    require_roles(found, found.values())
    arrays = {}
    for role, name in found.items():
        try:
            arrays[role] = np.load(folder / f"{name}.npy", allow_pickle=False)
        except UNREADABLE as error:
            if "allow_pickle" in str(error) and (folder / f"{name}.npy").read_bytes()[:6] == b"\x93NUMPY":
                raise StudyError(_pickled(name)) from error
            raise StudyError(f"{name}.npy is damaged, or no .npy: save it again") from error
    return arrays, described_roles(found)


# Folders


def _read_folder(folder: Path, dataset: str) -> tuple[Arrays, list[str]]:
    entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    files, folders = [e for e in entries if e.is_file()], [e for e in entries if e.is_dir()]
    if any(IDX_NAME.match(entry.name) for entry in entries):
        return read_idx_folder(folder)
    if dataset in CIFAR_LABEL_BYTES and any(file.suffix == ".bin" for file in files):
        return read_cifar(folder, CIFAR_LABEL_BYTES[dataset]), []
    tables = [file for file in files if re.search(r"\.csv(\.gz)?$", file.name, re.IGNORECASE)]
    if parts := _parts(folders):
        return _from_image_folders(folder, parts)
    if tables:
        return _from_csv_folder(tables)
    if found := roles(file.stem for file in files if file.suffix == ".npy"):
        return _from_npy_folder(folder, found)
    fix = ""
    if archives := [file.name for file in files if file.suffix == ".npz"]:
        fix = f"name the file: {folder / archives[0]}; "
    elif any(re.fullmatch(r"data_batch_\d|(train|test)", file.name) for file in files):
        fix = "CIFAR's Python version would have to be unpickled, so take the binary version (.bin); "
    elif any(_images_of(each)[0] for each in folders):
        fix = "put the folders of the classes into train/ and test/; "
    elif len(folders) == 1:
        fix = f"is it {folders[0]} that you mean? "
    raise StudyError(f"the folder holds {_listed(entry.name for entry in entries)}; {fix}{FORMS}")


def _parts(entries: Iterable[Path]) -> dict[str, Path]:
    """Part -> its folder, where folders are named after parts."""
    found: dict[str, Path] = {}
    for entry in entries:
        for part, names in PART_NAMES.items():
            if entry.name.lower() in names:
                if part in found:
                    both = f"{found[part].name}/ and {entry.name}/"
                    raise StudyError(f"it holds both {both}; leave one of them out")
                found[part] = entry
    return {part: found[part] for part in PART_NAMES if part in found}


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
                f"{_listed(entry.name for entry in folder.iterdir())}"
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


# CIFAR


def read_cifar(path: Path, label_bytes: int) -> Arrays:
    """The arrays of CIFAR's binary version: records of labels and 1,024 red, green and blue bytes each.

    `path` is the archive, or the folder that it was unpacked into.

    Raises:
        StudyError: it is damaged, or the files are not there.
    """
    parts: dict[str, dict[str, np.ndarray]] = {part: {} for part in CIFAR_FILES}
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
            raise StudyError(f"{path.name} holds none of {', '.join(CIFAR_FILES[part])}")
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
            if member.isfile() and member.name.endswith(".bin"):
                yield Path(member.name).name, archive.extractfile(member).read()


# CSV


def _from_csv_folder(tables: Iterable[Path]) -> tuple[Arrays, list[str]]:
    """A CSV for each part: train.csv and test.csv, or with more before it, as in mnist_train.csv."""
    found: dict[str, Path] = {}
    for file in tables:
        words = re.split(r"[-_. ]", file.name.lower())
        for part, names in PART_NAMES.items():
            if set(words) & set(names):
                if part in found:
                    raise StudyError(
                        f"it holds both {found[part].name} and {file.name}; leave one of them out"
                    )
                found[part] = file
    for part in ("train", "test"):
        if part not in found:
            raise StudyError(
                f"the folder holds {_listed(file.name for file in tables)}, but no {part}.csv; "
                "it must hold train.csv and test.csv, each with a label and the pixels of one image per line"
            )
    arrays, sentences = {}, []
    for part, file in found.items():
        arrays[f"x_{part}"], arrays[f"y_{part}"], done = _read_csv(file)
        sentences += [sentence for sentence in done if sentence not in sentences]
    return arrays, sentences


def _read_csv(file: Path) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Pixels (examples, pixels), labels (examples,), and what was done."""
    import pandas  # takes half a second, and the other forms do without

    open_text = gzip.open if file.read_bytes()[:2] == b"\x1f\x8b" else open
    try:
        with open_text(file, "rt", encoding="utf-8-sig") as stream:
            text = stream.read()
        first = text.partition("\n")[0]
        separator = max(",;\t", key=first.count)
        cells = [cell.strip().strip('"') for cell in first.split(separator)]
        texts = [index for index, cell in enumerate(cells) if not _is_number(cell)]
        header = (
            len(texts) > 1
            or any(cell.lower() in LABEL_COLUMNS for cell in cells)
            or cells == [str(number) for number in range(len(cells))]
        )
        table = pandas.read_csv(
            io.StringIO(text),
            sep=separator,
            header=0 if header else None,
            low_memory=False,
            # A class may be called NA or null.
            keep_default_na=False,
            na_values=[""],
        )
    except UnicodeError as error:
        raise StudyError(f"{file.name} is not a text in UTF-8: save it as CSV again") from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise StudyError(f"{file.name} is damaged, or cut short: fetch it again") from error
    except (pandas.errors.ParserError, pandas.errors.EmptyDataError) as error:
        reason = " ".join(str(error).split()).removeprefix("Error tokenizing data. C error: ")
        raise StudyError(f"{file.name} is not a CSV with as many cells on each line ({reason})") from error
    if table.empty or table.shape[1] < 2:
        raise StudyError(f"{file.name} holds no line of label and pixels")
    first_line, done = 2 if header else 1, []
    names = [str(name).strip().lower() for name in table.columns] if header else [""] * table.shape[1]
    if header and names[0].startswith("unnamed: 0"):
        if (table.iloc[:, 0] != np.arange(len(table))).any():
            raise StudyError(f"{file.name} has a first column without a name; call it label, or leave it out")
        table, names = table.iloc[:, 1:], names[1:]
        done.append("CSV: the first column, numbers of lines without a name, is left out")
    labelled = [index for index, name in enumerate(names) if name in LABEL_COLUMNS]
    if len(labelled) > 1:
        raise StudyError(f"{file.name} has more than one column of labels; keep one of them")
    if not labelled and _is_square(table.shape[1]) and not _is_square(table.shape[1] - 1):
        raise StudyError(
            f"{file.name} has {table.shape[1]} columns, as many as an image of pixels, and none of labels; "
            "each line must hold a label, in the first column or in one that is called label"
        )
    label = labelled[0] if labelled else texts[0] if texts and not header else 0
    column = f"column {_column(table.columns[label], header)}"
    done.append(f"CSV: labels from {column}, pixels from the others, row by row")
    pixels = table.drop(columns=table.columns[label])
    if not isinstance(table.index, pandas.RangeIndex):
        raise StudyError(f"{file.name} has lines with more cells than its first line")
    for name, values in table.items():
        if name in pixels and values.dtype.kind not in "iuf":
            bad = pandas.to_numeric(values, errors="coerce").isna().to_numpy()
        else:
            bad = values.isna().to_numpy()
        if bad.any():
            line, cell = int(bad.argmax()), values.iloc[int(bad.argmax())]
            what = "is empty" if pandas.isna(cell) else f"holds {cell!r}, which is not a number"
            raise StudyError(f"{file.name}, line {line + first_line}: column {_column(name, header)} {what}")
    labels = table.iloc[:, label].to_numpy()
    if labels.dtype.kind not in "biuf":
        labels = labels.astype(str)
    return pixels.to_numpy(), labels, done


def _column(name, header: bool) -> str:
    return f"'{name}'" if header else str(name + 1)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return cell == ""
    return True


def _is_square(number: int) -> bool:
    return number > 1 and round(number**0.5) ** 2 == number


# Images


def _from_image_folders(folder: Path, parts: Mapping[str, Path]) -> tuple[Arrays, list[str]]:
    """A folder for each class in train/ and test/, and perhaps in val/, full of images of one size.

    The images of each part are put in an order that looks random and is always the same: the last training
    images may be held out, and must not be those of the last class.
    """
    for part in ("train", "test"):
        if part not in parts:
            raise StudyError(
                f"the folder holds {_listed(entry.name for entry in folder.iterdir())}, but no {part}/; "
                "it must hold train/CLASS/ and test/CLASS/ full of images"
            )
    arrays, first, left_out = {}, None, []
    for part, root in parts.items():
        images, labels = [], []
        for file, label, others in _labelled_files(root):
            left_out += others
            if file is not None:
                image = _read_image(file)
                first = first or (file.relative_to(folder), image.shape)
                _require_like(file.relative_to(folder), image.shape, *first)
                images.append(image)
                labels.append(label)
        order = np.random.default_rng(0).permutation(len(images))
        arrays[f"x_{part}"], arrays[f"y_{part}"] = np.stack(images)[order], np.array(labels)[order]
    sentences = ["images: of each part in an order that looks random and is always the same"]
    if left_out:
        sentences.append(f"images: {_listed(str(each.relative_to(folder)) for each in left_out)} left out")
    return arrays, sentences


def _labelled_files(root: Path) -> Iterable[tuple[Path | None, str, list[Path]]]:
    """(image, class, []) for each image in a part's folder, and (None, class, files) for what is none."""
    classes = sorted(entry for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    if not classes:
        raise StudyError(
            f"{root.name}/ holds {_listed(entry.name for entry in root.iterdir())}; "
            "it must hold a folder for each class, with its images"
        )
    for each in classes:
        images, others = _images_of(each)
        if not images:
            raise StudyError(f"{root.name}/{each.name}/ holds no image (such as .png or .jpg)")
        yield None, each.name, others
        yield from ((image, each.name, []) for image in images)


def _images_of(folder: Path) -> tuple[list[Path], list[Path]]:
    """The images of a folder in the order of their names, and its other files that are not hidden."""
    entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    images = [entry for entry in entries if entry.suffix.lower() in IMAGE_SUFFIXES and entry.is_file()]
    return images, [entry for entry in entries if entry not in set(images)]


def _read_image(file: Path) -> np.ndarray:
    """An image as uint8 (rows, columns) where it is grey, (rows, columns, 3) where it is coloured."""
    from PIL import Image

    try:
        with Image.open(file) as image:
            if getattr(image, "n_frames", 1) > 1:
                raise StudyError(f"{file} has {image.n_frames} frames; save one image per file")
            image.load()
            mode = image.mode
            if mode == "1":
                image = image.convert("L")
            elif mode == "P" and "transparency" not in image.info:
                image = image.convert("RGB")
                pixels = np.asarray(image)
                if (pixels == pixels[..., :1]).all():
                    return pixels[..., 0]
            elif mode in ("RGBA", "LA") and image.getchannel("A").getextrema() == (255, 255):
                image = image.convert(mode[:-1])
            if image.mode not in ("L", "RGB"):
                raise StudyError(
                    f"{file} is stored as {mode}; images must be grey or RGB with 8 bits, as Pillow's "
                    "image.convert('L') or image.convert('RGB') makes them"
                )
            return np.asarray(image)
    except (
        OSError,
        SyntaxError,
        ValueError,
        struct.error,
        zlib.error,
        Image.DecompressionBombError,
    ) as error:
        raise StudyError(f"{file} cannot be read as an image: it is damaged, or something else") from error


def _require_like(file: Path, shape: tuple[int, ...], first: Path, expected: tuple[int, ...]) -> None:
    if len(shape) != len(expected):
        kinds = {2: "grey", 3: "coloured"}
        raise StudyError(
            f"{first} is {kinds[len(expected)]} and {file} is {kinds[len(shape)]}; "
            "all images must be one or the other, as Pillow's image.convert('L') or "
            "image.convert('RGB') makes them"
        )
    if shape != expected:
        raise StudyError(
            f"{first} has {expected[0]} x {expected[1]} pixels (rows x columns) and {file} "
            f"{shape[0]} x {shape[1]}; "
            "all images must be of one size, as Pillow's image.resize((columns, rows)) makes them"
        )
