"""An interrupted training resumes and ends with exactly the results of one that was not interrupted."""

import json
from dataclasses import replace

import keras
import numpy as np
import pytest
from samples.networks import ADADELTA, ADAM, FULL_MATRIX, MOMENTUM, NADAM

from few_weights.data.datasets import Dataset
from few_weights.plan.recipe import Recipe
from few_weights.plan.runs import Run
from few_weights.training import train_run
from few_weights.training.checkpoint import Checkpoint, forget_finished
from few_weights.training.prepare import prepare_run

#: It changes its coordinates twice in these trainings, once before and once after the interruption.
FULL = FULL_MATRIX | {"refresh": 12}
RECIPE = Recipe(epochs=4, batch_size=32, optimizer=ADADELTA)


@pytest.fixture(autouse=True)
def every_epoch(monkeypatch):
    """A checkpoint after each epoch, however short."""
    monkeypatch.setattr(train_run, "INTERVAL", 0.0)


class Killed(BaseException):
    """Stands for the end of a process."""


class KilledAfterSecond(Checkpoint):
    """A checkpoint whose run is killed just after it is written for the second time."""

    def save(self, variables, progress):
        super().save(variables, progress)
        if len(progress["history"]) == 2:
            raise Killed


@pytest.fixture(scope="module")
def dataset():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (300, 10, 10, 1), np.uint8)
    labels = rng.permutation(np.arange(300, dtype=np.uint8) % 10)
    return Dataset(images[:200], labels[:200], images[200:250], labels[200:250], images[250:], labels[250:])


#: A user's network with what a training changes besides weights: moving means, and a seed of dropout.
NORMALISED = {
    "layers": [
        {"Conv2D": {"filters": "width", "kernel_size": 3}},
        "BatchNormalization",
        {"Activation": {"activation": "relu"}},
        {"Dropout": {"rate": 0.3}},
        "Flatten",
        {"Dense": {"units": "classes", "activation": "softmax"}},
    ]
}


def train(run, dataset, checkpoint=None, optimizer=ADADELTA):
    keras.backend.clear_session()  # layers are numbered from the start, as in a new process
    network = {"architecture": run.architecture, "options": {}}
    if run.architecture == "normalised":
        network = NORMALISED
    recipe = replace(RECIPE, optimizer=optimizer)
    prepared = prepare_run(run, network, recipe, dataset.image_shape, dataset.classes, len(dataset.y_train))
    metrics, predictions, weights = train_run.train_run(
        run, prepared, network, "tiny", "mnist", recipe, dataset, "CPU", checkpoint
    )
    return metrics, metrics.pop("execution"), predictions, weights


@pytest.mark.slow
@pytest.mark.parametrize(
    ("run", "path", "optimizer"),
    [
        (Run("cnn", 3, 3), "by machine code", ADADELTA),
        (Run("mlp", 16, 3), "by machine code", ADAM),
        (Run("cnn", 8, 3), "by machine code", MOMENTUM),
        (Run("cnn", 8, 3), "by Keras", NADAM),
        (Run("pooled_mlp", 4, 3), "by machine code", FULL),
        (Run("normalised", 4, 3), "by machine code", ADAM),
    ],
    ids=lambda value: value["name"] if isinstance(value, dict) else str(value),
)
def test_a_resumed_training_gives_the_same_metrics_predictions_and_weights(
    run, path, optimizer, dataset, tmp_path
):
    whole, execution, predictions, weights = train(run, dataset, optimizer=optimizer)
    assert whole["path"].startswith(path)
    assert execution["resumed_after_epoch"] == 0
    with pytest.raises(Killed):
        train(run, dataset, KilledAfterSecond(tmp_path, {"run": str(run)}), optimizer)
    checkpoint = Checkpoint(tmp_path, {"run": str(run)})
    resumed, execution, resumed_predictions, resumed_weights = train(run, dataset, checkpoint, optimizer)
    assert execution["resumed_after_epoch"] == 2
    assert len(execution["epoch_seconds"]) == RECIPE.epochs
    assert resumed == whole
    for part in ("validation", "test"):
        np.testing.assert_array_equal(resumed_predictions[part], predictions[part])
    assert list(resumed_weights) == list(weights)
    for name, array in weights.items():
        np.testing.assert_array_equal(resumed_weights[name], array, name)
    (tmp_path / "metrics.json").write_text("{}")
    checkpoint.keep_results({"metrics.json": tmp_path / "metrics.json"})
    assert not checkpoint.path.exists()


