"""The arrays of a run, predictions.npz and weights.npz, checked against their digests in metrics.json.

The digest covers the arrays and not the bytes of the file, because two versions of zlib compress the same
arrays to different bytes.
"""

import hashlib
import io
import json
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from few_weights.data.datasets import read_npz
from few_weights.errors import StudyError
from few_weights.plan.runs import Run


def npz_bytes(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """The content of a compressed .npz that holds these arrays by name."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def arrays_sha256(arrays: Mapping[str, NDArray[Any]]) -> str:
    """SHA-256 over the names, types, shapes and contents of arrays, in their order."""
    digest = hashlib.sha256()
    for name, array in arrays.items():
        digest.update(f"{name}\n{array.dtype.str}\n{array.shape}\n".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def results_are_consistent(files: Mapping[str, bytes]) -> bool:
    """Whether the contents of a run's metrics.json, predictions.npz and weights.npz belong together."""
    try:
        metrics = json.loads(files["metrics.json"])
        for kind in ("predictions", "weights"):
            with np.load(io.BytesIO(files[f"{kind}.npz"]), allow_pickle=False) as file:
                if arrays_sha256(dict(file)) != metrics[f"{kind}_sha256"]:
                    return False
    except (ValueError, KeyError, EOFError, OSError, zipfile.BadZipFile, zlib.error):
        return False
    return True


def read_run_arrays(path: Path, run: Run, sha256: str | None) -> dict[str, NDArray[Any]]:
    """The arrays in a file of a run, by name.

    Args:
        path: the run's predictions.npz or weights.npz.
        run: the run that the file belongs to.
        sha256: what the run's metrics.json (and so runs.csv) says its `arrays_sha256` is; None or empty for
            a run of an earlier version that did not record it, whose file is only checked for damage.

    Raises:
        StudyError: the file is missing, damaged, or holds something else than the run's training wrote.
    """
    try:
        arrays = read_npz(path)
    except FileNotFoundError:
        problem = "is missing"
    except StudyError as error:
        problem = f"is damaged: {error}"
    else:
        if not sha256 or arrays_sha256(arrays) == sha256:
            return arrays
        problem = f"does not hold what the training of {run} wrote; it may be another run's"
    raise StudyError(f"{path} {problem}; delete it and start again, {run} is trained again")
