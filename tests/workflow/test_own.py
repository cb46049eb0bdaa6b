"""The user's own networks and data in a separate folder; the workflow as a part of another one."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import yaml
from conftest import ROOT, copy_workflow

RECIPE = {
    "epochs": 8,
    "batch_size": 20,
    "optimizer": {"name": "adam", "learning_rate": 0.005, "beta_1": 0.9, "beta_2": 0.999},
}
STUDY = {
    "study": "own",
    "dataset": "my_images",
    "sources": [{"file": "images.npz"}],
    "targets": [0.3, 0.999],
    "seeds": [0],
    "export_models": True,
    "architectures": {
        "mine": {
            "file": "nets.py",
            "function": "branched",
            "options": {"rate": 0.1},
            "widths": [8],
            **RECIPE,
        },
        "listed": {
            "layers": [
                {"Conv2D": {"filters": "width", "kernel_size": 3, "activation": "relu"}},
                "Flatten",
                {"Dense": {"units": "classes", "activation": "softmax"}},
            ],
            "widths": [2],
            **RECIPE,
            "optimizer": {
                "name": "full_matrix_adam",
                "learning_rate": 0.01,
                "beta_1": 0.9,
                "beta_2": 0.99,
                "refresh": 30,
            },
            "quantisation": {"weight_bits": 8, "rounded_after": 0.3},
        },
    },
}
NETWORK = """
import keras
from keras import layers

def branched(width, image_shape, classes, rate):
    inputs = layers.Input(image_shape)
    x = layers.BatchNormalization()(layers.Flatten()(inputs))
    x = layers.Concatenate()([layers.Dense(width, "relu")(x), layers.Dense(width, "tanh")(x)])
    return keras.Model(inputs, layers.Dense(classes, "softmax")(layers.Dropout(rate)(x)))
"""


def own_images(seed, examples):
    """Seven classes of images of 9 x 11 in three colours: noise, and a spot whose place says the class."""
    rng = np.random.default_rng(seed)
    labels = np.arange(examples) % 7
    images = rng.integers(0, 100, (examples, 9, 11, 3), dtype=np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[label : label + 3, label : label + 3, label % 3] += 120
    return images, labels


class Elsewhere:
    """A folder with a study, its network and its data, and the workflow next to it."""

    def __init__(self, folder):
        self.workflow = copy_workflow(ROOT, folder / "few-weights")
        self.folder = folder / "elsewhere"
        self.folder.mkdir()
        (self.folder / "study.yaml").write_text(yaml.safe_dump(STUDY))
        (self.folder / "nets.py").write_text(NETWORK)
        self.write_images()

    def write_images(self, **changes):
        (x_train, y_train), (x_test, y_test) = own_images(0, 420), own_images(1, 140)
        y_test[:7] = y_test[6::-1]  # six of them are wrong now, so that 0.999 is out of reach
        arrays = {"x_train": x_train, "y_train": y_train, "x_test": x_test, "y_test": y_test}
        np.savez_compressed(self.folder / "images.npz", **arrays | changes)

    @property
    def arguments(self):
        return ("--directory", str(self.folder), "--configfile", str(self.folder / "study.yaml"))

    def refused(self):
        job = self.workflow.snakemake("--dry-run", *self.arguments, check=False)
        output = job.stdout + job.stderr
        assert job.returncode != 0 and "Traceback" not in output, output
        return output


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The study run to its end. Tests put back what they change."""
    elsewhere = Elsewhere(tmp_path_factory.mktemp("own"))
    elsewhere.log = elsewhere.workflow.snakemake(*elsewhere.arguments)
    return elsewhere


def test_everything_lies_in_the_folder_of_the_study(finished):
    runs = pd.read_csv(finished.folder / "results/own/runs.csv")
    assert set(runs["classes"]) == {7}
    assert (runs["test_accuracy"] > 0.3).all()
    assert (finished.folder / "results/own/report.html").exists()
    assert not (finished.workflow.folder / "results").exists()
    assert "Parameters of mine: 5,481 at width 8" in finished.log.stderr
    assert finished.workflow.planned_jobs(*finished.arguments) == {}


