"""Which tables, figures, search rounds and reports still hold what was written; the others are made again.

Each is known by a SHA-256 that is noted when it is made, because a truncated table still reads as a table.
The files of a run are checked wherever they are read (`training/run_files.py`).
"""

import hashlib
import json
import logging
from collections.abc import Callable, Iterable
from pathlib import Path

from snakemake_interface_logger_plugins.common import LogEvent

from few_weights.files import write_atomically

#: In a study's folder: path below it -> size in bytes, time in nanoseconds and SHA-256 of the file as it was
#: made; and under `PLAN` what the study said then.
CHECKSUMS = "checksums.json"


PLAN = "plan"


def note_checksums(folder: Path, paths: Iterable[Path], plan: str = "") -> None:
    """Note what files of a study's folder hold now. Paths elsewhere, and folders, are passed over.

    `plan` is a digest of what the study says of its runs, noted with runs.csv.

    Raises:
        StudyError: the note cannot be written.
    """
    noted = _read_checksums(folder)
    for path in paths:
        if path.is_file() and path.is_relative_to(folder):
            state = path.stat()
            noted[str(path.relative_to(folder))] = [state.st_size, state.st_mtime_ns, _sha256(path)]
        if path == folder / "runs.csv":
            noted[PLAN] = plan
    lines = ",\n".join(f" {json.dumps(name)}: {json.dumps(noted[name])}" for name in sorted(noted))
    write_atomically(folder / CHECKSUMS, f"{{\n{lines}\n}}\n")


def other_plan(folder: Path, plan: str) -> bool:
    """Whether runs.csv was made for a study that said something else of its runs.

    Snakemake sees that as well, but not where its records are missing, as in a copy.
    """
    return _read_checksums(folder).get(PLAN, plan) != plan


def changed_files(folder: Path) -> list[Path]:
    """The files of a study that are there, but no longer what they were when they were made.

    A file whose size and time are as noted is taken to be unchanged; another is read and compared.
    """
    changed = []
    noted = _read_checksums(folder)
    noted.pop(PLAN, None)
    for name, (size, time, sha256) in noted.items():
        path = folder / name
        if path.is_file():
            state = path.stat()
            if (state.st_size, state.st_mtime_ns) != (size, time) and _sha256(path) != sha256:
                changed.append(path)
    return changed


class ChecksumNotes(logging.Handler):
    """Listens to Snakemake's events and notes the checksums of what each finished job made.

    Args:
        folder: the study's.
        plan: a digest of what the study says of its runs.
        outputs: gives the files that a job of that number made; none of a job whose files are checked
        otherwise.
    """

    def __init__(self, folder: Path, plan: str, outputs: Callable[[int], Iterable[str]]):
        super().__init__(logging.INFO)
        self.folder, self.plan, self.outputs = folder, plan, outputs

    def emit(self, record: logging.LogRecord) -> None:
        if getattr(record, "event", None) is LogEvent.JOB_FINISHED:
            try:
                note_checksums(self.folder, map(Path, self.outputs(record.job_id)), self.plan)
            except Exception:  # without its note a file is taken as it is
                self.handleError(record)


def _read_checksums(folder: Path) -> dict[str, list]:
    noted = read_json(folder / CHECKSUMS)
    return noted if isinstance(noted, dict) else {}


def read_json(path: Path):
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
