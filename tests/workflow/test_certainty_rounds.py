"""A study that adds seeds until it is sure, run for real on the UCI digits: killed, resumed, extended.

Which widths and seeds it trains depends on the machine's arithmetic, so its outputs are held against each
other and against the rule, computed again without the workflow's code.
"""

import json
import math
import shutil

import pandas as pd
import pytest
import yaml
from conftest import ROOT, Workflow, copy_workflow

CONFIG = ("--configfile", "sure.yaml")
#: What a study finds, without its figures and report.
TABLES = [f"results/sure/{name}.csv" for name in ("certainty", "breakpoints", "search", "runs")]
STUDY = {
    "study": "sure",
    "dataset": "digits",
    "targets": [0.6, 0.7],
    "seeds": [9],  # of no section
    "refine": True,
    "certainty": {"level": 0.8, "at_most": 7, "collapse": 0.55},
    "architectures": {
        "mlp": {
            "widths": [6, 8],
            "seeds": [0, 1],
            "epochs": 2,
            "batch_size": 32,
            "optimizer": {"name": "rmsprop", "learning_rate": 0.01, "rho": 0.9},
        }
    },
}
#: Two widths are given, and the search may add six for each target, as the largest gap is 6.
ALPHA = (1 - 0.8) / 2 / (2 + 2 * 6)


def start(folder, at_most: int = 7) -> Workflow:
    workflow = copy_workflow(ROOT, folder)
    change_study(workflow, at_most)
    return workflow


def change_study(workflow, at_most):
    certainty = STUDY["certainty"] | {"at_most": at_most}
    (workflow.folder / "sure.yaml").write_text(yaml.safe_dump(STUDY | {"certainty": certainty}))


def metrics_of_runs(workflow):
    """Each run's metrics, which hold the time its training took: a run that is trained again has others."""
    return {
        path.relative_to(workflow.folder): path.read_bytes()
        for path in workflow.folder.glob("results/sure/runs/*/*/*/metrics.json")
    }


def results_of_runs(workflow):
    """Each run's metrics without what differs from one execution to the next."""
    read = {path: json.loads(content) for path, content in metrics_of_runs(workflow).items()}
    return {path: {key: of[key] for key in of if key != "execution"} for path, of in read.items()}


def table(workflow, name):
    return pd.read_csv(workflow.folder / "results" / "sure" / f"{name}.csv")


@pytest.fixture(scope="module")
def sure(tmp_path_factory):
    """The study run to its end with two jobs at a time; not to change."""
    workflow = start(tmp_path_factory.mktemp("sure") / "few-weights")
    workflow.output = workflow.snakemake(*CONFIG).stderr
    return workflow


@pytest.fixture
def copy(sure, tmp_path):
    """A copy of the finished study that a test may change."""
    shutil.copytree(sure.folder, tmp_path / "few-weights")
    return Workflow(tmp_path / "few-weights")


def interval(counts, images):
    """The interval as config/README.md has it."""
    n, mean = len(counts), sum(counts) / len(counts)
    s = max(math.sqrt(sum((count - mean) ** 2 for count in counts) / (n - 1)), 1)
    r = n + 1
    k = (math.sqrt(r) / ALPHA) ** (2 / n)
    if k >= r:
        return 0, 1
    half_width = s * math.sqrt((n - 1) * (k - 1) / (1 - k / r) / n)
    return max(0, (mean - half_width) / images), min(1, (mean + half_width) / images)


def test_every_round_follows_from_the_runs_alone(sure):
    rounds, runs = table(sure, "certainty"), table(sure, "runs").sort_values("seed")
    guard = math.ceil(math.log(ALPHA) / math.log(1 - 0.55))
    assert rounds["alpha"].round(9).unique() == round(ALPHA, 9) and set(rounds["guard_seeds"]) == {guard}
    for row in rounds.itertuples():
        counts = runs.loc[runs["width"] == row.width, "test_correct"].tolist()[: row.seeds]
        low, high = interval(counts, 360)
        assert (row.low, row.high) == (pytest.approx(low), pytest.approx(high))
        reaches = low >= row.target and row.seeds >= guard
        assert row.verdict == ("misses" if high < row.target else "reaches" if reaches else "open")
        assert row.seeds <= row.next_seeds <= 7
    last = rounds[rounds["round"] == rounds["round"].max()]
    assert (last["seeds"] == last["next_seeds"]).all()
    seeds = runs.groupby("width")["seed"].agg(lambda of_width: sorted(of_width) == list(range(len(of_width))))
    assert seeds.all()
    assert last.set_index("width")["seeds"].to_dict() == runs.groupby("width").size().to_dict()
    assert last["seeds"].max() > 2
    for answer in table(sure, "breakpoints").itertuples():
        verdicts = last[last["target"] == answer.target].set_index("width")["verdict"]
        may, does = verdicts[verdicts != "misses"].index, verdicts[verdicts == "reaches"].index
        assert answer.range_low_width == may.min() or may.empty
        assert answer.range_high_width == does.min() or (does.empty and math.isnan(answer.range_high_width))


