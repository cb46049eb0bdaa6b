"""Writing a result whole or not at all, so that a run cut short never leaves half a file behind."""

import contextlib
import csv
import io
import uuid
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from few_weights.errors import StudyError


def write_atomically(path: Path | str, data: bytes | str) -> None:
    """Write `data` to `path`, making its folder where needed; text is written as UTF-8.

    The bytes go to a hidden neighbour first: within one folder a rename is atomic, between disks it is not.
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
        # Gone already after a success. The first error is the one worth telling.
        with contextlib.suppress(OSError):
            temporary.unlink()


def read_rows(path: Path) -> list[dict[str, str]]:
    """A CSV of runs or breakpoints as texts by column, without pandas, which the training environment lacks.

    Raises:
        StudyError: the file is empty, cut short, or another table.
    """
    try:
        text = path.read_bytes().decode()
        rows = list(csv.DictReader(io.StringIO(text, newline="")))
    except (ValueError, csv.Error):
        text, rows = "", []
    lacking = [
        row
        for row in rows
        if None in row or None in row.values() or not {"architecture", "width"} <= row.keys()
    ]
    # Every table of the workflow ends with the end of a line; a last number that is cut may pass for one.
    if lacking or not rows or not text.endswith("\n"):
        raise StudyError(
            f"{path} is empty, cut short or another table; delete it and start again, it is made again"
        )
    return rows


def csv_text(columns: Sequence[str], rows: Iterable[Mapping]) -> str:
    """Rows by column as a CSV with a header."""
    buffer = io.StringIO()
    table = csv.DictWriter(buffer, columns, lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    return buffer.getvalue()
