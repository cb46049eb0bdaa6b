"""A study that refines itself, run for real on few training images: killed half way, resumed, extended.

Which widths it visits depends on the machine's arithmetic, so the tests hold its outputs against each other.
"""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from conftest import ROOT, Workflow, copy_workflow

CONFIG = ("--configfile", "refined.yaml")
RESULTS = Path("results") / "refined"
RECIPE = {
    "epochs": 1,
    "batch_size": 50,
    "optimizer": {"name": "rmsprop", "learning_rate": 0.003, "rho": 0.9},
    "baseline": {"architecture": "mlp", "width": 512},
}
STUDY = {
    "study": "refined",
    "dataset": "mnist",
    "targets": [0.7],
    "seeds": [0, 1],
    "validation_examples": 55_000,
    "refine": True,
    # The second starts at a width that reaches the target, and has to go down from there.
    "architectures": {"mlp": {"widths": [2, 16], **RECIPE}, "pooled_mlp": {"widths": [12], **RECIPE}},
}


def metrics_of_runs(workflow):
    """Each run's metrics, which hold the time its training took: a run that is trained again has others."""
    return {
        path.relative_to(workflow.folder): path.read_bytes()
        for path in workflow.folder.glob("results/refined/runs/*/*/*/metrics.json")
    }


def table(workflow, name):
    return pd.read_csv(workflow.folder / RESULTS / f"{name}.csv")


def change_study(workflow, **changes):
    (workflow.folder / "refined.yaml").write_text(yaml.safe_dump(STUDY | changes))


@pytest.fixture(scope="module")
def refined(finished_smoke, tmp_path_factory):
    """The study killed in the first training that its search asks for, then run to its end; not to change."""
    workflow = copy_workflow(ROOT, tmp_path_factory.mktemp("refined") / "few-weights")
    (workflow.folder / "results").mkdir()
    shutil.copytree(finished_smoke.folder / "results" / "data", workflow.folder / "results" / "data")
    change_study(workflow)
    given = {f"width-{width}" for recipe in STUDY["architectures"].values() for width in recipe["widths"]}

    def widths_begun():
        return {path.parents[1].name for path in workflow.folder.glob("results/refined/runs/*/*/*/train.log")}

    workflow.kill_snakemake_when(lambda: not widths_begun() <= given, *CONFIG)
    workflow.before = metrics_of_runs(workflow)
    workflow.snakemake(*CONFIG)
    return workflow


@pytest.fixture
def copy(refined, tmp_path):
    """A copy of the finished study that a test may change."""
    shutil.copytree(refined.folder, tmp_path / "few-weights")
    return Workflow(tmp_path / "few-weights")


def test_a_killed_search_repeats_no_finished_run(refined):
    after = metrics_of_runs(refined)
    assert len(refined.before) >= 4
    assert len(after) > len(refined.before)
    assert {path: after[path] for path in refined.before} == refined.before
    assert not list((refined.folder / "results").rglob("*.tmp"))


def test_the_search_ends_where_neighbours_differ_by_one(refined):
    search, runs = table(refined, "search"), table(refined, "runs")
    visited = runs.groupby("architecture")["width"].agg(set)
    for answer in table(refined, "breakpoints").itertuples():
        last = search[search["architecture"] == answer.architecture].iloc[-1]
        assert last["verdict"] in ("found", "not_monotone")
        assert answer.selection == "validation"
        assert answer.width == last["reaching_width"]
        assert answer.width == 1 or answer.width - 1 in visited[answer.architecture]
        assert set(map(int, last["visited"].split())) == visited[answer.architecture]
    assert (runs.groupby(["architecture", "width"])["seed"].agg(list).map(sorted).map(str) == "[0, 1]").all()
    assert refined.planned_jobs(*CONFIG) == {}


def test_breakpoints_follow_from_runs_alone(refined):
    """Recomputed without the workflow's code."""
    runs = table(refined, "runs")
    for answer in table(refined, "breakpoints").itertuples():
        runs_of_architecture = runs[runs["architecture"] == answer.architecture]
        models = runs_of_architecture.groupby("parameters")[["validation_accuracy", "test_accuracy"]].mean()
        reaching = models[models["validation_accuracy"] >= answer.target]
        assert answer.parameters == reaching.index.min()
        assert answer.test_accuracy == pytest.approx(reaching["test_accuracy"].iloc[0])
        assert answer.selection_accuracy == pytest.approx(reaching["validation_accuracy"].iloc[0])
        assert answer.compression == 669_706 / answer.parameters
        assert answer.monotone == models["validation_accuracy"].is_monotonic_increasing