def test_added_runs_start_without_tensorflow(sure):
    """Each round prepares the networks of the runs that it adds; with TensorFlow they take 600 MiB."""
    runs = table(sure, "runs")
    assert runs["seed"].max() > 1
    assert runs["peak_memory_mib"].astype(float).max() < 400


def test_nothing_is_left_to_do_and_the_report_says_what_is_certain(sure):
    assert sure.planned_jobs(*CONFIG) == {}
    page = (sure.folder / "results/sure/report.html").read_text()
    assert "certainty for all answers together" in page and "What is sure." in page
    assert (sure.folder / "results/sure/figures/certainty-mlp.png").stat().st_size > 10_000
    assert "could not be drawn" not in page


def test_killed_and_started_with_another_number_of_cores_it_ends_the_same(sure, tmp_path):
    workflow = start(tmp_path / "few-weights")
    runs = workflow.folder / "results/sure/runs"
    # An added seed has begun.
    workflow.kill_snakemake_when(lambda: any(runs.glob("*/*/seed-2/train.log")), *CONFIG)
    before = metrics_of_runs(workflow)
    # A later --cores replaces the one that the helper gives.
    workflow.snakemake(*CONFIG, "--cores", "1", "--", *TABLES)
    after = metrics_of_runs(workflow)
    assert {path: after[path] for path in before} == before
    assert results_of_runs(workflow) == results_of_runs(sure)
    for name in ("certainty", "breakpoints", "search"):
        files = [each.folder / "results" / "sure" / f"{name}.csv" for each in (workflow, sure)]
        assert files[0].read_bytes() == files[1].read_bytes()


def test_more_or_fewer_seeds_at_most_repeat_no_run(copy):
    before = metrics_of_runs(copy)
    last = table(copy, "certainty").drop_duplicates(["width", "target"], keep="last")
    assert (last.loc[last["verdict"] == "open", "seeds"] == 7).any()
    change_study(copy, at_most=9)
    copy.snakemake(*CONFIG, "--", *TABLES)
    after = metrics_of_runs(copy)
    assert {path: after[path] for path in before} == before
    assert {path.parts[-2] for path in after.keys() - before.keys()} >= {"seed-7"}
    change_study(copy, at_most=7)
    copy.snakemake(*CONFIG, "--", *TABLES)
    assert metrics_of_runs(copy) == after
    assert table(copy, "runs")["seed"].max() == 6


def test_a_report_without_training_uses_the_runs_that_are_there(copy):
    shutil.rmtree(next(copy.folder.glob("results/sure/runs/mlp/*/seed-6")))
    copy.snakemake("--snakefile", "workflow/report.smk", *CONFIG)
    page = (copy.folder / "results/sure/report.html").read_text()
    assert "runs are missing: mlp width" in page
    shutil.rmtree(copy.folder / "results/sure/runs")
    shutil.rmtree(copy.folder / "results/sure/search")
    copy.snakemake("--snakefile", "workflow/report.smk", *CONFIG, "--dry-run")
    # The copied tables have runs of a section that the study no longer has.
    runs = table(copy, "runs")
    gone = runs.head(1).assign(architecture="gone")
    pd.concat([runs, gone]).to_csv(copy.folder / "results/sure/runs.csv", index=False)
    job = copy.snakemake("--snakefile", "workflow/report.smk", *CONFIG, "--dry-run", check=False)
    assert job.returncode == 1
    assert "has runs that the study does not ask for: gone width" in job.stdout + job.stderr


def test_too_few_seeds_at_most_are_refused(tmp_path):
    job = start(tmp_path / "few-weights", at_most=4).snakemake(*CONFIG, "--dry-run", check=False)
    message = job.stdout + job.stderr
    assert "certainty.at_most: 4 seeds of a width are too few to notice collapses of 0.55 of them" in message
    assert "write at_most: 7 or more" in message
