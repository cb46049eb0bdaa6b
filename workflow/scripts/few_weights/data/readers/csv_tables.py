"""CSV files, one image per row, as arrays by name."""

import gzip
import io
import re
import zlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from few_weights.data.readers.forms import PART_NAMES, Arrays, listed
from few_weights.errors import StudyError

#: The columns of a CSV that hold labels, in small letters.
LABEL_COLUMNS = {"label", "labels", "class", "target", "y"}


# CSV


def read_csv_folder(tables: Iterable[Path]) -> tuple[Arrays, list[str]]:
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
                f"the folder holds {listed(file.name for file in tables)}, but no {part}.csv; "
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
