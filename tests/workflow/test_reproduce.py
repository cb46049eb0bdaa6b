"""A small study that is committed and trained again: the same bits, and a changed number is found."""

import re
import subprocess
import sys

import pandas as pd
import pytest
import yaml
from conftest import ROOT, Workflow, copy_workflow

from few_weights.analysis.reproduction import draw_runs, name_of

RECIPE = {
    "epochs": 3,
    "batch_size": 32,
    "optimizer": {"name": "rmsprop", "learning_rate": 0.003, "rho": 0.9},
}
STUDY = {
    "study": "tiny",
    "dataset": "digits",
    "targets": [0.3],
    "seeds": [0],
    # The search adds widths that the study does not name.
    "refine": True,
    "architectures": {"mlp": {"widths": [2, 6], **RECIPE}},
}
HISTORY = "results/reference/tiny/history.csv"


def run(workflow: Workflow, script: str, *options: str) -> subprocess.CompletedProcess:
    command = [sys.executable, f"workflow/scripts/{script}.py", *options]
    return subprocess.run(command, cwd=workflow.folder, capture_output=True, text=True)


@pytest.fixture(scope="module")
def committed(tmp_path_factory) -> Workflow:
    """The study, run and copied to results/reference/."""
    workflow = copy_workflow(ROOT, tmp_path_factory.mktemp("committed") / "few-weights")
    (workflow.folder / "config" / "tiny.yaml").write_text(yaml.safe_dump(STUDY))
    workflow.snakemake("--configfile", "config/tiny.yaml")
    # Left behind by an earlier study of this name.
    for name in ("exports.csv", "bytes.csv", "figures/curve-gone.svg"):
        (workflow.folder / "results" / "tiny" / name).write_text("stale")
    # A study that has changed since is not finished.
    for change in ({"targets": [0.5]}, {"seeds": [0, 1]}):
        (workflow.folder / "changed.yaml").write_text(yaml.safe_dump(STUDY | change))
        job = run(workflow, "copy_reference", "--configfile", "changed.yaml")
        assert job.returncode == 1 and "does not hold what changed.yaml asks for now" in job.stderr
    job = run(workflow, "copy_reference", "--configfile", "config/tiny.yaml")
    assert job.returncode == 0, job.stderr
    reference = workflow.folder / "results" / "reference" / "tiny"
    assert not [path for path in reference.rglob("*") if path.is_file() and path.read_bytes() == b"stale"]
    return workflow


def test_committed_runs_have_the_same_bits_until_a_number_is_changed(committed):
    folder = committed.folder
    runs = pd.read_csv(folder / "results/tiny/runs.csv")
    if not runs["bits"].str.startswith("any ").all():
        pytest.skip("this machine has no AVX2 and FMA: nothing promises its bits")
    assert set(runs["width"]) > {2, 6}
    files = {path: path.read_bytes() for path in (folder / "results/tiny").rglob("*") if path.is_file()}
    job = run(committed, "reproduce_runs", "--runs", "100", "--cores", "2")
    assert job.returncode == 0, job.stdout + job.stderr
    assert job.stdout.splitlines()[-1] == "equal" and "Not compared" not in job.stdout
    assert len(re.findall(r"seed 0: equal$", job.stdout, re.MULTILINE)) == len(runs)
    assert {path: path.read_bytes() for path in files} == files
    job = run(committed, "compare_runs", "--configfile", "config/tiny.yaml")
    assert job.returncode == 0 and job.stdout.splitlines()[-1] == "equal"

    (drawn,) = draw_runs(runs, 1, seed=1)
    history = pd.read_csv(folder / HISTORY)
    history.loc[(history["width"] == drawn.width) & (history["epoch"] == 2), "test_loss"] += 1e-9
    history.to_csv(folder / HISTORY, index=False)
    only = ["--configfile", "config/tiny.yaml"]
    for job in (
        run(committed, "compare_runs", *only),
        run(committed, "reproduce_runs", *only, "--runs", "1", "--seed", "1", "--cores", "1"),
    ):
        assert job.returncode == 1, job.stdout + job.stderr
        assert job.stdout.splitlines()[-1] == "different"
        assert len(re.findall(f"{name_of(drawn)}: history from epoch 2, test_loss ", job.stdout)) == 1
        assert len(re.findall("history from", job.stdout)) == 1
