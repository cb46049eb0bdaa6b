"""The plan keeps its promises: what is missing or damaged is made again, nothing else is, and not in silence.

As a property over every file of a finished study: it is deleted, truncated and swapped with its neighbour,
and the study is started again.
"""

import re
import shutil
import zipfile
from pathlib import Path

import pandas as pd
import pytest
import yaml
from conftest import ROOT, Workflow, copy_workflow

RECIPE = {"epochs": 4, "batch_size": 64, "optimizer": {"name": "sgd", "learning_rate": 0.1}}
STUDY = {
    "study": "plan",
    "dataset": "digits",
    # One that both networks reach, after a search that adds widths, and one that neither reaches.
    "targets": [0.175, 0.99],
    "seeds": [0, 1],
    "validation_examples": 200,
    "refine": True,
    "export_models": True,
    # A name that another one and a hyphen begin must not be mistaken for a file of that one.
    "architectures": {
        "mlp": {"widths": [2, 4], **RECIPE},
        "mlp-2": {"architecture": "pooled_mlp", "widths": [3], **RECIPE},
    },
}
ARGUMENTS = ("--configfile", "study.yaml")
RUN_FILES = {"metrics.json", "predictions.npz", "weights.npz"}


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Workflow:
    """A study with a search and exports, run to its end. Tests put back what they change."""
    workflow = copy_workflow(ROOT, tmp_path_factory.mktemp("plan") / "few-weights")
    (workflow.folder / "study.yaml").write_text(yaml.safe_dump(STUDY))
    workflow.snakemake(*ARGUMENTS)
    return workflow


@pytest.fixture
def copy(finished, tmp_path) -> Workflow:
    """A copy of the finished study, with the times of its files."""
    shutil.copytree(finished.folder, tmp_path / "few-weights", symlinks=True)
    return Workflow(tmp_path / "few-weights")


def promised_files(workflow: Workflow) -> list[Path]:
    """Every file under results/ that the documents promise to make again."""
    results = workflow.folder / "results"
    by_products = {"logs", "checkpoints"}
    return [
        path
        for path in sorted(results.rglob("*"))
        if path.is_file()
        and not by_products & set(path.relative_to(results).parts)
        and path.suffix not in (".log", ".tsv")
        and path.name not in ("checksums.json", "baselines.json")
    ]


def derived_files(workflow: Workflow) -> list[Path]:
    """Those that are made from the runs."""
    files = [path for path in promised_files(workflow) if path.name not in RUN_FILES]
    return [path for path in files if path.parent.name != "data"]


def contents(paths) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in paths}


def run_times(workflow: Workflow) -> dict[Path, int]:
    return {
        path: path.stat().st_mtime_ns for path in workflow.folder.glob("results/plan/runs/*/*/*/metrics.json")
    }


def test_nothing_is_left_to_do(finished):
    assert finished.planned_jobs(*ARGUMENTS) == {}


def test_each_file_that_is_deleted_is_planned_again_alone(finished):
    """One run stands for all of them, and two figures; of everything else each file is tried."""
    files = promised_files(finished)
    first_run = next(path for path in files if path.name == "metrics.json").parent
    some = {*RUN_FILES, *(path.name for path in files if path.parent.name == "figures")}
    some -= {"curve-mlp.svg", "mistakes.png"}
    tried = [path for path in files if path.name not in some or path.parent == first_run]
    assert len(tried) > 25
    for path, planned in zip(tried, finished.planned_jobs_without(tried, *ARGUMENTS), strict=True):
        trainings = planned.pop("train_model", 0)
        assert trainings == (path.name in RUN_FILES), path
        assert ("fetch_data" in planned) == (path.parent.name == "data"), path
        assert trainings or planned, f"{path} is not missed"


