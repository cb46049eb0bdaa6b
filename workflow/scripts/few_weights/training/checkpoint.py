"""Where an interrupted training goes on: its state after an epoch, in a file beside the results.

The file is no output that Snakemake knows, for it removes the outputs of a job that failed. Its name and its
content both say which run it belongs to, and no other run takes it up.

Nor need a finished training be a finished job: where several share a cluster's submission and a later one
fails, Snakemake removes the outputs of all. So finished results are kept here too, until the study is done.
"""

import contextlib
import hashlib
import io
import json
import os
import shutil
import zipfile
import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from few_weights.errors import StudyError
from few_weights.files import write_atomically

#: Seconds of training between two checkpoints: runs that end sooner write none.
INTERVAL = 15.0


class Checkpoint:
    """The checkpoint of one run.

    Two processes may train the same run at once, as when a node that was given up for lost goes on beside
    its replacement. Each writes whole files, and both come to the same states, so each can read either's.

    Args:
        folder: where checkpoints lie; made when the first is written.
        identity: all that the run's result follows from, as values that JSON can hold.
    """

    def __init__(self, folder: Path, identity: Mapping):
        self.identity = json.dumps(identity, sort_keys=True)
        name = hashlib.sha256(self.identity.encode()).hexdigest()[:24]
        self.path = folder / f"{name}.npz"
        self.finished = folder / name

    def load(self, like: Sequence[np.ndarray]) -> tuple[list[np.ndarray], dict]:
        """The variables and the progress that were saved, or `([], {})` where there is nothing to go on from.

        `like` are the variables of the fresh model, whose shapes and types those of the file must have. A
        file that cannot be used is told in the log and left to be overwritten.
        """
        try:
            with np.load(self.path, allow_pickle=False) as file:
                if str(file["identity"]) != self.identity:
                    raise ValueError("it belongs to another run")
                progress = json.loads(str(file["progress"]))
                variables = [file[f"variable_{number}"] for number in range(len(like))]
            for saved, fresh in zip(variables, like, strict=True):
                if (saved.shape, saved.dtype) != (fresh.shape, fresh.dtype):
                    raise ValueError(f"it holds {saved.dtype}{saved.shape} for {fresh.dtype}{fresh.shape}")
        except FileNotFoundError:
            return [], {}
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            # NumPy's own words of a file that is none of its own advise to load it unsafely.
            why = "it is damaged" if "pickle" in str(error) else error
            print(f"checkpoint {self.path} is not used, training begins anew: {why}", flush=True)
            return [], {}
        return variables, progress

    def save(self, variables: Sequence[np.ndarray], progress: Mapping) -> None:
        """Write the state after an epoch. A disk that refuses it costs the checkpoint, not the training."""
        buffer = io.BytesIO()
        arrays = {f"variable_{number}": array for number, array in enumerate(variables)}
        np.savez(buffer, identity=self.identity, progress=json.dumps(progress), **arrays)
        try:
            write_atomically(self.path, buffer.getvalue())
        except StudyError as error:
            print(f"no checkpoint: {error}", flush=True)

    def keep_results(self, files: Mapping[str, Path]) -> None:
        """Keep a finished run's files and remove its state. A disk that refuses costs what `save` says.

        They are kept as further names of the same files, which take no space and stay when Snakemake removes
        the first name. Where the file system has no such links they are copied.
        """
        try:
            for name, path in files.items():
                kept = self.finished / name
                try:
                    self.finished.mkdir(parents=True, exist_ok=True)
                    kept.unlink(missing_ok=True)
                    os.link(path, kept)
                except OSError:
                    write_atomically(kept, path.read_bytes())
            # Last, because it says that the others are there.
            write_atomically(self.finished / "identity.json", self.identity)
        except (StudyError, OSError) as error:
            print(f"finished results are not kept: {error}", flush=True)
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)

    def kept_results(self, names: Iterable[str]) -> dict[str, bytes]:
        """The files of that name, as they were kept, or none."""
        try:
            if (self.finished / "identity.json").read_text("utf-8") == self.identity:
                return {name: (self.finished / name).read_bytes() for name in names}
        except (OSError, UnicodeError):
            pass
        return {}


def forget_finished(folder: Path) -> None:
    """Remove the results that were kept, and the folder itself if no interrupted training left anything."""
    for kept in folder.glob("*/"):
        shutil.rmtree(kept, ignore_errors=True)
    for half_written in folder.glob(".*.tmp"):  # of a process that was killed
        half_written.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        folder.rmdir()
