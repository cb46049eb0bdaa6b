"""Writing a result whole or not at all, so that a run cut short never leaves half a file behind."""

import contextlib
import csv
import io
import uuid
import zipfile
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
    """A CSV as texts by column, without pandas, which the environment of the trainings lacks.

    Raises:
        StudyError: it has no rows.
    """
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    if not rows:
        raise StudyError(f"{path} has no rows; delete it and start again, it is made again")
    return rows


def csv_text(columns: Sequence[str], rows: Iterable[Mapping]) -> str:
    """Rows by column as a CSV with a header."""
    buffer = io.StringIO()
    table = csv.DictWriter(buffer, columns, lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    return buffer.getvalue()


def exported_names(archive: Path) -> list[str]:
    """The names of the networks in an archive that export_models.py wrote."""
    with zipfile.ZipFile(archive) as file:
        return [name for name in file.namelist() if name != "exports.json"]
