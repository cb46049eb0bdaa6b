"""Every metrics.json is checked before it counts, and the tables say what the files say."""

import json

import pytest

from few_weights import aggregation
from few_weights.breakpoints import find_breakpoints
from few_weights.comparison import compare_breakpoints, compare_circumstances, compare_runs
from few_weights.errors import StudyError
from few_weights.runs import Run, expand_runs

RUNS = expand_runs({"vgg": [2, 1], "cnn": [2]}, [0, 1])


def metrics_of(run, study="tiny", correct=9_700, **changes):
    return {
        "study": study,
        "dataset": "mnist",
        "architecture": run.architecture,
        "width": run.width,
        "seed": run.seed,
        "parameters": 500 * run.width,
        "multiply_adds": 1000,
        "epochs": 2,
        "batch_size": 128,
        "optimizer": {"name": "adadelta", "learning_rate": 1.0, "rho": 0.95, "epsilon": 1e-7},
        "loss": "categorical_crossentropy",
        "train_examples": 60_000,
        "test_examples": 10_000,
        "test_correct": correct,
        "test_accuracy": correct / 10_000,
        "test_loss": 0.1,
        "layers": [{"layer": "dense", "type": "Dense", "output_shape": "10", "parameters": 500 * run.width}],
        "history": [
            {"epoch": e, "train_loss": 0.2, "train_accuracy": 0.9, "test_loss": 0.1, "test_accuracy": 0.97}
            for e in (1, 2)
        ],
        "path": "general",
        "versions": {"python": "3.11", "tensorflow": "2.21", "keras": "3.15", "numpy": "2.4"},
        "code": "0123",
        "execution": {
            "train_seconds": 3.5,
            "epoch_seconds": [2.0, 1.5],
            "overhead_seconds": 4.5,
            "started": "2026-01-01T00:00:00+00:00",
            "finished": "2026-01-01T00:00:04+00:00",
            "host": "host",
            "platform": "Linux",
            "device": "CPU",
            "peak_memory_mib": 700,
        },
    } | changes


@pytest.fixture
def folder(tmp_path):
    for run in RUNS:
        path = run.metrics_path(tmp_path)
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(metrics_of(run)))
    return tmp_path


def complaint(folder):
    with pytest.raises(StudyError) as error:
        aggregation.read_runs(folder, "tiny", RUNS)
    return str(error.value)


def test_tables_hold_every_run_under_the_names_of_the_contract(folder):
    records = aggregation.read_runs(folder, "tiny", RUNS)
    table = aggregation.runs_table(records)
    assert len(table) == len(RUNS)
    contract = (
        "study dataset architecture width seed parameters epochs test_accuracy test_correct test_examples"
    )
    assert set(contract.split()) | {"train_seconds", "learning_rate", "keras", "device"} <= set(table.columns)
    assert table["optimizer"].unique() == ["adadelta"]
    assert len(aggregation.layers_table(records)) == 3  # models, not runs
    assert len(aggregation.history_table(records)) == 2 * len(RUNS)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, "is missing"),
        ("", "is no whole JSON file"),
        (json.dumps(metrics_of(RUNS[0]))[:-40], "is no whole JSON file"),
        (json.dumps({"width": 1}), "is no metrics.json of this workflow"),
        (json.dumps(metrics_of(RUNS[0], width="2")), "is no metrics.json of this workflow (['width']"),
        (json.dumps(metrics_of(RUNS[0], study="other")), "belongs to the study 'other', not 'tiny'"),
        (
            json.dumps(metrics_of(Run("vgg", 8, 0))),
            "holds vgg width 8 seed 0, not vgg width 2 seed 1 as its place",
        ),
        (json.dumps(metrics_of(RUNS[0])), "holds vgg width 2 seed 0 again, which"),
        (json.dumps(metrics_of(RUNS[1], epochs=3)), "records 2 of 3 epochs"),
        (json.dumps(metrics_of(RUNS[1], test_accuracy=0.99)), "contradicts itself"),
    ],
)
def test_a_bad_file_is_named_with_what_is_wrong(folder, content, expected):
    path = RUNS[1].metrics_path(folder)
    path.unlink() if content is None else path.write_text(content)
    message = complaint(folder)
    assert f"{path} {expected}" in message
    assert message.startswith("1 of the runs")


