"""Processes that are interrupted, killed, or started twice: what is printed, how fast, and what is left."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import yaml
from conftest import Workflow

RECOVER = [sys.executable, "workflow/scripts/recover.py", "--configfile", "long.yaml"]
LONG = "results/long/runs/cnn/width-32/seed-0"
STUDY = {
    "study": "long",
    "dataset": "mnist",
    "targets": [0.9],
    "seeds": [0],
    "architectures": {
        "mlp": {
            "widths": [4],
            "epochs": 1,
            "batch_size": 128,
            "optimizer": {"name": "sgd", "learning_rate": 0.1},
        },
        # An epoch takes more than half a minute, in a single call of machine code.
        "cnn": {
            "widths": [32],
            "epochs": 2,
            "batch_size": 128,
            "optimizer": {"name": "adadelta", "learning_rate": 1.0, "rho": 0.95},
        },
    },
}


@pytest.fixture(scope="module")
def folder(finished_smoke, tmp_path_factory) -> Path:
    """The workflow with the data and a study whose second run takes long; the first is done after a start."""
    folder = tmp_path_factory.mktemp("processes") / "few-weights"
    shutil.copytree(finished_smoke.folder, folder)
    (folder / "long.yaml").write_text(yaml.safe_dump(STUDY))
    return folder


class Started:
    """Snakemake in its own process group, as in a terminal, and its output."""

    def __init__(self, folder: Path, *arguments: str):
        self.folder, self.output = folder, folder / "output.txt"
        with self.output.open("w") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "snakemake", "--cores", "2", "--configfile", "long.yaml", *arguments],
                cwd=folder,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
            )

    def wait_until_training(self) -> psutil.Process:
        """Wait until the long training has begun and the other run is done; returns its process."""
        log = self.folder / LONG / "train.log"
        for _ in range(600):
            assert self.process.poll() is None, self.output.read_text()
            begun = log.exists() and "parameters; by machine code" in log.read_text()
            if begun and "1 of 2 runs are trained" in self.output.read_text():
                (training,) = [process for process in trainings(self.folder) if "python" in process.name()]
                return training
            time.sleep(0.2)
        raise AssertionError(self.output.read_text())

    def wait(self, seconds: float) -> str:
        self.process.wait(seconds)
        return self.output.read_text()


def trainings(folder: Path, script: str = "train.py") -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if script in " ".join(process.cmdline()) and Path(process.cwd()) == folder:
                found.append(process)
        except psutil.Error:
            continue
    return found


@pytest.fixture
def started(folder):
    """A start whose training has begun; all its processes are killed at the end."""
    shutil.rmtree(folder / LONG, ignore_errors=True)
    start = Started(folder)
    start.training = start.wait_until_training()
    yield start
    start.process.kill()
    start.process.wait()
    subprocess.run(RECOVER, cwd=folder, check=True)


@pytest.mark.parametrize("receiver", ["terminal", "snakemake alone"])
def test_ctrl_c_ends_immediately_with_one_line(started, receiver):
    if receiver == "terminal":
        os.killpg(started.process.pid, signal.SIGINT)
    else:
        os.kill(started.process.pid, signal.SIGINT)
    # Two seconds are promised, but other tests run at the same time.
    output = started.wait(10)
    assert started.process.returncode != 0
    # The training did not go on to the end of its epoch, as that of the other run did.
    logs = [
        started.folder / "results/long/runs/mlp/width-4/seed-0/train.log",
        started.folder / LONG / "train.log",
    ]
    assert [bool(re.search(r"^epoch +1/", log.read_text(), re.MULTILINE)) for log in logs] == [True, False]
    assert output.endswith("\nInterrupted: 1 of 2 runs are done. Start again to continue.\n")
    assert "Traceback" not in output and "Error" not in output and "failed" not in output
    assert trainings(started.folder) == []
    assert not list((started.folder / "results").rglob("*.tmp"))


@pytest.mark.parametrize(
    ("script", "line"),
    [
        ("describe_models.py", "Interrupted before the first job. Start again to continue."),
        ("prepare_networks.py", "runs are done. Start again to continue."),
    ],
)
def test_ctrl_c_before_the_first_job_ends_with_one_line_too(folder, script, line):
    for path in (LONG, ".snakemake/few-weights"):
        shutil.rmtree(folder / path, ignore_errors=True)
    start = Started(folder)
    for _ in range(1000):
        if running := [each for each in trainings(folder, script) if "python" in each.name()]:
            break
        assert start.process.poll() is None, start.output.read_text()
        time.sleep(0.1)
    os.kill(start.process.pid, signal.SIGINT)
    output = start.wait(20)
    assert start.process.returncode != 0
    assert output.endswith(f"{line}\n") and "Traceback" not in output and "Error" not in output
    assert not any(each.is_running() for each in running)
    assert Workflow(folder).planned_jobs("--configfile", "long.yaml")["train_model"] >= 1


@pytest.mark.parametrize(
    ("number", "reason"),
    [(signal.SIGKILL, "killed by signal 9 (out of memory?)"), (signal.SIGTERM, "killed by signal 15")],
)
def test_a_training_that_is_killed_is_reported_as_killed(started, number, reason):
    started.training.send_signal(number)
    output = started.wait(60)
    assert f"cnn width 32 seed 0 failed: {reason} in epoch 1\n  its log: {LONG}/train.log\n" in output
    assert "Start again to train what is missing" in output
    assert "mlp" not in output.rpartition("Exiting because a job execution failed")[2]


def test_progress_is_printed_while_a_study_trains(started):
    line = r"^1 of 2 runs are trained, about .* left\.\n  cnn width 32 seed 0: (starting|epoch [12] of 2)$"
    for _ in range(250):
        if re.search(line, started.output.read_text(), re.MULTILINE):
            break
        time.sleep(0.2)
    assert re.search(line, started.output.read_text(), re.MULTILINE), started.output.read_text()
    assert re.search(
        r"^  The log of each run lists its epochs: results/long/runs/.*/train\.log$",
        started.output.read_text(),
        re.MULTILINE,
    )
    first_line = (started.folder / LONG / "train.log").read_text().splitlines()[0]
    assert first_line.startswith("cnn width 32 seed 0: 1,199,882 parameters; by machine code")


def test_a_killed_snakemake_is_recovered_from_by_one_command(started):
    second = Workflow(started.folder).snakemake("--configfile", "long.yaml", check=False)
    assert "Directory cannot be locked" in second.stderr
    refused = subprocess.run(RECOVER, cwd=started.folder, capture_output=True, text=True)
    assert refused.returncode == 1
    assert f"Snakemake is still running in this folder (process {started.process.pid})" in refused.stderr

    started.process.kill()
    started.process.wait()
    assert trainings(started.folder), "the training continues without Snakemake"
    (started.folder / LONG / ".metrics.json.1234.tmp").touch()
    subprocess.run(RECOVER, cwd=started.folder, check=True)
    assert trainings(started.folder) == []
    assert not list((started.folder / "results").rglob("*.tmp"))
    planned = Workflow(started.folder).planned_jobs("--configfile", "long.yaml")
    assert planned["train_model"] == 1