def test_saved_networks_are_right_as_often_as_the_metrics_say(finished):
    """In plain Keras, without this workflow, and as TFLite."""
    code = """if True:
        import json, sys, keras, numpy as np
        with np.load("images.npz") as data:
            images, labels = data["x_test"] / np.float32(255), data["y_test"]
        for run in ("mine/width-8/seed-0", "listed/width-2/seed-0"):
            model = keras.saving.load_model(f"results/own/exports/{run.replace('/', '-')}.keras")
            correct = np.count_nonzero(model.predict(images, verbose=0).argmax(1) == labels)
            assert correct == json.load(open(f"results/own/runs/{run}/metrics.json"))["test_correct"]
    """
    subprocess.run([sys.executable, "-c", code], cwd=finished.folder, check=True)

    exports = pd.read_csv(finished.folder / "results/own/exports.csv")
    breakpoints = pd.read_csv(finished.folder / "results/own/breakpoints.csv")
    reached = breakpoints[breakpoints["reached"]]
    files = {path.name for path in (finished.folder / "results/own/exports").glob("*.*")}
    assert set(exports["file"]) == files and exports["problem"].isna().all()
    keras = exports[exports["target"].isna()]
    listed = "listed-width-2-seed-0"
    assert set(keras["file"]) == {"mine-width-8-seed-0.keras", f"{listed}.keras", f"{listed}.packed"}
    packed = keras.set_index("file").loc[f"{listed}.packed"]
    runs = pd.read_csv(finished.folder / "results/own/runs.csv").set_index("architecture")
    # A byte per weight, and two for the scale of each of four variables.
    assert packed["bytes"] == runs.loc["listed", "weight_bytes"] == runs.loc["listed", "parameters"] + 8
    assert (keras["test_accuracy"] == keras["exported_test_accuracy"]).all()
    exports = exports[exports["target"].notna()]
    assert sorted(exports[["architecture", "target"]].values.tolist()) == sorted(
        2 * reached[["architecture", "target"]].values.tolist()
    )
    assert set(exports["target"]) == {0.3}
    assert set(exports["architecture"]) == {"mine", "listed"}
    in_int8 = exports["file"].str.endswith("-int8.tflite")
    assert in_int8.sum() == len(reached)
    assert (exports.loc[~in_int8, "changed_predictions"] == 0).all()
    assert (exports.loc[~in_int8, "test_accuracy"] == exports.loc[~in_int8, "exported_test_accuracy"]).all()
    assert (exports["test_accuracy"] - exports["exported_test_accuracy"]).abs().max() < 0.02
    for export in (*exports.itertuples(), *keras.itertuples()):
        assert (finished.folder / "results/own/exports" / export.file).stat().st_size == export.bytes


def test_an_exported_file_that_is_deleted_is_made_again(finished):
    files = [
        finished.folder / "results/own/exports" / name
        for name in (
            "mine-width-8-seed-0.keras",
            "listed-width-2-seed-0.packed",
            "mine-0.3.tflite",
            "mine-0.3-int8.tflite",
        )
    ]
    before = [file.read_bytes() for file in files]
    for file in files:
        file.unlink()
    assert finished.workflow.planned_jobs(*finished.arguments) == {
        "unpack_keras": 1,
        "unpack_packed": 1,
        "unpack_tflite": 2,
    }
    finished.workflow.snakemake(*finished.arguments)
    assert [file.read_bytes() for file in files] == before


def test_a_real_change_of_a_file_trains_its_network_alone(finished):
    file = finished.folder / "nets.py"
    file.write_text(f"# a comment\n{NETWORK}")
    assert finished.workflow.planned_jobs(*finished.arguments) == {}
    file.write_text(NETWORK.replace('"tanh"', '"relu"'))
    job = finished.workflow.snakemake("--dry-run", *finished.arguments)
    assert (job.stdout + job.stderr).count("Training mine width 8 seed 0") == 1
    assert "Training listed" not in job.stdout + job.stderr
    file.write_text(NETWORK)


def test_other_data_train_everything_and_the_same_data_nothing(finished):
    finished.write_images()
    assert finished.workflow.planned_jobs(*finished.arguments) == {}
    finished.write_images(y_test=own_images(1, 140)[1][::-1])
    planned = finished.workflow.planned_jobs(*finished.arguments)
    assert (planned["fetch_data"], planned["train_model"]) == (1, 2)
    finished.write_images()


def test_mistakes_are_reported_before_anything_runs(tmp_path):
    elsewhere = Elsewhere(tmp_path)
    elsewhere.write_images(x_train=own_images(0, 420)[0] / 255)
    assert (
        "  - sources[0].file: images.npz cannot be used: x_train reaches 0.8588 and x_test 219; "
        "divide both by 255, or neither (line "
    ) in elsewhere.refused()
    elsewhere.write_images()
    (elsewhere.folder / "nets.py").write_text(NETWORK.replace("layers.Flatten()(inputs)", "inputs"))
    assert (
        "mine of width 8 cannot be built on images of (9, 11, 3), 7 classes: it ends in (None, 9, 11, 7); "
        "it must end in one probability per class, (None, 7)\n"
    ) in elsewhere.refused()
    assert not (elsewhere.folder / "results").exists()


