"""A network prepared in a file is trained without TensorFlow, to the bits of one that its run builds."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from samples.networks import ADADELTA, ADAM, FULL_MATRIX, NADAM

from few_weights.data.datasets import Dataset
from few_weights.plan.preparations import Preparation, prepare_runs
from few_weights.plan.recipe import Recipe
from few_weights.plan.runs import Run
from few_weights.training import prepared
from few_weights.training.prepare import prepare_architecture, prepare_run
from few_weights.training.run_files import npz_bytes
from few_weights.training.train_run import train_run

pytestmark = pytest.mark.slow

RECIPE = Recipe(epochs=2, batch_size=32, optimizer=ADAM)
EVERYTHING = {
    "layers": [
        {"MaxPooling2D": {"pool_size": 3, "strides": 2, "padding": "same"}},
        {"Conv2D": {"filters": "width", "kernel_size": 3}},
        "BatchNormalization",
        {"Dropout": {"rate": 0.3}},
        "Flatten",
        {"Dense": {"units": "classes", "activation": "softmax"}},
    ]
}
BUILT_IN = {"architecture": "cnn", "options": {}}
CASES = {
    "winograd": (BUILT_IN, ADADELTA, None),
    "all states": (EVERYTHING, ADAM, {"name": "warmup_cosine", "warmup": 0.2}),
    "full matrix": (EVERYTHING, FULL_MATRIX | {"refresh": 5}, None),
}


@pytest.fixture(scope="module")
def dataset():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (300, 17, 18, 1), np.uint8)
    labels = rng.permutation(np.arange(300, dtype=np.uint8) % 10)
    return Dataset(images[:200], labels[:200], images[200:250], labels[200:250], images[250:], labels[250:])


def facts(dataset):
    return dataset.image_shape, dataset.classes, len(dataset.y_train)


def write(path, network, recipe, dataset, seeds=(0, 1), code="code"):
    identity = prepared.prepared_identity(network, recipe, *facts(dataset), code)
    arrays = prepare_architecture("net", network, recipe, {2: seeds, 3: seeds}, *facts(dataset), identity)
    path.write_bytes(npz_bytes(arrays))
    return identity


@pytest.mark.parametrize("case", CASES)
def test_a_prepared_run_gives_the_bits_of_one_that_prepares_itself(case, dataset, tmp_path):
    network, optimizer, schedule = CASES[case]
    recipe = replace(RECIPE, optimizer=optimizer, schedule=schedule)
    run = Run("net", 3, 1)
    identity = write(tmp_path / "net.npz", network, recipe, dataset)
    results = []
    for each in (
        prepare_run(run, network, recipe, *facts(dataset)),
        prepared.read_prepared(tmp_path / "net.npz", run, identity, None),
    ):
        metrics, *arrays = train_run(run, each, network, "tiny", "mnist", recipe, dataset, "CPU")
        assert metrics["path"].startswith("by machine code")
        metrics.pop("execution")
        results.append((metrics, *arrays))
    (metrics, predictions, weights), (others, other_predictions, other_weights) = results
    # The file goes through JSON, which has no tuples.
    assert json.loads(json.dumps(metrics)) == json.loads(json.dumps(others))
    for one, other in ((predictions, other_predictions), (weights, other_weights)):
        assert list(one) == list(other)
        for name, array in one.items():
            np.testing.assert_array_equal(array, other[name], name)


def test_a_run_that_is_not_prepared_prepares_itself(dataset, tmp_path):
    """Another seed, width, recipe or code; a network that Keras computes; a damaged or missing file."""
    path, run = tmp_path / "net.npz", Run("net", 3, 1)

    def read(run, identity):
        return prepared.read_prepared(path, run, identity, None)

    identity = write(path, BUILT_IN, RECIPE, dataset)
    assert read(run, identity) is not None
    for other in (Run("net", 3, 2), Run("net", 4, 1), Run("net", 30, 1)):
        assert read(other, identity) is None
    for key, value in identity.items():
        assert read(run, identity | {key: None if isinstance(value, str) else "other"}) is None
    whole = path.read_bytes()
    for damaged in (b"", b"no zip", whole[: len(whole) // 2]):
        path.write_bytes(damaged)
        assert read(run, identity) is None
    path.unlink()
    assert read(run, identity) is None
    identity = write(path, BUILT_IN, replace(RECIPE, optimizer=NADAM), dataset)
    assert read(run, identity) is None


def test_a_seed_that_changes_a_setting_prepares_its_own_code(dataset, tmp_path):
    (tmp_path / "nets.py").write_text(
        "import keras\n"
        "import numpy as np\n"
        "from keras import layers\n"
        "def net(width, image_shape, classes):\n"
        "    body = [layers.Flatten(), layers.Dense(width), layers.LeakyReLU(float(np.random.random()))]\n"
        "    body += [layers.Dense(classes, activation='softmax')]\n"
        "    return keras.Sequential([layers.Input(image_shape), *body])\n"
    )
    network = {"file": str(tmp_path / "nets.py"), "function": "net", "options": {}}
    identity = write(tmp_path / "net.npz", network, RECIPE, dataset)
    read = [
        prepared.read_prepared(tmp_path / "net.npz", Run("net", 3, seed), identity, None) for seed in (0, 1)
    ]
    assert read[0] is not None and read[1] is None


def test_a_prepared_run_imports_no_tensorflow(dataset, tmp_path, pytestconfig, monkeypatch):
    """Where TensorFlow cannot be imported at all, prepare_networks.py having run before."""
    scripts = pytestconfig.rootpath / "workflow" / "scripts"
    recipe = RECIPE.to_json()
    common = ["--architecture", "net", "--network", json.dumps(BUILT_IN), "--recipe", recipe, "--code", "1"]
    data = tmp_path / "own.npz"
    kinds = {"x_train": "x_train", "y_train": "y_train", "x_test": "x_test", "y_test": "y_test"}
    np.savez(data, **{name: getattr(dataset, kind) for name, kind in kinds.items()})
    request = {"architecture": "net", "network": BUILT_IN, "recipe": RECIPE.as_mapping(), "code": "1"}
    request |= {"image_shape": dataset.image_shape, "classes": 10, "examples": 200}
    monkeypatch.chdir(tmp_path)
    prepare_runs([Preparation(request, {2: [0]}, str(tmp_path / "net.npz"))])
    (tmp_path / "broken").mkdir()
    for name in ("tensorflow", "keras"):
        (tmp_path / "broken" / f"{name}.py").write_text("raise ImportError('not here')")
    outputs = {name: tmp_path / name for name in ("output", "predictions", "weights")}
    command = [sys.executable, str(scripts / "train.py"), *common, "--width", "2", "--seed", "0"]
    command += ["--data", str(data), "--dataset", "own", "--prepared", str(tmp_path / "net.npz")]
    command += [word for name, path in outputs.items() for word in (f"--{name}", str(path))]
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "broken")}
    job = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert job.returncode == 0, job.stderr
    metrics = json.loads(outputs["output"].read_text())
    assert metrics["versions"]["tensorflow"] != "unknown"
    assert metrics["execution"]["bits"] in job.stdout


def test_networks_prepared_in_one_process_are_as_in_processes_of_their_own(dataset, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    layers = {"layers": [{"Flatten": {}}, {"Dense": {"units": 3}}, {"Dense": {"units": 10}}, "Softmax"]}
    bad = {"layers": [{"Conv2D": {"filters": 2, "kernel_size": 30}}, *layers["layers"]]}
    networks = {"net": BUILT_IN, "bad": bad, "list": layers}
    common = {"recipe": RECIPE.as_mapping(), "image_shape": dataset.image_shape, "classes": 10}
    common |= {"examples": 200, "code": "1"}

    def wanted(folder):
        return [
            Preparation({"architecture": name, "network": each} | common, {2: [0, 1]}, f"{folder}/{name}.npz")
            for name, each in networks.items()
        ]

    prepare_runs(wanted("together"), cores=1)
    for each in wanted("apart"):
        prepare_runs([each])
    # The images are smaller than the kernel: its runs will say so.
    assert sorted(path.stem for path in Path("together").glob("*.npz")) == ["list", "net"]
    for name in ("net", "list"):
        one, other = (np.load(f"{folder}/{name}.npz") for folder in ("together", "apart"))
        assert one.files == other.files and len(one.files) > 4
        for array in one.files:
            np.testing.assert_array_equal(one[array], other[array])