def test_all_bad_files_are_named_at_once(folder):
    for run in RUNS[:3]:
        run.metrics_path(folder).write_text("{")
    message = complaint(folder)
    assert all(str(run.metrics_path(folder)) in message for run in RUNS[:3])


def runs_of(accuracies):
    """A table of runs from {(architecture, width): correct images of each seed}."""
    return aggregation.runs_table(
        [
            metrics_of(Run(architecture, width, seed), correct=correct)
            for (architecture, width), of_seeds in accuracies.items()
            for seed, correct in enumerate(of_seeds)
        ]
    )


BASELINES = {"vgg": {"architecture": "cnn", "width": 8}, "cnn": {"architecture": "cnn", "width": 8}}


def test_the_breakpoint_is_the_fewest_parameters_whose_mean_reaches_the_target():
    runs = runs_of(
        {
            ("cnn", 8): [9_900, 9_900],
            ("cnn", 4): [9_600, 9_600],  # a dip does not hide the smaller model that reaches the target
            ("cnn", 2): [9_650, 9_760],
            ("cnn", 1): [9_800, 9_500],
            ("vgg", 8): [9_100, 9_900],
        }
    )
    table = find_breakpoints(runs, [0.97, 0.985], BASELINES).set_index(["architecture", "target"])
    assert table["reached"].to_dict() == {
        ("cnn", 0.97): True,
        ("cnn", 0.985): True,
        ("vgg", 0.97): False,
        ("vgg", 0.985): False,
    }
    cnn = table.loc["cnn", 0.97]
    assert (cnn["width"], cnn["parameters"], cnn["seeds"]) == (2, 1000, 2)
    assert cnn["test_accuracy"] == 0.9705
    assert (cnn["baseline_parameters"], cnn["compression"]) == (4000, 4.0)
    assert (cnn["article_width"], cnn["article_parameters"]) == (2, 4802)
    assert table.loc["cnn", 0.985]["width"] == 8
    assert table.loc["cnn", 0.985].isna()["article_width"]  # the article has nothing to say about 98.5 %
    assert table.loc["vgg", 0.97][["width", "parameters", "test_accuracy", "compression"]].isna().all()


def test_a_mean_exactly_at_the_target_reaches_it():
    runs = runs_of({("cnn", 8): [9_700, 9_700, 9_700], ("cnn", 4): [9_699, 9_700, 9_700]})
    table = find_breakpoints(runs, [0.97], BASELINES)
    assert table["width"].tolist() == [8]


def test_comparison_shows_what_differs():
    reference = runs_of({("cnn", 2): [9_700], ("cnn", 1): [9_600]})
    fresh = runs_of({("cnn", 2): [9_690], ("vgg", 1): [9_600]})
    fresh["keras"] = "4.0"
    text = compare_runs(fresh, reference)
    assert "-10" in text
    assert "cnn width 1 seed 0                only in the reference" in text
    assert "vgg width 1 seed 0                only in the fresh study" in text
    assert compare_circumstances(fresh, reference) == "keras: 4.0; reference 3.15"
    assert "the same" in compare_circumstances(reference, reference)
    moved = compare_breakpoints(
        find_breakpoints(runs_of({("cnn", 8): [9_700]}), [0.97], BASELINES),
        find_breakpoints(runs_of({("cnn", 8): [9_600]}), [0.97], BASELINES),
    )
    assert moved.splitlines()[1].split() == ["cnn", "at", "0.97", "8", "none", "moved"]
