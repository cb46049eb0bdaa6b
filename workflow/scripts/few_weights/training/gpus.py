"""Which GPU a job on a workstation may use: Snakemake counts GPUs, but hands out none.

On a cluster the scheduler does it, and nothing here is called.
"""

import fcntl
import os
import subprocess
import tempfile
import time
from pathlib import Path
from typing import IO

from few_weights.errors import StudyError


def take_slot(gpus: list[str], jobs_per_gpu: int, folder: Path) -> tuple[str, IO]:
    """Wait for a free place on one of the GPUs, the emptiest first. Returns the GPU and the place's lock.

    A place is a locked file, so it is free again when its process ends, however that ends. The lock must be
    kept open as long as the GPU is used.
    """
    folder.mkdir(parents=True, exist_ok=True)
    while True:
        for place in range(jobs_per_gpu):
            for gpu in gpus:
                lock = (folder / f"gpu-{gpu}-{place}").open("w")
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    lock.close()
                else:
                    return gpu, lock
        time.sleep(1)


def share_gpu(jobs_per_gpu: int) -> IO:
    """Show TensorFlow, which must not be loaded yet, the one GPU of this job. Returns what holds its place.

    Raises:
        StudyError: there is no GPU.
    """
    lock_folder = Path(tempfile.gettempdir(), f"few-weights-gpus-{os.getuid()}")
    gpu, lock = take_slot(_gpus(), jobs_per_gpu, lock_folder)
    os.environ["CUDA_VISIBLE_DEVICES"] = gpu
    return lock


def _gpus() -> list[str]:
    """The GPUs of this machine, or those that CUDA_VISIBLE_DEVICES leaves to the user."""
    if visible := os.environ.get("CUDA_VISIBLE_DEVICES"):
        return visible.split(",")
    command = ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    except (OSError, subprocess.CalledProcessError):
        found = []
    if not found:
        raise StudyError(
            "the profile shares GPUs among jobs, but nvidia-smi finds none; is the driver loaded? "
            "To train on the CPU, leave the profile out"
        )
    return found
