"""The arrays of a run, predictions.npz and weights.npz: a digest in metrics.json says what belongs into them.

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

import numpy as np

from few_weights.data.datasets import read_npz
from few_weights.errors import StudyError
from few_weights.plan.runs import Run


def npz_bytes(arrays: Mapping[str, np.ndarray]) -> bytes:
    """The content of a compressed .npz that holds these arrays by name."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def arrays_sha256(arrays: Mapping[str, np.ndarray]) -> str:
    """SHA-256 of arrays with their names, types and shapes, in their order."""
    digest = hashlib.sha256()
    for name, array in arrays.items():
        digest.update(f"{name}\n{array.dtype.str}\n{array.shape}\n".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def results_are_whole(files: Mapping[str, bytes]) -> bool:
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


def read_run_arrays(path: Path, run: Run, sha256: str | None) -> dict[str, np.ndarray]:
    """The arrays of a run's file.

    Args:
        path: its predictions.npz or weights.npz.
        run: the run that the file belongs to.
        sha256: what the run's metrics.json (and so runs.csv) says its `arrays_sha256` is; None or empty for
        a run
            from before it was recorded, whose file is only checked for damage.

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
