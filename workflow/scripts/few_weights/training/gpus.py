"""Which GPU a job on a workstation may use: Snakemake counts GPUs, but does not assign them.

On a cluster the scheduler assigns them, and nothing here is called.
"""

import fcntl
import os
import subprocess
import tempfile
import time
from pathlib import Path
from typing import IO

from few_weights.errors import StudyError


def take_slot(gpus: list[str], jobs_per_gpu: int, folder: Path) -> tuple[str, IO[str]]:
    """Wait for a free slot on one of the GPUs, least used first.

    A slot is a locked file, so it is free again when its process ends, however that ends.

    Args:
        gpus: as CUDA numbers or names them.
        folder: where the files of the slots lie; created where needed.

    Returns:
        The GPU, and the slot's file, which must be kept open as long as the GPU is used.
    """
    folder.mkdir(parents=True, exist_ok=True)
    while True:
        for slot in range(jobs_per_gpu):
            for gpu in gpus:
                file = (folder / f"gpu-{gpu}-{slot}").open("w")
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    file.close()
                else:
                    return gpu, file
        time.sleep(1)


def share_gpu(jobs_per_gpu: int) -> IO[str]:
    """Show one GPU to TensorFlow, which must not be loaded yet.

    Returns:
        The slot's file, to be kept open until the process ends.

    Raises:
        StudyError: there is no GPU.
    """
    folder = Path(tempfile.gettempdir(), f"few-weights-gpus-{os.getuid()}")
    gpu, slot = take_slot(_gpus(), jobs_per_gpu, folder)
    os.environ["CUDA_VISIBLE_DEVICES"] = gpu
    return slot


def _gpus() -> list[str]:
    """The GPUs of this machine, or those that CUDA_VISIBLE_DEVICES leaves to the user."""
    if visible := os.environ.get("CUDA_VISIBLE_DEVICES"):
        return visible.split(",")
    command = ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"]
    try:
        gpus = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    except (OSError, subprocess.CalledProcessError):
        gpus = []
    if not gpus:
        raise StudyError(
            "the profile shares GPUs among jobs, but nvidia-smi finds none; is the driver loaded? "
            "To train on the CPU, run without the profile"
        )
    return gpus
