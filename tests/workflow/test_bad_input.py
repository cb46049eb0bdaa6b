"""A user's mistake ends the workflow with one short message, without a traceback."""

import json
import os
import subprocess
import sys

import pytest


def refused(workflow, *arguments):
    job = workflow.snakemake(*arguments, check=False)
    output = job.stdout + job.stderr
    assert job.returncode != 0
    assert "Traceback" not in output, output
    assert "additionalProperties" not in output, output
    return output


def test_a_bad_study(fresh):
    fresh.edit("config/smoke.yaml", "seeds: [0]", "seed: [0]")
    fresh.edit("config/smoke.yaml", "  vgg:", "  vggg:")
    output = refused(fresh, "--configfile", "config/smoke.yaml")
    assert "config/smoke.yaml cannot be used:" in output
    assert "unknown key 'seed'; did you mean 'seeds'?" in output
    assert "unknown architecture 'vggg'; did you mean 'vgg'?" in output
    assert len(output.splitlines()) < 12, output
    assert not (fresh.folder / "results").exists()


def test_a_network_that_cannot_be_built(fresh):
    """Reported before anything is fetched or trained."""
    path = fresh.folder / "workflow/scripts/few_weights/networks/architectures.py"
    text = path.read_text()
    path.write_text(
        text.replace("            halving(),\n", "            halving(),\n            halving(),\n")
    )
    output = refused(fresh, "--configfile", "config/smoke.yaml", "--dry-run")
    assert "vgg of width 2 cannot be built on images of (28, 28, 1)" in output


def test_a_network_too_large_for_its_optimizer(fresh):
    fresh.edit(
        "config/smoke.yaml",
        "{name: rmsprop, learning_rate: 0.001, rho: 0.9}",
        "{name: full_matrix_adam, learning_rate: 0.02, beta_1: 0.9, beta_2: 0.995, refresh: 100}",
    )
    output = refused(fresh, "--configfile", "config/smoke.yaml", "--dry-run")
    assert "mlp of width 32 has 26,506 parameters; full_matrix_adam" in output


def test_data_that_no_source_has(fresh):
    fresh.edit("config/smoke.yaml", "study: smoke", "study: smoke\nsources: [{file: nowhere.npz}]")
    output = refused(fresh, "--configfile", "config/smoke.yaml", "--", "results/data/mnist.npz")
    assert "file nowhere.npz: there is no such file or folder" in output
    assert not list((fresh.folder / "results" / "data").glob("*.npz*"))


def test_data_that_was_damaged(smoke):
    """It is fetched again automatically; a training by hand, which fetches nothing, says what to do."""
    path = smoke.folder / "results" / "data" / "mnist.npz"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1000])
    recipe = {"epochs": 1, "batch_size": 128, "optimizer": {"name": "sgd", "learning_rate": 0.1}}
    by_hand = [sys.executable, "workflow/scripts/train.py"]
    by_hand += ["--architecture", "mlp", "--width", "2", "--seed", "0", "--recipe", json.dumps(recipe)]
    by_hand += ["--data", str(path), "--output", "m.json", "--predictions", "p.npz"]
    job = subprocess.run([*by_hand, "--weights", "w.npz"], cwd=smoke.folder, capture_output=True, text=True)
    assert job.returncode == 1
    assert job.stderr.startswith(f"error: {path} is damaged: ")
    assert "delete it and start again" in job.stderr

    run = smoke.folder / "results/smoke/runs/mlp/width-16/seed-0/metrics.json"
    run.unlink()
    planned = smoke.planned_jobs("--configfile", "config/smoke.yaml")
    assert (planned["fetch_data"], planned["train_model"]) == (1, 1)
    smoke.snakemake("--configfile", "config/smoke.yaml", "--", str(run.relative_to(smoke.folder)))
    assert path.read_bytes() == whole
    assert run.exists()


def test_a_broken_run_is_named(smoke):
    run = smoke.folder / "results/smoke/runs/mlp/width-16/seed-0/metrics.json"
    run.write_text(run.read_text()[:100])
    output = refused(smoke, "--configfile", "config/smoke.yaml")
    assert "mlp/width-16/seed-0/metrics.json is not a complete JSON file" in output
    assert "Delete these files and start again" in output


def test_a_gpu_that_does_not_exist(smoke):
    run = "results/smoke/runs/mlp/width-16/seed-0/metrics.json"
    (smoke.folder / run).unlink()
    output = refused(
        smoke, "--configfile", "config/smoke.yaml", "--set-resources", "train_model:gpu=1", "--", run
    )
    assert "the profile gives this job 1 GPU(s), but TensorFlow sees 0" in output


def test_a_loss_that_is_not_finite(smoke):
    """A run that diverged is a result, and the study ends with its report."""
    smoke.edit(
        "config/smoke.yaml",
        "epochs: 1\n    batch_size: 128\n    optimizer: {name: rmsprop, learning_rate: 0.001, rho: 0.9}",
        "epochs: 3\n    batch_size: 128\n    optimizer: {name: sgd, learning_rate: 1.0e+30}",
    )
    job = smoke.snakemake("--configfile", "config/smoke.yaml")
    folder = smoke.folder / "results" / "smoke"
    metrics = json.loads((folder / "runs/mlp/width-16/seed-0/metrics.json").read_text())
    assert metrics["diverged_in_epoch"] == 1 and metrics["epochs"] == 3
    assert [record["train_loss"] for record in metrics["history"]] == [None]
    assert "mlp width 16 seed 0 in epoch 1" in job.stdout + job.stderr
    assert "A smaller learning_rate" in job.stdout + job.stderr
    page = (folder / "report.html").read_text()
    assert "mlp width 16 seed 0 in epoch 1" in page and '<span class="flag">diverged</span>' in page
    # It is finished: nothing is trained again.
    assert smoke.planned_jobs("--configfile", "config/smoke.yaml") == {}


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 64 KiB, and a way to make it read-only."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], capture_output=True, text=True
    )
    if os.geteuid() != 0 or mount.returncode != 0:
        pytest.skip("mounting a file system needs root")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_read_only_results_folder(fresh, small_disk):
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    (fresh.folder / "results").symlink_to(small_disk)
    output = refused(fresh, "--configfile", "config/smoke.yaml")
    assert f"{small_disk} is not writable, and results go to results/smoke/" in output


def test_a_full_results_folder(smoke, small_disk):
    """The metrics do not fit: the run fails with a reason, and leaves no part of a file."""
    results = smoke.folder / "results" / "smoke"
    (small_disk / "ballast").write_bytes(b"0" * 60_000)
    run = results / "runs" / "mlp" / "width-64" / "seed-0"
    run.parent.mkdir()
    run.symlink_to(small_disk)
    smoke.edit("config/smoke.yaml", "    widths: [32, 16]", "    widths: [64, 32, 16]")
    output = refused(
        smoke, "--configfile", "config/smoke.yaml", "--", str(run.relative_to(smoke.folder) / "metrics.json")
    )
    assert "No space left on device" in output
    assert [path.name for path in small_disk.iterdir() if "metrics" in path.name] == []