def test_the_workflow_is_a_module_of_another(tmp_path):
    """Its rules under other names, its results in another folder, and a config of its own."""
    copy_workflow(ROOT, tmp_path / "few-weights")
    study = STUDY | {"dataset": "digits", "refine": True, "architectures": {"mlp": {"widths": [4], **RECIPE}}}
    del study["sources"]
    (tmp_path / "outer.yaml").write_text(yaml.safe_dump({"few_weights": study, "other": 1}))
    (tmp_path / "Snakefile").write_text(
        """
configfile: "outer.yaml"


module few_weights:
    snakefile: "few-weights/Snakefile"
    config: config["few_weights"]
    prefix: "inner"


use rule * from few_weights as inner_*


rule all:
    input: "runs.txt"
    default_target: True


rule report:
    input: rules.inner_all.input


rule count:
    input: "inner/results/own/runs.csv"
    output: "runs.txt"
    shell: "wc -l < {input} > {output}"
"""
    )
    command = [sys.executable, "-m", "snakemake", "--cores", "2"]
    job = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert job.returncode == 0, job.stdout + job.stderr
    assert int((tmp_path / "runs.txt").read_text()) >= 2
    assert {path.name for path in tmp_path.iterdir() if path.name != ".snakemake"} == {
        *("few-weights", "outer.yaml", "Snakefile", "inner", "runs.txt")
    }
    plan = subprocess.run([*command, "--dry-run", "report"], cwd=tmp_path, capture_output=True, text=True)
    assert "inner_render_report" in plan.stdout + plan.stderr, plan.stderr


AWKWARD = """
import keras
import tensorflow as tf
from keras import layers

@keras.saving.register_keras_serializable("tests")
class Quantile(layers.Layer):
    def call(self, x):
        return tf.math.erfinv(0.5 * x)

def quantile(width, image_shape, classes):
    x0 = layers.Input(image_shape)
    x = layers.Dense(width)(layers.Flatten()(Quantile()(x0)))
    return keras.Model(x0, layers.Dense(classes, "softmax")(x))

def again(width, image_shape, classes):
    x0 = layers.Input(image_shape)
    x = layers.Conv2D(width, 3, padding="same", activation="relu")(x0)
    shared = layers.Conv2D(width, 3, padding="same", activation="relu")
    for _ in range(3):
        x = shared(x)
    return keras.Model(x0, layers.Dense(classes, "softmax")(layers.GlobalMaxPooling2D()(x)))
"""


def test_a_network_that_cannot_be_exported_takes_nothing_with_it(tmp_path):
    """TFLite has no inverse error function; the study ends well all the same, and warns at each start."""
    elsewhere = Elsewhere(tmp_path)
    (elsewhere.folder / "nets.py").write_text(AWKWARD)
    recipe = RECIPE | {"epochs": 1}
    architectures = {name: {"file": "nets.py", "widths": [2], **recipe} for name in ("quantile", "again")}
    study = STUDY | {"targets": [0.05], "architectures": architectures}
    (elsewhere.folder / "study.yaml").write_text(yaml.safe_dump(study))
    log = elsewhere.workflow.snakemake(*elsewhere.arguments).stderr
    warning = "Warning: quantile will be exported as .keras but not as .tflite: "
    assert log.count(warning) == 1
    results = elsewhere.folder / "results/own"
    exports = pd.read_csv(results / "exports.csv").set_index("file")
    missing = ["quantile-0.05.tflite", "quantile-0.05-int8.tflite"]
    assert exports["problem"].dropna().index.tolist() == missing
    assert exports.loc["quantile-0.05.tflite", "problem"] == (
        "the network cannot be converted to TFLite: TFLite has no counterpart for Erfinv"
    )
    assert {path.name for path in (results / "exports").glob("*.*")} == {
        *("quantile-width-2-seed-0.keras", "again-width-2-seed-0.keras"),
        *("again-0.05.tflite", "again-0.05-int8.tflite"),
    }
    # A layer that is used three times counts at each use.
    counts = pd.read_csv(results / "counts.csv").set_index("architecture").loc["again"]
    own = 9 * 2 * 2 + 2
    assert counts["trainable"] == 9 * 3 * 2 + 2 + own + 2 * 7 + 7
    assert counts["at_each_use"] == counts["trainable"] + 2 * own
    job = elsewhere.workflow.snakemake("--dry-run", *elsewhere.arguments)
    assert "Nothing to be done" in job.stdout + job.stderr and warning in job.stderr