@pytest.mark.parametrize("damage", ["delete", "truncate", "swap"])
def test_all_that_is_made_from_the_runs_is_made_again_as_it_was(copy, damage):
    files = derived_files(copy)
    before, trained = contents(files), run_times(copy)
    if damage == "swap":
        files = [path for path in files if path.suffix not in (".keras", ".tflite")]
    assert len(files) > 20
    for path in files:
        if damage == "delete":
            path.unlink()
        elif damage == "truncate":
            # At a line's end where there is one: a truncated table still reads as a table.
            half = before[path][: len(before[path]) // 2]
            path.write_bytes(half[: half.rfind(b"\n") + 1] or half)
        else:
            same_kind = [other for other in files if other.suffix == path.suffix]
            path.write_bytes(before[same_kind[(same_kind.index(path) + 1) % len(same_kind)]])
    copy.snakemake(*ARGUMENTS)
    assert run_times(copy) == trained
    different = [path for path, content in contents(before).items() if content != before[path]]
    # Those hold the time at which they were written.
    assert {path.suffix for path in different} <= {".keras", ".zip"}
    assert all(zipfile.is_zipfile(path) for path in different)
    assert copy.planned_jobs(*ARGUMENTS) == {}


@pytest.mark.parametrize("damage", ["truncate", "swap"])
def test_a_damaged_file_of_a_run_is_named_and_its_run_alone_is_trained_again(copy, damage):
    """One file of each kind, each of another run, at the same time."""
    runs = sorted(path.parent for path in copy.folder.glob("results/plan/runs/*/*/*/metrics.json"))
    report = (copy.folder / "results/plan/report.html").read_bytes()
    breakpoints = pd.read_csv(copy.folder / "results/plan/breakpoints.csv")
    victims = []
    for run, name in zip(runs, sorted(RUN_FILES), strict=False):
        neighbour = run.with_name("seed-1" if run.name == "seed-0" else "seed-0")
        content = (run / name).read_bytes()
        victim = run / name
        victim.write_bytes(
            content[: len(content) // 2] if damage == "truncate" else (neighbour / name).read_bytes()
        )
        victims.append(victim)
    assert len({victim.parent for victim in victims}) == 3
    trained = run_times(copy)
    job = copy.snakemake(*ARGUMENTS, check=False)
    assert job.returncode != 0
    assert "Traceback" not in job.stderr
    named = [str(victim.relative_to(copy.folder)) for victim in victims if victim.name == "metrics.json"]
    # A search reads the metrics before the other files are looked at.
    for name in named:
        assert name in job.stderr
    (copy.folder / named[0]).unlink()
    job = copy.snakemake(*ARGUMENTS, check=False)
    for victim in victims:
        if victim.name != "metrics.json":
            assert f"{victim.relative_to(copy.folder)} " in job.stderr
            victim.unlink()
    assert (copy.folder / "results/plan/report.html").read_bytes() == report
    copy.snakemake(*ARGUMENTS)
    again = run_times(copy)
    assert {path.parent for path in again if again[path] != trained[path]} == {
        victim.parent for victim in victims
    }
    pd.testing.assert_frame_equal(pd.read_csv(copy.folder / "results/plan/breakpoints.csv"), breakpoints)


def test_the_data_gone_or_damaged_costs_no_run(copy):
    data = copy.folder / "results/data/digits.npz"
    whole = data.read_bytes()
    study = STUDY | {"seeds": [0, 1, 2]}
    for damage in (b"", whole[:-100], None):
        data.unlink()
        if damage is not None:
            data.write_bytes(damage)
        assert copy.planned_jobs(*ARGUMENTS) == {"fetch_data": 1}
        (copy.folder / "more.yaml").write_text(yaml.safe_dump(study))
        planned = copy.planned_jobs("--configfile", "more.yaml")
        assert planned["fetch_data"] == 1
        assert planned["train_model"] == 3  # the widths of the study itself with the new seed
        mlp = STUDY["architectures"]["mlp"] | {"epochs": 5}
        other = STUDY | {"architectures": STUDY["architectures"] | {"mlp": mlp}}
        (copy.folder / "other.yaml").write_text(yaml.safe_dump(other))
        planned = copy.planned_jobs("--configfile", "other.yaml")
        # At the study's own widths; those that a search adds are known when it has judged them.
        assert (planned["fetch_data"], planned["train_model"]) == (1, 4)
        if damage is None:
            break
        copy.snakemake(*ARGUMENTS)
        assert data.read_bytes() == whole


def test_a_copy_without_times_and_records_trains_nothing(finished, tmp_path):
    """As `cp -r`, `unzip` or `git clone` leave it, on a machine that has not got the data either."""
    clone = copy_workflow(ROOT, tmp_path / "few-weights")
    (clone.folder / "study.yaml").write_text(yaml.safe_dump(STUDY))
    for path in sorted((finished.folder / "results/plan").rglob("*"), reverse=True):
        if path.is_file():
            target = clone.folder / path.relative_to(finished.folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
    assert "train_model" not in clone.planned_jobs(*ARGUMENTS)
    before = run_times(clone)
    clone.snakemake(*ARGUMENTS)
    assert run_times(clone) == before
    # Snakemake has no record of these runs, so that another recipe is noticed where they are merged.
    other = STUDY | {"architectures": {"mlp": STUDY["architectures"]["mlp"] | {"epochs": 5}}}
    (clone.folder / "study.yaml").write_text(yaml.safe_dump(other))
    shutil.rmtree(clone.folder / ".snakemake")
    job = clone.snakemake(*ARGUMENTS, check=False)
    assert job.returncode != 0
    assert re.search(r"width-2/seed-0/metrics.json does not match the study: epochs 4, not 5", job.stderr)


def test_a_report_never_trains(finished, tmp_path):
    report = ("--snakefile", "workflow/report.smk", *ARGUMENTS)
    results = tmp_path / "few-weights" / "results"

    def reported(check=True):
        job = Workflow(tmp_path / "few-weights").snakemake(*report, check=check)
        assert "train_model" not in job.stdout + job.stderr
        return job

    clone = copy_workflow(ROOT, tmp_path / "few-weights")
    (clone.folder / "study.yaml").write_text(yaml.safe_dump(STUDY))
    job = reported(check=False)
    assert job.returncode != 0
    assert "none of the study's runs is finished (mlp width 2 seeds 0, 1; mlp width 4" in job.stderr
    assert not results.exists()

    shutil.copytree(finished.folder / "results", results)
    (results / "plan/runs/mlp/width-2/seed-1/metrics.json").unlink()
    (results / "plan/runs/mlp-2/width-3/seed-0/weights.npz").unlink()
    job = reported()
    missing = "2 of 10 runs are missing: mlp width 2 seed 1; mlp-2 width 3 seed 0."
    assert re.sub(r"of \d+ runs", "of 10 runs", missing) in re.sub(r"of \d+ runs", "of 10 runs", job.stderr)
    assert "mlp width 2 seed 1" in (results / "plan/report.html").read_text()
    runs = pd.read_csv(results / "plan/runs.csv")
    assert not ((runs["architecture"] == "mlp") & (runs["width"] == 2) & (runs["seed"] == 1)).any()
    # When the runs are back, its tables do not pass for those of the study, whatever Snakemake remembers.
    for name in ("mlp/width-2/seed-1/metrics.json", "mlp-2/width-3/seed-0/weights.npz"):
        shutil.copy2(finished.folder / "results/plan/runs" / name, results / "plan/runs" / name)
    shutil.rmtree(clone.folder / ".snakemake")
    assert clone.planned_jobs(*ARGUMENTS)["merge_runs"] == 1

    # Only tables and figures, as in results/reference; one table is missing there.
    shutil.rmtree(results)
    for path in derived_files(finished):
        if path.suffix in (".csv", ".svg", ".png") and path.name != "counts.csv":
            target = clone.folder / path.relative_to(finished.folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
    job = reported()
    assert "counts.csv is missing: it is made from the runs' files, which are not here" in job.stderr
    assert (results / "plan/report.html").exists()
