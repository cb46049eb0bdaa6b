"""Every metrics.json is checked before it counts, and the tables hold what the files hold."""

import json
import shutil

import numpy as np
import pytest
from samples.runs import metrics_of, runs_of

from few_weights.analysis import merge
from few_weights.analysis.breakpoints import find_breakpoints
from few_weights.errors import StudyError
from few_weights.plan.runs import Run, expand_runs
from few_weights.training.run_files import arrays_sha256, npz_bytes

BASELINE_COLUMNS = ["baseline_architecture", "baseline_width", "baseline_parameters"]


RUNS = expand_runs({"vgg": {2: [0, 1], 1: [0, 1]}, "cnn": {2: [0, 1]}})


@pytest.fixture
def folder(tmp_path):
    for run in RUNS:
        path = run.metrics_path(tmp_path)
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(metrics_of(run)))
    return tmp_path


def complaint(folder):
    with pytest.raises(StudyError) as error:
        merge.read_metrics(folder, "tiny", RUNS)
    return str(error.value)


def test_tables_hold_every_run_under_the_names_of_the_contract(folder):
    records = merge.read_metrics(folder, "tiny", RUNS)
    table = merge.runs_table(records)
    assert len(table) == len(RUNS)
    contract = (
        "study dataset architecture width seed parameters epochs test_accuracy test_correct test_examples"
    )
    assert set(contract.split()) | {"train_seconds", "learning_rate", "keras", "device"} <= set(table.columns)
    assert table["optimizer"].unique() == ["adadelta"]
    assert table["validation_accuracy"].isna().all()
    assert (table["validation_examples"] == 0).all()
    assert len(merge.layers_table(records)) == 3  # models, not runs
    assert len(merge.history_table(records)) == 2 * len(RUNS)


def test_settings_of_a_recipe_become_columns_and_are_empty_where_a_run_has_none(folder):
    changed = RUNS[0].metrics_path(folder)
    settings = {
        "schedule": {"name": "warmup_cosine", "warmup": 0.15},
        "augmentation": {"shift": 2},
        "quantisation": {"weight_bits": 4, "rounded_after": 0.3},
    }
    changed.write_text(json.dumps(metrics_of(RUNS[0], **settings)))
    table = merge.runs_table(merge.read_metrics(folder, "tiny", RUNS))
    columns = ["schedule", "warmup", "shift", "weight_bits", "rounded_after"]
    assert table[columns].iloc[0].tolist() == ["warmup_cosine", 0.15, 2, 4, 0.3]
    assert table[columns].iloc[1:].isna().all(axis=None)
    assert not {"augmentation", "quantisation"} & set(table)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, "is missing"),
        ("", "is not a complete JSON file"),
        (json.dumps(metrics_of(RUNS[0]))[:-40], "is not a complete JSON file"),
        (json.dumps({"width": 1}), "is not a valid metrics.json"),
        (json.dumps(metrics_of(RUNS[0], width="2")), "is not a valid metrics.json (['width']"),
        (json.dumps(metrics_of(RUNS[0], study="other")), "belongs to the study 'other', not 'tiny'"),
        (
            json.dumps(metrics_of(Run("vgg", 8, 0))),
            "holds vgg width 8 seed 0, but its path says vgg width 2 seed 1",
        ),
        (json.dumps(metrics_of(RUNS[0])), "holds vgg width 2 seed 0, which"),
        (json.dumps(metrics_of(RUNS[1], epochs=3)), "records 2 of 3 epochs"),
        (json.dumps(metrics_of(RUNS[1], test_accuracy=0.99)), "contradicts itself: test_accuracy"),
        (
            json.dumps(metrics_of(RUNS[1], validation_examples=10, validation_correct=9)),
            "contradicts itself: validation_accuracy",
        ),
    ],
)
def test_a_bad_file_is_named_with_what_is_wrong(folder, content, expected):
    path = RUNS[1].metrics_path(folder)
    path.unlink() if content is None else path.write_text(content)
    message = complaint(folder)
    assert f"{path} {expected}" in message
    assert message.startswith("1 of the runs")


def diverged(run, epoch, **changes):
    """The metrics of a run that diverged in that epoch of three."""
    records = [metrics_of(run)["history"][0] | {"epoch": number} for number in range(1, epoch + 1)]
    records[-1] |= {"train_loss": None, "test_loss": None}
    return metrics_of(run, epochs=3, history=records, test_loss=None, diverged_in_epoch=epoch) | changes


def test_a_diverged_run_is_a_result(folder):
    RUNS[1].metrics_path(folder).write_text(json.dumps(diverged(RUNS[1], 2)))
    RUNS[2].metrics_path(folder).write_text(json.dumps(metrics_of(RUNS[2], diverged_in_epoch=None)))
    records = merge.read_metrics(folder, "tiny", RUNS)
    table = merge.runs_table(records)
    assert table["diverged_in_epoch"].isna().tolist() == [True, False] + [True] * 4
    assert (table["epochs"][1], table["diverged_in_epoch"][1]) == (3, 2)
    assert merge.history_table(records)["train_loss"].isna().sum() == 1


