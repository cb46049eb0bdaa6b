"""Jobs on a workstation share its GPUs evenly, and no GPU gets more jobs than it has slots."""

import multiprocessing
from collections import Counter

import pytest

from few_weights.errors import StudyError
from few_weights.training import gpus


def test_slots_are_taken_evenly_and_can_be_freed(tmp_path):
    taken = [gpus.take_slot(["0", "3"], 2, tmp_path) for _ in range(4)]
    assert [gpu for gpu, _ in taken] == ["0", "3", "0", "3"]
    taken[1][1].close()
    assert gpus.take_slot(["0", "3"], 2, tmp_path)[0] == "3"


def hold(folder, log, lock):
    gpu, held = gpus.take_slot(["0", "1"], 2, folder)
    with lock, log.open("a") as file:
        file.write(f"{gpu}\n")
    held.flush()


def test_a_process_that_ends_frees_its_slot(tmp_path):
    lock = multiprocessing.Lock()
    jobs = [multiprocessing.Process(target=hold, args=(tmp_path, tmp_path / "log", lock)) for _ in range(8)]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join(20)
    assert all(job.exitcode == 0 for job in jobs)
    assert sum(Counter((tmp_path / "log").read_text().split()).values()) == 8


def test_without_a_gpu_the_profile_is_named(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(StudyError, match="nvidia-smi finds none"):
        gpus.share_gpu(2)
