"""A study that trains in stages, run for real on the UCI digits: killed, resumed, reported.

Which models go on depends on the machine's arithmetic, so its outputs are held against each other and against
the rule, computed again without the workflow's code.
"""

import json
import math
import re
import shutil

import pandas as pd
import pytest
import yaml
from conftest import ROOT, Workflow, copy_workflow

CONFIG = ("--configfile", "halved.yaml")
RECIPE = {
    "epochs": 4,
    "batch_size": 32,
    "optimizer": {"name": "adam", "learning_rate": 0.01, "beta_1": 0.9, "beta_2": 0.99},
}
STUDY = {
    "study": "halved",
    "dataset": "digits",
    "targets": [0.5],
    "seeds": [3, 4],
    "validation_examples": 300,
    "halving": {"epochs": [1, 2], "keep": 0.4},
    "architectures": {
        "mlp": {"widths": [2, 4, 8, 16], **RECIPE},
        # None of it goes on: it has more weights than mlp 16, and is blind.
        "blind": {
            "widths": [30, 40],
            "seeds": [5],
            **RECIPE,
            "layers": [
                {"MaxPooling2D": {"pool_size": 8}},
                "Flatten",
                {"Dense": {"units": "width"}},
                {"Dense": {"units": "width"}},
                {"Dense": {"units": "classes", "activation": "softmax"}},
            ],
        },
    },
}


def start(folder) -> Workflow:
    workflow = copy_workflow(ROOT, folder)
    (workflow.folder / "halved.yaml").write_text(yaml.safe_dump(STUDY))
    return workflow


def metrics_of_runs(workflow):
    """Each run's metrics, which hold the time its training took: a run that is trained again has others."""
    return {
        path.relative_to(workflow.folder): path.read_bytes()
        for path in workflow.folder.glob("results/halved/runs/*/*/*/metrics.json")
    }


def table(workflow, name):
    return pd.read_csv(workflow.folder / "results" / "halved" / f"{name}.csv")


@pytest.fixture(scope="module")
def halved(tmp_path_factory):
    """The study run to its end with two jobs at a time; not to change."""
    workflow = start(tmp_path_factory.mktemp("halved") / "few-weights")
    workflow.output = workflow.snakemake(*CONFIG).stderr
    return workflow


@pytest.fixture
def copy(halved, tmp_path):
    """A copy of the finished study that a test may change."""
    shutil.copytree(halved.folder, tmp_path / "few-weights")
    return Workflow(tmp_path / "few-weights")


def test_each_stage_follows_from_the_runs_alone(halved):
    read = [json.loads(content) for content in metrics_of_runs(halved).values()]
    runs = pd.DataFrame([{**run, "train_seconds": run["execution"]["train_seconds"]} for run in read])
    runs["name"] = runs["architecture"].str.replace(r"-\d-epochs$", "", regex=True)
    models = runs.groupby(["epochs", "name", "width"]).agg(
        bytes=("weight_bytes", "first"),
        accuracy=("validation_accuracy", "mean"),
        seeds=("seed", list),
        seconds=("train_seconds", "sum"),
    )
    stages = table(halved, "stages").set_index(["epochs", "architecture", "width"])
    assert set(stages.index) == set(models.index)
    for (_, name, _), seeds in models["seeds"].items():
        assert sorted(seeds) == ([5] if name == "blind" else [3, 4])
    assert (stages["weight_bytes"] == models["bytes"]).all()
    assert stages["validation_accuracy"].sub(models["accuracy"]).abs().max() < 1e-12
    assert stages["train_seconds"].sub(models["seconds"]).abs().max() < 0.002
    for number, (epochs, following) in enumerate([(1, 2), (2, 4)], 1):
        stage = models.loc[epochs]
        beaten = {
            model: sum(
                other.bytes <= row.bytes
                and other.accuracy >= row.accuracy
                and (other.bytes, other.accuracy) != (row.bytes, row.accuracy)
                for other in stage.itertuples()
            )
            for model, row in zip(stage.index, stage.itertuples(), strict=True)
        }
        ranked = sorted(stage.index, key=lambda model: (beaten[model], -stage.loc[model, "accuracy"]))
        going_on = set(ranked[: math.ceil(0.4 * len(stage))])
        assert set(models.loc[following].index) == going_on
        known = stages.loc[epochs]
        assert set(known.index[known["goes_on"]]) == going_on
        assert (known["stage"] == number).all() and known["beaten_by"].to_dict() == beaten
    assert len(models.loc[1]) == 6 and not stages.loc[4, "goes_on"].any()


def test_the_last_stage_is_the_study_s_result(halved):
    """Which has no run of `blind`, so no figure of it either."""
    runs = table(halved, "runs")
    assert set(runs["architecture"]) == {"mlp"} and set(runs["epochs"]) == {4}
    folder = halved.folder / "results/halved"
    assert (folder / "figures/curve-mlp.svg").exists() and not (folder / "figures/curve-blind.svg").exists()
    page = (folder / "report.html").read_text()
    assert "By successive halving" in page
    assert re.search(r"It took 6 models for 1 epoch \(0\.\d\d core hours\), then 3 for 2 epochs", page)
    assert "is missing" not in page and "could not be drawn" not in page
    assert halved.planned_jobs(*CONFIG) == {}


def test_runs_of_later_stages_start_without_tensorflow(halved):
    """With TensorFlow they take 600 MiB."""
    assert table(halved, "runs")["peak_memory_mib"].astype(float).max() < 400


def test_killed_and_started_with_another_number_of_cores_it_ends_the_same(halved, tmp_path):
    workflow = start(tmp_path / "few-weights")
    runs = workflow.folder / "results/halved/runs"
    workflow.kill_snakemake_when(lambda: any(runs.glob("mlp-2-epochs/*/*/train.log")), *CONFIG)
    before = metrics_of_runs(workflow)
    workflow.snakemake(*CONFIG, "--cores", "1", "--", "results/halved/stages.csv")
    after = metrics_of_runs(workflow)
    assert {path: after[path] for path in before} == before and after.keys() == metrics_of_runs(halved).keys()
    alike = [column for column in table(halved, "stages") if column != "train_seconds"]
    pd.testing.assert_frame_equal(table(workflow, "stages")[alike], table(halved, "stages")[alike])


def test_what_is_deleted_is_made_again_and_nothing_is_trained_twice(copy):
    before, stages = metrics_of_runs(copy), table(copy, "stages")
    shutil.rmtree(copy.folder / "results/halved/stages")
    (copy.folder / "results/halved/stages.csv").unlink()
    assert "train_model" not in copy.planned_jobs(*CONFIG)
    copy.snakemake(*CONFIG, "--", "results/halved/stages.csv")
    assert metrics_of_runs(copy) == before
    pd.testing.assert_frame_equal(table(copy, "stages"), stages)
    lost = next(copy.folder.glob("results/halved/runs/mlp-1-epochs/*/*/metrics.json"))
    lost.unlink()
    assert copy.planned_jobs(*CONFIG)["train_model"] == 1


def test_a_report_without_training_uses_the_stages_that_are_there(copy):
    copy.snakemake("--snakefile", "workflow/report.smk", *CONFIG)
    page = (copy.folder / "results/halved/report.html").read_text()
    assert "By successive halving" in page and "is missing" not in page
    shutil.rmtree(copy.folder / "results/halved/stages")
    (copy.folder / "results/halved/stages.csv").unlink()
    copy.snakemake("--snakefile", "workflow/report.smk", *CONFIG)
    page = (copy.folder / "results/halved/report.html").read_text()
    assert "stages.csv is missing: it is made from the stages before the last, which are not here." in page
