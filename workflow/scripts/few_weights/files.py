"""Files that are written completely or not at all, and the CSV tables of a study."""

import contextlib
import csv
import io
import uuid
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from few_weights.errors import StudyError


def write_atomically(path: Path | str, data: bytes | str) -> None:
    """Write a file so that it is never half written, even if the process is killed.

    The bytes go to a hidden file in the same folder, which is then renamed: a rename is atomic within one
    folder, but not between disks.

    Args:
        path: the file to write; its folder is created if it does not exist.
        data: the content; text is written as UTF-8.

    Raises:
        StudyError: the file cannot be written.
    """
    path = Path(path)
    content = data.encode("utf-8") if isinstance(data, str) else data
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # A plain open, not `tempfile`, whose files only their owner may read.
        temporary.write_bytes(content)
        temporary.replace(path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise StudyError(
            f"could not write {path}: {reason}; check that the folder is writable and has space left"
        ) from error
    finally:
        # After a success it no longer exists. An error here must not hide the first one.
        with contextlib.suppress(OSError):
            temporary.unlink()


def read_rows(path: Path) -> list[dict[str, str]]:
    """Read a CSV with one row per run or breakpoint, without pandas, which the training environment lacks.

    Returns:
        One mapping per row, from column to text.

    Raises:
        StudyError: the file is empty, truncated, or another table.
    """
    try:
        text = path.read_bytes().decode()
        rows = list(csv.DictReader(io.StringIO(text, newline="")))
    except (ValueError, csv.Error):
        text, rows = "", []
    incomplete = [
        row
        for row in rows
        if None in row or None in row.values() or not {"architecture", "width"} <= row.keys()
    ]
    # Every table of the workflow ends with a newline; without it the last number may be cut.
    if incomplete or not rows or not text.endswith("\n"):
        raise StudyError(
            f"{path} is empty, truncated or another table; delete it and start again: it will be made again"
        )
    return rows


def csv_text(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """The text of a CSV with a header, from one mapping per row, from column to value."""
    buffer = io.StringIO()
    table = csv.DictWriter(buffer, columns, lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    return buffer.getvalue()
