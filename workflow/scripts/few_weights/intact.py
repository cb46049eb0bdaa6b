"""Which files are still what was written: those that are not are made again, and nothing else is.

The data is known by its content. Tables, figures, search rounds and reports are known by a SHA-256 that
is noted when they are made, because a truncated table still reads as a table. The files of a run are checked
wherever they are read (`run_files.py`).
"""

import hashlib
import json
import logging
from collections.abc import Callable, Iterable
from pathlib import Path

from snakemake_interface_logger_plugins.common import LogEvent

from few_weights.datasets import read_npz, verify_arrays
from few_weights.errors import StudyError
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


def data_to_fetch(path: Path, dataset: str, sha256: str, stamp: Path, runs: Path) -> bool:
    """Whether a data set must be fetched although nothing that Snakemake compares says so.

    The rules depend on `stamp`, a file of no content of interest that is made when the data has been
    fetched. If they depended on the data itself, data that was deleted would cost every finished run,
    because Snakemake repeats a job whose input is made anew. The stamp is kept where there are finished
    runs, and then this asks for the data; where there are none, it is removed, and the data is fetched
    because the stamp is missing.

    Args:
        path, dataset, sha256, stamp: as for `data_is_intact`.
        runs: the study's folder of runs.
    """
    if data_is_intact(path, dataset, sha256, stamp):
        return False
    if any(runs.glob("*/*/*/metrics.json")):
        write_atomically(stamp, "")
        return True
    stamp.unlink(missing_ok=True)
    return False


def data_is_intact(path: Path, dataset: str, sha256: str, stamp: Path) -> bool:
    """Whether a fetched data set is there and holds what it should.

    Args:
        path: results/data/<dataset>.npz.
        sha256: that of a user's own arrays, empty for a data set that is known by name.
        stamp: where the size and time of a verified file are noted, so that it is read once and not at each
        start.
    """
    try:
        state = path.stat()
    except OSError:
        return False
    now = [state.st_size, state.st_mtime_ns, dataset, sha256]
    if _read_json(stamp) == now:
        return True
    try:
        verify_arrays(read_npz(path), dataset, sha256)
    except (StudyError, OSError):
        return False
    write_atomically(stamp, json.dumps(now))
    return True


def _read_checksums(folder: Path) -> dict[str, list]:
    noted = _read_json(folder / CHECKSUMS)
    return noted if isinstance(noted, dict) else {}


def _read_json(path: Path):
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