@pytest.mark.parametrize(
    ("metrics", "expected"),
    [
        (diverged(RUNS[1], 2, diverged_in_epoch=None), "records 2 of 3 epochs"),
        (diverged(RUNS[1], 2, diverged_in_epoch=1), "records 2 of 1 epochs"),
        (diverged(RUNS[1], 3, diverged_in_epoch=None), "contradicts itself: epoch 3 has no loss"),
        (metrics_of(RUNS[1], diverged_in_epoch=0), "is not a valid metrics.json"),
    ],
)
def test_a_contradiction_about_divergence_is_named(folder, metrics, expected):
    RUNS[1].metrics_path(folder).write_text(json.dumps(metrics))
    assert f"{RUNS[1].metrics_path(folder)} {expected}" in complaint(folder)


def test_all_bad_files_are_named_in_one_message(folder):
    for run in RUNS[:3]:
        run.metrics_path(folder).write_text("{")
    message = complaint(folder)
    assert all(str(run.metrics_path(folder)) in message for run in RUNS[:3])


def test_a_baseline_need_not_be_a_model_of_the_study():
    runs = runs_of({("cnn", 2): [9_700], ("vgg", 1): [9_600]}).drop(columns=BASELINE_COLUMNS)
    full = {"architecture": "cnn", "width": 32}
    table = merge.with_baselines(runs, {"cnn": full, "vgg": full}, [full | {"parameters": 1_199_882}])
    assert table["baseline_parameters"].tolist() == [1_199_882, 1_199_882]
    assert (
        find_breakpoints(table, [0.97])
        .loc[0, ["baseline_architecture", "baseline_width", "compression"]]
        .tolist()
    ) == ["cnn", 32, 1_199_882 / 1000]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"epochs": 3}, "epochs 2, not 3"),
        ({"optimizer": {"name": "adam"}}, 'optimizer {"name": "adadelta"'),
        ({"schedule": {"name": "warmup_cosine"}}, 'schedule null, not {"name": "warmup_cosine"}'),
        ({"network": {"architecture": "vgg", "options": {"dropout": True}}}, "network {"),
        ({"validation_examples": 5}, "validation_examples 0, not 5"),
        (
            {"data_sha256": "11", "dataset": "other"},
            'dataset "mnist", not "other"; data_sha256 "00", not "11"',
        ),
    ],
)
def test_a_run_that_does_not_match_the_study_is_named(tmp_path, changes, expected):
    run = Run("vgg", 2, 0)
    metrics = metrics_of(run, data_sha256="00")
    keys = ("dataset", "data_sha256", "validation_examples", "network", "epochs", "batch_size", "optimizer")
    as_planned = {key: metrics[key] for key in keys}
    run.metrics_path(tmp_path).parent.mkdir(parents=True)
    run.metrics_path(tmp_path).write_text(json.dumps(metrics))
    assert merge.read_metrics(tmp_path, "tiny", [run], {"vgg": as_planned}) == [metrics]
    with pytest.raises(StudyError) as error:
        merge.read_metrics(tmp_path, "tiny", [run], {"vgg": as_planned | changes})
    assert f"{run.metrics_path(tmp_path)} does not match the study: {expected}" in str(error.value)


def test_seeds_with_different_networks_are_not_one_model(tmp_path):
    runs = [Run("vgg", 2, seed) for seed in (0, 1, 2)]
    records = [metrics_of(run) for run in runs]
    records[1]["layers"][0]["layer"] = "dense_7"  # a name that counts layers
    for run, metrics in zip(runs, records, strict=True):
        run.metrics_path(tmp_path).parent.mkdir(parents=True)
        run.metrics_path(tmp_path).write_text(json.dumps(metrics))
    assert merge.read_metrics(tmp_path, "tiny", runs) == records
    records[1]["layers"][0]["type"] = "Conv2D"
    runs[1].metrics_path(tmp_path).write_text(json.dumps(records[1]))
    said = "(?s)^3 of the runs .* has a network of 1,000 parameters; not all seeds of this model"
    with pytest.raises(StudyError, match=said):
        merge.read_metrics(tmp_path, "tiny", runs)


def test_all_arrays_of_the_runs_are_checked(tmp_path):
    runs = [Run("vgg", 2, seed) for seed in (0, 1, 2)]
    for run in runs:
        arrays = {"test": np.full(3, run.seed, np.uint8)}
        digests = {f"{kind}_sha256": arrays_sha256(arrays) for kind in ("predictions", "weights")}
        run.metrics_path(tmp_path).parent.mkdir(parents=True)
        run.metrics_path(tmp_path).write_text(json.dumps(metrics_of(run, **digests)))
        for path in (run.predictions_path(tmp_path), run.weights_path(tmp_path)):
            path.write_bytes(npz_bytes(arrays))
    merge.read_metrics(tmp_path, "tiny", runs, arrays=True)
    shutil.copyfile(runs[0].weights_path(tmp_path), runs[1].weights_path(tmp_path))
    runs[2].predictions_path(tmp_path).unlink()
    with pytest.raises(StudyError) as error:
        merge.read_metrics(tmp_path, "tiny", runs, arrays=True)
    assert f"{runs[1].weights_path(tmp_path)} does not hold what the training of {runs[1]} wrote" in str(
        error.value
    )
    assert f"{runs[2].predictions_path(tmp_path)} is missing" in str(error.value)
    assert str(error.value).startswith("2 of the runs cannot be merged")
