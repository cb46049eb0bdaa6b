"""The folder and the environment that a study runs in: where to write, and which Python the jobs use."""

import os
import sys
from pathlib import Path

from few_weights.errors import StudyError

CACHE = Path(".snakemake", "few-weights")


def put_own_python_first() -> None:
    """Let the jobs' `python` be the one that runs Snakemake, also where its environment is not activated."""
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"


def require_writable(folder: Path) -> None:
    """Refuse to start where results cannot be written.

    Raises:
        StudyError: the folder, or the nearest that exists above it, is not writable.
    """
    nearest = next(path for path in (folder, *folder.parents) if path.exists())
    if not nearest.is_dir():
        raise StudyError(f"{nearest} is a file; results go to {folder}/: move it away")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise StudyError(
            f"{nearest.resolve()} is not writable, and results go to {folder}/: "
            "mend its permissions, or run in another folder with --directory"
        )
