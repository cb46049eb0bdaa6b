"""The environment that a study runs in: which Python its jobs use, and whether results can be written."""

import os
import sys
from pathlib import Path

from few_weights.errors import StudyError

#: What one start keeps for the next: checked models, facts about a user's data.
CACHE = Path(".snakemake", "few-weights")


def put_own_python_first() -> None:
    """Put the Python that runs Snakemake first in PATH: jobs use it even if its environment is not active."""
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"


def require_writable(folder: Path) -> None:
    """Check that results can be written to a folder, which need not exist yet.

    Raises:
        StudyError: the folder, or its nearest existing parent, is a file or is not writable.
    """
    nearest = next(path for path in (folder, *folder.parents) if path.exists())
    if not nearest.is_dir():
        raise StudyError(f"{nearest} is a file, but results go to {folder}/: move the file to another folder")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise StudyError(
            f"{nearest.resolve()} is not writable, and results go to {folder}/: "
            "fix its permissions, or run in another folder with --directory"
        )