def test_predictions_are_those_of_the_metrics(refined):
    with np.load(refined.folder / "results" / "data" / "mnist.npz") as data:
        truth = {"test": data["y_test"], "validation": data["y_train"][-55_000:]}
    for path in metrics_of_runs(refined):
        metrics = json.loads((refined.folder / path).read_text())
        assert (metrics["train_examples"], metrics["validation_examples"]) == (5_000, 55_000)
        with np.load((refined.folder / path).with_name("predictions.npz")) as predictions:
            for images, labels in truth.items():
                assert predictions[images].dtype == np.uint8
                assert np.count_nonzero(predictions[images] == labels) == metrics[f"{images}_correct"]


def test_a_run_repeated_agrees_bit_for_bit(copy):
    run = copy.folder / RESULTS / "runs/mlp/width-2/seed-1"

    def results():
        metrics = json.loads((run / "metrics.json").read_text())
        del metrics["execution"]
        return metrics, (run / "predictions.npz").read_bytes()

    before = results()
    (run / "metrics.json").unlink()
    copy.snakemake(*CONFIG, "--", str(RESULTS / "runs/mlp/width-2/seed-1/metrics.json"))
    assert results() == before


def test_a_new_seed_trains_that_seed_and_new_widths_alone(copy):
    before, widths = metrics_of_runs(copy), set(table(copy, "runs")["width"])
    change_study(copy, seeds=[0, 1, 2])
    copy.snakemake(*CONFIG)
    after = metrics_of_runs(copy)
    assert {path: after[path] for path in before} == before
    for path in after.keys() - before.keys():
        width, seed = (int(part.rpartition("-")[2]) for part in path.parts[-3:-1])
        assert seed == 2 or width not in widths
    assert set(table(copy, "breakpoints")["seeds"]) == {3}
    assert copy.planned_jobs(*CONFIG) == {}


def test_a_target_out_of_reach_ends_with_a_message_and_trains_nothing(copy):
    before = metrics_of_runs(copy)
    change_study(copy, targets=[0.999])
    copy.snakemake(*CONFIG)
    assert metrics_of_runs(copy) == before
    search = table(copy, "search")
    assert set(search["verdict"]) == {"not_reached"}
    assert "no width up to 16 reaches 0.999; give the study larger widths" in set(search["message"])
    assert (table(copy, "targets").drop(columns="target") == "not reached").all(axis=None)


@pytest.mark.parametrize("copied", [False, True], ids=["with Snakemake's record", "without"])
def test_tables_of_another_target_follow_from_a_search_for_it(copy, copied):
    """Also if they are all that is asked for."""
    tables = [f"{RESULTS}/{name}.csv" for name in ("search", "breakpoints")]
    if copied:
        shutil.rmtree(copy.folder / ".snakemake")
    else:  # after a search that ended in its first round
        change_study(copy, targets=[0.999])
        copy.snakemake(*CONFIG, "--", *tables)
        for path in copy.folder.glob(f"{RESULTS}/search/*/round-[1-9]*.json"):
            path.unlink()
    change_study(copy, targets=[0.5])
    copy.snakemake(*CONFIG, "--", *tables)
    search = table(copy, "search")
    assert set(search["target"]) == {0.5}
    last = search.drop_duplicates("architecture", keep="last").set_index("architecture")
    assert (last["verdict"] == "found").all()
    found = table(copy, "breakpoints").set_index("architecture")["width"]
    assert found.to_dict() == last["reaching_width"].to_dict()


def test_a_changed_statistic_trains_nothing(copy):
    for module in ("seeds", "search", "mcnemar"):
        path = copy.folder / "workflow/scripts/few_weights/analysis" / f"{module}.py"
        path.write_text(path.read_text() + "\nSOMETHING_NEW = 1\n")
    before = metrics_of_runs(copy)
    planned = copy.planned_jobs(*CONFIG)
    assert "train_model" not in planned
    assert planned["search_widths"] == 2  # the first rounds; the others follow from them
    copy.snakemake(*CONFIG)
    assert metrics_of_runs(copy) == before
