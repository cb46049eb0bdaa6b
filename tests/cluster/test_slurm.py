"""The Slurm profile on a real Slurm of six nodes, with the real MNIST: where jobs run, and what they survive.

The GPUs are simulated, so trainings must stay on the CPU. The tests change only those lines of the profile
that every user has to set.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml
from cluster.slurm import NODES, Slurm, reason_to_skip
from conftest import ROOT, Workflow, copy_workflow

HERE = Path(__file__).parent
CONFIG = "config/cluster.yaml"
PROFILE = "workflow/profiles/slurm/config.yaml"
README = ROOT / "workflow" / "profiles" / "README.md"
RMSPROP = {"name": "rmsprop", "learning_rate": 0.001, "rho": 0.9}

#: Cheap trainings of a second or two, and one (`mlp` 512) that is expensive enough for its own submission.
STUDY = {
    "study": "cluster",
    "dataset": "mnist",
    "targets": [0.9],
    "seeds": [0, 1],
    "architectures": {
        "mlp": {"widths": [512, 8], "epochs": 5, "batch_size": 512, "optimizer": RMSPROP},
        "pooled_mlp": {
            "widths": [4],
            "epochs": 1,
            "batch_size": 128,
            "optimizer": RMSPROP,
            "baseline": {"architecture": "mlp", "width": 512},
        },
    },
}
TRAININGS = ("--", "results/cluster/runs.csv")
RUNS = [
    f"{architecture}-{width}-{seed}"
    for architecture, section in STUDY["architectures"].items()
    for width in section["widths"]
    for seed in STUDY["seeds"]
]


def wait_until(condition: Callable[[], object], seconds: float) -> None:
    """Look every 0.1 s whether a condition holds; fail if it does not within that time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {condition}"
        time.sleep(0.1)


