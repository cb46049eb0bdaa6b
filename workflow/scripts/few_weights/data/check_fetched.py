"""Whether a fetched data set is there and holds what it should, by content and not by age."""

import json
from pathlib import Path

from few_weights.data.datasets import read_npz, verify_arrays
from few_weights.errors import StudyError
from few_weights.files import write_atomically
from few_weights.plan.checksums import read_json


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
    if read_json(stamp) == now:
        return True
    try:
        verify_arrays(read_npz(path), dataset, sha256)
    except (StudyError, OSError):
        return False
    write_atomically(stamp, json.dumps(now))
    return True
