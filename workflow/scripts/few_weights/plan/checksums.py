"""Which tables, figures, search rounds and reports still have the content that was written.

Their SHA-256 is recorded when they are made, because a truncated table can still be read as a table. Files
that have changed are made again. The files of a run are checked wherever they are read
(`training/run_files.py`).
"""

import hashlib
import json
import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from snakemake_interface_logger_plugins.common import LogEvent

from few_weights.files import write_atomically

#: A file in a study's folder: path below the folder -> size in bytes, modification time in nanoseconds and
#: SHA-256 of the file as it was made; and under `PLAN` a digest of what the study asked for then.
CHECKSUMS = "checksums.json"
PLAN = "plan"


def record_checksums(folder: Path, paths: Iterable[Path], plan: str = "") -> None:
    """Record the content of files of a study.

    Args:
        folder: the study's results.
        paths: the files; folders and files elsewhere are ignored.
        plan: a digest of the runs that the study asks for, recorded together with runs.csv.

    Raises:
        StudyError: the record cannot be written.
    """
    recorded = _read_checksums(folder)
    for path in paths:
        if path.is_file() and path.is_relative_to(folder):
            state = path.stat()
            recorded[str(path.relative_to(folder))] = [state.st_size, state.st_mtime_ns, _sha256(path)]
        if path == folder / "runs.csv":
            recorded[PLAN] = plan
    lines = ",\n".join(f" {json.dumps(name)}: {json.dumps(recorded[name])}" for name in sorted(recorded))
    write_atomically(folder / CHECKSUMS, f"{{\n{lines}\n}}\n")


def plan_changed(folder: Path, plan: str) -> bool:
    """Whether runs.csv was made for a study that asked for other runs.

    Snakemake notices that as well, but not where its own records are missing, as in a copied folder.

    Args:
        folder: the study's results.
        plan: a digest of the runs that the study asks for now.
    """
    return _read_checksums(folder).get(PLAN, plan) != plan


def changed_files(folder: Path) -> list[Path]:
    """The existing files of a study whose content has changed since they were made.

    A file with the recorded size and modification time counts as unchanged; others are read and compared.
    """
    changed = []
    recorded = _read_checksums(folder)
    recorded.pop(PLAN, None)
    for name, (size, time, sha256) in recorded.items():
        path = folder / name
        if path.is_file():
            state = path.stat()
            if (state.st_size, state.st_mtime_ns) != (size, time) and _sha256(path) != sha256:
                changed.append(path)
    return changed


class ChecksumRecorder(logging.Handler):
    """Listens to Snakemake's events and records the checksums of what each finished job made.

    Args:
        folder: the study's results.
        plan: a digest of the runs that the study asks for.
        outputs: from the id of a job to the files to record.
    """

    def __init__(self, folder: Path, plan: str, outputs: Callable[[int], Iterable[str]]):
        super().__init__(logging.INFO)
        self.folder, self.plan, self.outputs = folder, plan, outputs

    def emit(self, record: logging.LogRecord) -> None:
        if getattr(record, "event", None) is LogEvent.JOB_FINISHED:
            try:
                record_checksums(self.folder, map(Path, self.outputs(vars(record)["job_id"])), self.plan)
            except Exception:  # a file without a checksum counts as unchanged
                self.handleError(record)


def _read_checksums(folder: Path) -> dict[str, Any]:
    recorded = read_json(folder / CHECKSUMS)
    return recorded if isinstance(recorded, dict) else {}


def read_json(path: Path) -> Any:
    """The content of a JSON file; None where it cannot be read."""
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