class ClusterUser(Workflow):
    """A copy of the workflow, on a machine with Slurm."""

    def __init__(self, folder: Path, slurm: Slurm):
        super().__init__(folder)
        self.slurm = slurm
        self.hook = folder / "hook"
        self.hook.mkdir()
        self.started: list[subprocess.Popen] = []

    def start(self, *arguments: str) -> subprocess.Popen:
        command = [sys.executable, HERE / "polling.py", "--workflow-profile", "workflow/profiles/slurm"]
        command += ["--slurm-init-seconds-before-status-checks", "2", "--configfile", CONFIG, *arguments]
        process = subprocess.Popen(
            command,
            cwd=self.folder,
            env=self.slurm.environment | {"HOOK_FOLDER": str(self.hook)},
            stdout=(self.folder / "snakemake.log").open("ab"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self.started.append(process)
        return process

    def finish(self, process: subprocess.Popen, seconds: int) -> None:
        assert process.wait(seconds) == 0, self.log()

    def kill(self) -> None:
        """Kill every Snakemake that is still running."""
        for process in self.started:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def log(self) -> str:
        return (self.folder / "snakemake.log").read_text()[-6000:]

    def starts(self) -> list[list[str]]:
        """Run, job, node and GPUs of each training that started."""
        path = self.hook / "started"
        return [line.split() for line in path.read_text().splitlines()] if path.exists() else []


def results_of(workflow: Workflow) -> dict:
    """The metrics of each run, without the section `execution`, and its predictions."""
    results = {}
    for path in sorted((workflow.folder / "results/cluster/runs").rglob("metrics.json")):
        metrics = json.loads(path.read_text())
        metrics.pop("execution")
        with np.load(path.with_name("predictions.npz")) as file:
            predictions = {name: file[name].tobytes() for name in file}
        results["-".join(str(metrics[key]) for key in ("architecture", "width", "seed"))] = (
            metrics,
            predictions,
        )
    return results


def prepare(folder: Path) -> Workflow:
    """A copy of the workflow with the study, and with the data if they are there."""
    workflow = copy_workflow(ROOT, folder)
    (folder / CONFIG).write_text(yaml.safe_dump(STUDY))
    data = ROOT / "results" / "data" / "mnist.npz"
    if data.exists():  # saves the download; every training verifies the data
        (folder / "results" / "data").mkdir(parents=True)
        shutil.copy(data, folder / "results" / "data")
    return workflow


@pytest.fixture(scope="module")
def slurm():
    if reason := reason_to_skip():
        pytest.skip(reason)
    cluster = Slurm()
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
    assert not cluster.processes()


@pytest.fixture(scope="module")
def local(slurm, tmp_path_factory):
    """The study computed without the cluster, and its results."""
    workflow = prepare(tmp_path_factory.mktemp("local") / "few-weights")
    workflow.snakemake("--configfile", CONFIG, *TRAININGS)
    results = results_of(workflow)
    assert sorted(results) == sorted(RUNS)
    return workflow, results


@pytest.fixture
def user(slurm, local, tmp_path):
    """A fresh copy of the workflow, with the two lines of the profile set that every user has to set.

    The GPUs are simulated, so Slurm allocates them, and trainings stay on the CPU.
    """
    prepare(tmp_path / "few-weights")
    user = ClusterUser(tmp_path / "few-weights", slurm)
    shutil.copytree(local[0].folder / "results/data", user.folder / "results/data", dirs_exist_ok=True)
    shutil.copytree(local[0].folder / ".snakemake/few-weights", user.folder / ".snakemake/few-weights")
    user.edit(PROFILE, "slurm_partition: gpu\n", f"slurm_partition: {slurm.partition}\n")
    user.edit(PROFILE, "    gpu: 1\n", "")
    user.edit(PROFILE, "    # gres:", "    gres:")
    user.edit(
        "workflow/rules/train.smk",
        '"python {params.script:q}"',
        f'"bash {HERE}/hook.sh {{wildcards.architecture}}-{{wildcards.width}}-{{wildcards.seed}}"'
        ' " && python {params.script:q}"',
    )
    yield user
    user.kill()
    slurm.run("scancel", "-u", "root")
    for node in NODES:
        slurm.run("scontrol", "update", f"NodeName={node}", "State=RESUME")


def test_jobs_spread_over_the_nodes_each_with_its_gpu(user, local, slurm):
    """With `gpu: 1`, as in the profile; a line of the rule is changed to keep trainings on the CPU anyway."""
    user.edit(PROFILE, '    gres: "gpu:1"', "    gpu: 1")
    user.edit("workflow/rules/train.smk", '" --gpus {resources.gpu}"', '" --gpus 0"')
    before = set(slurm.jobs())
    (user.hook / "second").touch()  # kill the second training of one submission, after the first has finished
    user.finish(user.start("--group-components", "cheap=2"), 400)
    assert results_of(user) == local[1]
    starts = user.starts()
    assert all(len(gpus.split(",")) == 1 and gpus != "none" for *_, gpus in starts), starts
    jobs = {id: job for id, job in slurm.jobs().items() if id not in before}
    # One submission for each expensive training and each pair of cheap ones, and one of these pairs again.
    states = {id: (job["JobState"], job["Reason"], job["NodeList"]) for id, job in jobs.items()}
    assert len(jobs) == 2 + 2 + 1, (states, starts)
    assert all(job["TresPerJob"] == "gres:gpu:1" for job in jobs.values())
    first = list(jobs)[:4]  # these ran at the same time
    assert len({node for _, job, node, _ in starts if job in first}) == len(first)
    assert (user.folder / "results/cluster/report.html").exists()

    assert Counter(Counter(run for run, *_ in starts).values()) == {1: 4, 2: 2}
    logs = [path.read_text() for path in (user.folder / "results/cluster/runs").rglob("train.log")]
    assert sum("its results are reused" in log for log in logs) == 1
    assert not (user.folder / "results/cluster/checkpoints").exists()


def test_results_are_the_same_after_faults(user, local, slurm):
    """Each fault in its own submission, and one training that is cancelled after its first checkpoint."""
    faults = {
        "mlp-8-0": ("killed", "FAILED"),
        "mlp-8-1": ("memory", "FAILED"),
        "pooled_mlp-4-0": ("time", "TIMEOUT"),
        "pooled_mlp-4-1": ("cancelled", "CANCELLED"),
        "mlp-512-1": ("node", "NODE_FAIL"),
    }
    for run, (fault, _) in faults.items():
        (user.hook / run).write_text(fault)
    user.edit("workflow/scripts/few_weights/training/checkpoint.py", "INTERVAL = 15.0", "INTERVAL = 0.1")
    process = user.start("--group-components", "cheap=1", *TRAININGS)
    log = user.folder / "results/cluster/runs/mlp/width-512/seed-0/train.log"
    # When it prints its second epoch, the checkpoint of the first is there.
    wait_until(lambda: log.exists() and "epoch   2/" in log.read_text(), 200)
    *_, job = (job for run, job, *_ in user.starts() if run == "mlp-512-0")
    slurm.run("scancel", job)
    user.finish(process, 400)

    results = results_of(user)
    for (metrics, _), (expected, _) in zip(results.values(), local[1].values(), strict=True):
        metrics["code"] = expected["code"]  # differs, since checkpoint.py was edited
    assert results == local[1]
    starts = Counter(run for run, *_ in user.starts())
    jobs = slurm.jobs()
    for run, (fault, state) in faults.items():
        first, *retries = (job for name, job, *_ in user.starts() if name == run)
        assert retries, (run, starts)
        assert jobs[first]["JobState"] == state, jobs[first]
        (slurm_log,) = (user.folder / ".snakemake/slurm_logs").rglob(f"{first}.log")
        assert ("exceeded memory limit" in slurm_log.read_text()) == (fault == "memory")
    assert not (user.folder / "results/cluster/checkpoints").exists()
    metrics = json.loads(log.with_name("metrics.json").read_text())
    assert metrics["execution"]["resumed_after_epoch"] > 0, user.starts()


def test_snakemake_is_killed_and_started_again(user, local, slurm):
    """As in workflow/profiles/README.md: cancel the remaining jobs by their name, unlock, start again."""
    for run in RUNS[:2]:
        (user.hook / run).write_text("held")
    user.start("--group-components", "cheap=4", *TRAININGS)
    runs = user.folder / "results/cluster/runs"
    held = set(RUNS[:2])
    wait_until(lambda: held <= {run for run, *_ in user.starts()} and list(runs.rglob("metrics.json")), 200)
    user.kill()
    assert slurm.run("squeue", "-h").stdout.strip()  # the jobs of the killed Snakemake
    cancel = next(line for line in README.read_text().splitlines() if line.startswith("squeue --me -h"))
    slurm.run("bash", "-c", cancel)
    wait_until(lambda: not slurm.run("squeue", "-h").stdout.strip(), 60)
    finished = {path: path.stat().st_mtime_ns for path in runs.rglob("metrics.json")}
    user.snakemake("--configfile", CONFIG, "--unlock")
    user.finish(user.start("--group-components", "cheap=4", *TRAININGS), 400)
    assert results_of(user) == local[1]
    assert {path: path.stat().st_mtime_ns for path in finished} == finished
