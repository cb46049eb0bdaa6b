"""The state of a training after an epoch, in a file: an interrupted training resumes from it.

The file lies in a separate folder and is not an output that Snakemake knows, since Snakemake removes the
outputs of a job that failed. Its name and its content both say which run it belongs to, and no other run uses
it.

A finished training is not always a finished job: where several runs share one cluster submission and a later
one fails, Snakemake removes the outputs of all. So finished results are kept here too, until the study is
done.
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
from typing import Any

import numpy as np
from numpy.typing import NDArray

from few_weights.errors import StudyError
from few_weights.files import write_atomically
from few_weights.training.metrics import Progress

#: A variable of a model or an optimizer, of any type and shape.
Array = NDArray[Any]


#: Seconds of training between two checkpoints: runs that end sooner write none.
INTERVAL = 15.0


class Checkpoint:
    """The checkpoint of one run.

    Two processes may train the same run simultaneously, for example when a node that was given up for lost
    comes back while its replacement runs. Each writes whole files, and both reach the same states, so each
    can read what the other wrote.

    Args:
        folder: where checkpoints lie; created when the first is written.
        identity: everything that determines the run's result, as values that JSON can hold.
    """

    def __init__(self, folder: Path, identity: Mapping[str, object]) -> None:
        self.identity = json.dumps(identity, sort_keys=True)
        name = hashlib.sha256(self.identity.encode()).hexdigest()[:24]
        self.path = folder / f"{name}.npz"
        self.finished = folder / name

    def load(self, like: Sequence[Array]) -> tuple[list[Array], Progress] | None:
        """The saved variables and how far the training had come; None if there is nothing to resume from.

        A file that cannot be used is reported in the log, and overwritten later.

        Args:
            like: the variables of the new model, whose shapes and types the saved ones must have.
        """
        try:
            with np.load(self.path, allow_pickle=False) as file:
                if str(file["identity"]) != self.identity:
                    raise ValueError("it belongs to another run")
                progress: Progress = json.loads(str(file["progress"]))
                variables = [file[f"variable_{number}"] for number in range(len(like))]
            for saved, new in zip(variables, like, strict=True):
                if (saved.shape, saved.dtype) != (new.shape, new.dtype):
                    raise ValueError(
                        f"it holds {saved.dtype}{saved.shape} where {new.dtype}{new.shape} is needed"
                    )
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            # NumPy's own message about a file of another kind advises to load it unsafely.
            why = "it is damaged" if "pickle" in str(error) else error
            print(
                f"checkpoint {self.path} is not used, training starts from the beginning: {why}", flush=True
            )
            return None
        return variables, progress

    def save(self, variables: Sequence[Array], progress: Progress) -> None:
        """Write the state after an epoch. If that fails there is no checkpoint, but training continues."""
        buffer = io.BytesIO()
        arrays = {f"variable_{number}": array for number, array in enumerate(variables)}
        texts = {"identity": np.array(self.identity), "progress": np.array(json.dumps(progress))}
        np.savez(buffer, allow_pickle=False, **texts, **arrays)
        try:
            write_atomically(self.path, buffer.getvalue())
        except StudyError as error:
            print(f"no checkpoint: {error}", flush=True)

    def keep_results(self, files: Mapping[str, Path]) -> None:
        """Keep a finished run's files and remove its state. A failure to write is only logged.

        They are kept as hard links, which take no space and stay when Snakemake removes the first name.
        Where the file system has no hard links, the files are copied.

        Args:
            files: where each file lies, by the name to keep it under.
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
            # Last: its presence says that the other files are complete.
            write_atomically(self.finished / "identity.json", self.identity)
        except (StudyError, OSError) as error:
            print(f"finished results are not kept: {error}", flush=True)
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)

    def kept_results(self, names: Iterable[str]) -> dict[str, bytes]:
        """The contents of the kept files of these names; empty if this run has not finished before."""
        try:
            if (self.finished / "identity.json").read_text("utf-8") == self.identity:
                return {name: (self.finished / name).read_bytes() for name in names}
        except (OSError, UnicodeError):
            pass
        return {}


def forget_finished(folder: Path) -> None:
    """Remove all kept results; and the folder itself, unless it holds the state of an unfinished training."""
    for kept in folder.glob("*/"):
        shutil.rmtree(kept, ignore_errors=True)
    for half_written in folder.glob(".*.tmp"):  # of a process that was killed
        half_written.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        folder.rmdir()
