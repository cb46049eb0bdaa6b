"""Reads CSV files with one image per row."""

import gzip
import io
import re
import zlib
from collections.abc import Hashable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from few_weights.data.datasets import Array
from few_weights.data.readers.forms import PART_NAMES, Arrays, listed
from few_weights.errors import StudyError

if TYPE_CHECKING:
    import pandas

#: The names of a column with labels, in lower case.
LABEL_COLUMNS = {"label", "labels", "class", "target", "y"}


def read_csv_folder(tables: Iterable[Path]) -> tuple[Arrays, list[str]]:
    """Read one CSV for each part.

    Args:
        tables: files such as train.csv and test.csv; a prefix is allowed, as in mnist_train.csv.

    Raises:
        StudyError: a part is missing, or a file cannot be read.
    """
    by_part: dict[str, Path] = {}
    for file in tables:
        name_parts = re.split(r"[-_. ]", file.name.lower())
        for part, names in PART_NAMES.items():
            if set(name_parts) & set(names):
                if part in by_part:
                    raise StudyError(
                        f"it contains both {by_part[part].name} and {file.name}; remove one of them"
                    )
                by_part[part] = file
    for part in ("train", "test"):
        if part not in by_part:
            raise StudyError(
                f"the folder contains {listed(file.name for file in tables)}, but no {part}.csv; "
                "it must contain train.csv and test.csv, with one label and the pixels of one image per row"
            )
    arrays: Arrays = {}
    sentences: list[str] = []
    columns: dict[Path, list[Hashable]] = {}
    for part, file in by_part.items():
        arrays[f"x_{part}"], arrays[f"y_{part}"], columns[file], done = _read_csv(file)
        sentences += [sentence for sentence in done if sentence not in sentences]
    first, *others = columns
    for other in others:
        if columns[other] != columns[first] and set(columns[other]) == set(columns[first]):
            raise StudyError(
                f"{first.name} and {other.name} have the same columns in another order, so that pixels would "
                "be confused; write both in the same order"
            )
    return arrays, sentences


def _read_csv(file: Path) -> tuple[Array, Array, list[Hashable], list[str]]:
    """Pixels (examples, pixels), labels (examples,), the pixels' names, and what was done, in sentences."""
    import pandas  # takes half a second; the other formats do not need it

    table, header, texts = _parse(file)
    if table.empty or table.shape[1] < 2:
        raise StudyError(f"{file.name} contains no row with a label and pixels")
    first_line, done = 2 if header else 1, []
    names = [str(name).strip().lower() for name in table.columns] if header else [""] * table.shape[1]
    if header and names[0].startswith("unnamed: 0"):
        if (table.iloc[:, 0] != np.arange(len(table))).any():
            raise StudyError(f"{file.name} has a first column without a name; name it label, or remove it")
        table, names = table.iloc[:, 1:], names[1:]
        done.append("CSV: the first column, row numbers without a name, is ignored")
    if header:
        # Among names such as pixel0 or 17, the only one without a number.
        texts = [index for index, name in enumerate(names) if not name[-1:].isdigit()]
        texts = texts if len(texts) == 1 else []
    label = _label_column(file, names, texts)
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
            what = "is empty" if pandas.isna(cell) else f"contains {cell!r}, which is not a number"
            raise StudyError(f"{file.name}, line {line + first_line}: column {_column(name, header)} {what}")
    labels = table.iloc[:, label].to_numpy()
    if labels.dtype.kind not in "biuf":
        labels = labels.astype(str)
    return pixels.to_numpy(), labels, list(pixels.columns), done


def _parse(file: Path) -> tuple["pandas.DataFrame", bool, list[int]]:
    """The table, whether its first line is a header, and which cells of that line are not numbers."""
    import pandas

    try:
        text = _read_text(file)
        first = text.partition("\n")[0]
        separator = max(",;\t", key=first.count)
        cells = [cell.strip().strip('"') for cell in first.split(separator)]
        texts = [index for index, cell in enumerate(cells) if not _is_number(cell)]
        header = (
            len(texts) > 1
            or any(cell.lower() in LABEL_COLUMNS for cell in cells)
            or _are_numbered([cell for index, cell in enumerate(cells) if cell and index not in texts])
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
    except (pandas.errors.ParserError, pandas.errors.EmptyDataError) as error:
        reason = " ".join(str(error).split()).removeprefix("Error tokenizing data. C error: ")
        raise StudyError(
            f"{file.name} is not a CSV with the same number of cells in each line ({reason})"
        ) from error
    return table, header, texts


def _read_text(file: Path) -> str:
    """The text of a file, gzipped or not."""
    try:
        content = file.read_bytes()
        if content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)
        # With the newlines of text files, whatever the file has.
        return io.TextIOWrapper(io.BytesIO(content), encoding="utf-8-sig").read()
    except UnicodeError as error:
        raise StudyError(f"{file.name} is not a text in UTF-8: save it as CSV again") from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise StudyError(f"{file.name} is damaged or incomplete: fetch it again") from error


def _label_column(file: Path, names: list[str], texts: list[int]) -> int:
    """The index of the column with labels: by its name, otherwise the first with texts, otherwise the first.

    Args:
        file: the file, for messages.
        names: the names of the columns in lower case, empty without a header.
        texts: the columns that may hold labels: whose first cell is not a number, or by the header.
    """
    labelled = [index for index, name in enumerate(names) if name in LABEL_COLUMNS]
    if len(labelled) > 1:
        raise StudyError(f"{file.name} has more than one column of labels; keep one of them")
    if not labelled and _is_square(len(names)) and not _is_square(len(names) - 1):
        raise StudyError(
            f"{file.name} has {len(names)} columns, as many as an image has pixels, and none for labels; "
            "each row must contain a label, in the first column or in one that is named label"
        )
    return (labelled or texts or [0])[0]


def _column(name: Hashable, header: bool) -> str:
    return f"'{name}'" if header else str(int(str(name)) + 1)


def _are_numbered(names: list[str]) -> bool:
    """Whether columns are named by their numbers, as pandas names those without names."""
    count = range(len(names))
    return len(names) > 1 and any(names == [str(number + first) for number in count] for first in (0, 1))


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return cell == ""
    return True


def _is_square(number: int) -> bool:
    return number > 1 and round(number**0.5) ** 2 == number
