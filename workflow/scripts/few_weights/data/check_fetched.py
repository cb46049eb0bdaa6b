"""Whether a fetched data set exists and has the right content, whatever its age."""

import json
from pathlib import Path

from few_weights.data.datasets import read_npz, verify_arrays
from few_weights.errors import StudyError
from few_weights.files import write_atomically
from few_weights.plan.checksums import read_json


def data_to_fetch(path: Path, dataset: str, sha256: str, stamp: Path, runs: Path) -> bool:
    """Whether a data set must be fetched although Snakemake sees no reason for it.

    The rules depend on `stamp`, a file that is made when the data has been fetched. If they depended on the
    data itself, deleting the data would repeat every finished run, because Snakemake repeats a job whose
    input is made again. If there are finished runs, the stamp is kept, and this function asks for the data.
    If there are none, the stamp is removed, and Snakemake fetches the data because the stamp is missing.

    Args:
        path: the data set, results/data/<dataset>.npz.
        dataset: its name.
        sha256: the SHA-256 of a user's own arrays, empty for a built-in data set.
        stamp: see above.
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
    """Whether a fetched data set exists and has the right content.

    Args:
        path: the data set, results/data/<dataset>.npz.
        dataset: its name.
        sha256: the SHA-256 of a user's own arrays, empty for a built-in data set.
        stamp: the size and modification time of a verified file are written here, so that the file is read
            once and not at every start.
    """
    try:
        state = path.stat()
    except OSError:
        return False
    now = [state.st_size, state.st_mtime_ns, dataset, sha256]
    if read_json(stamp) == now:
        return True
    try:
        verify_arrays(read_npz(path), dataset, sha256)
    except (StudyError, OSError):
        return False
    write_atomically(stamp, json.dumps(now))
    return True