def test_short_trainings_write_no_checkpoint(dataset, tmp_path, monkeypatch):
    monkeypatch.setattr(train_run, "INTERVAL", 15.0)
    train(Run("mlp", 2, 0), dataset, Checkpoint(tmp_path / "none", {}))
    assert not (tmp_path / "none").exists()


LIKE = [np.zeros((2, 3), np.float32), np.zeros((), np.int64)]
PROGRESS = {"history": [], "epoch_seconds": [0.5]}


def test_a_file_that_cannot_be_used_is_reported_and_ignored(tmp_path, capsys):
    checkpoint = Checkpoint(tmp_path, {"seed": 1})
    assert checkpoint.load(LIKE) is None
    assert capsys.readouterr().out == ""  # the usual case needs no message

    checkpoint.save(LIKE, PROGRESS)
    assert checkpoint.load(LIKE)[1] == PROGRESS
    content = checkpoint.path.read_bytes()
    flipped = bytearray(content)
    flipped[content.index(b"NUMPY", content.index(b"variable_0")) + 130] ^= 1
    for broken in (content[: len(content) // 2], b"", b"no zip", bytes(flipped)):
        checkpoint.path.write_bytes(broken)
        assert checkpoint.load(LIKE) is None
        assert "training starts from the beginning" in capsys.readouterr().out

    checkpoint.path.write_bytes(content)
    assert checkpoint.load(LIKE[::-1]) is None
    assert "it holds float32(2, 3) where int64() is needed" in capsys.readouterr().out
    other = Checkpoint(tmp_path, {"seed": 2})
    assert other.load(LIKE) is None  # another run has another name
    other.path.write_bytes(content)
    assert other.load(LIKE) is None
    assert "another run" in capsys.readouterr().out


def test_a_failed_write_does_not_end_the_training(tmp_path, capsys):
    (tmp_path / "file").write_text("in the way")
    Checkpoint(tmp_path / "file" / "checkpoints", {}).save(LIKE, PROGRESS)
    assert "no checkpoint" in capsys.readouterr().out


def test_finished_results_are_kept_until_the_study_is_done(tmp_path):
    files = {"weights.npz": b"weights", "metrics.json": b"{}"}
    paths = {name: tmp_path.with_name(f"results of {tmp_path.name}") / name for name in files}
    for name, path in paths.items():
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(files[name])
    finished, other = Checkpoint(tmp_path, {"seed": 1}), Checkpoint(tmp_path, {"seed": 2})
    assert finished.kept_results(files) == {}
    finished.keep_results(paths)
    other.save(LIKE, PROGRESS)
    assert (finished.finished / "weights.npz").samefile(paths["weights.npz"])  # on the disk once
    for path in paths.values():
        path.unlink()  # as Snakemake does with the outputs of a job that failed
    assert finished.kept_results(files) == files
    assert other.kept_results(files) == {}

    other.finished.mkdir()
    (other.finished / "weights.npz").write_bytes(
        b"weights"
    )  # the process ended before it wrote the other files
    assert other.kept_results(files) == {}

    forget_finished(tmp_path)
    assert finished.kept_results(files) == {}
    assert other.path.exists()  # an interrupted training may still resume
    other.path.rename(
        tmp_path / ".killed.npz.1234.tmp"
    )  # as a process leaves it that was killed while writing
    forget_finished(tmp_path)
    assert not tmp_path.exists()


def test_the_identity_does_not_depend_on_the_order_of_keys(tmp_path):
    recipe = json.loads('{"batch_size": 32, "epochs": 4}')
    assert (
        Checkpoint(tmp_path, {"a": recipe}).path
        == Checkpoint(tmp_path, {"a": dict(reversed(recipe.items()))}).path
    )
