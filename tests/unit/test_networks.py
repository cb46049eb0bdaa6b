"""A user's networks are built as they say, and each mistake is reported in one sentence."""

import keras
import numpy as np
import pytest
from keras import layers
from samples.networks import build

from few_weights.data.datasets import Dataset
from few_weights.errors import StudyError
from few_weights.networks import builder, saved_models
from few_weights.networks.counts import multiply_adds, trainable_parameters
from few_weights.networks.weights import named_weights
from few_weights.plan.runs import Run
from few_weights.training import rebuild

IMAGE, CLASSES = (12, 10, 3), 7
SOFTMAX = {"Dense": {"units": "classes", "activation": "softmax"}}

OWN = """
from keras import Model, Sequential, layers
import sibling

def wide(width, image_shape, classes, depth=1):
    inputs = layers.Input(image_shape)
    x = layers.Flatten()(inputs)
    for _ in range(depth):
        x = layers.Concatenate()([x, layers.Dense(sibling.twice(width), activation="relu")(x)])
    return Model(inputs, layers.Dense(classes, activation="softmax")(x))

def ends(width, image_shape, classes, units, activation="softmax"):
    return Sequential([layers.Input(image_shape), layers.Flatten(), layers.Dense(units, activation)])

def fixed(width, image_shape, classes):
    return Sequential([layers.Input((28, 28, 1)), layers.Flatten(), layers.Dense(classes, "softmax")])

def nothing(width, image_shape, classes):
    pass

def without_input(width, image_shape, classes):
    return Sequential([layers.Flatten(), layers.Dense(classes, "softmax")])


def broken(width, image_shape, classes):
    return undefined_name
"""


@pytest.fixture
def file(tmp_path):
    (tmp_path / "sibling.py").write_text("def twice(width):\n    return 2 * width\n")
    path = tmp_path / "nets.py"
    path.write_text(OWN)
    return str(path)


def build_own(file, function, width=4, **options):
    network = {"file": file, "function": function, "options": options}
    model = builder.build_network("mine", network, width, IMAGE, CLASSES)
    builder.check_network("mine", width, model)
    return model


def build_listed(*entries, width=4):
    model = builder.build_network("mine", {"layers": list(entries)}, width, IMAGE, CLASSES)
    builder.check_network("mine", width, model)
    return model


def test_a_function_is_given_the_width_and_its_options(file):
    # 360 inputs; 8 units a layer, each on all before it
    assert trainable_parameters(build_own(file, "wide")) == 361 * 8 + 369 * 7
    assert trainable_parameters(build_own(file, "wide", depth=2)) == 361 * 8 + 369 * 8 + 377 * 7


@pytest.mark.parametrize(
    ("function", "options", "message"),
    [
        ("wode", {}, "nets.py has no function 'wode'; its functions are: wide, ends,"),
        ("wide", {"dept": 2}, "wide has no option 'dept'; its options are: depth"),
        ("ends", {}, "ends needs the option 'units'"),
        (
            "ends",
            {"units": 5},
            r"it ends in \(None, 5\); it must end in one probability per class",
        ),
        ("ends", {"units": 7, "activation": None}, "does not return probabilities; end it in .* softmax"),
        ("ends", {"units": 7, "activation": "sigmoid"}, "does not return probabilities"),
        ("fixed", {}, r"it takes \(None, 28, 28, 1\); it must take one batch of images, \(None, 12, 10, 3\)"),
        ("nothing", {}, "the function returns NoneType, not a keras.Model"),
        ("without_input", {}, "begin with layers.Input"),
        ("broken", {}, "nets.py, line 26: NameError: name 'undefined_name' is not defined"),
    ],
)
def test_a_mistake_in_a_function_is_one_sentence(file, function, options, message):
    with pytest.raises(StudyError, match=message) as error:
        build_own(file, function, **options)
    assert "mine of width 4" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_that_does_not_run_is_reported_with_its_line(tmp_path):
    (tmp_path / "bad.py").write_text("import keras\nimport not_there\n")
    with pytest.raises(StudyError, match="bad.py, line 2: ModuleNotFoundError: No module named 'not_there'"):
        build_own(str(tmp_path / "bad.py"), "wide")


def test_layers_in_yaml_are_built():
    convolution = {"Conv2D": {"filters": "width", "kernel_size": [3, 3], "padding": "same", "name": "conv-1"}}
    dense = {"Dense": {"units": "max(1, 2 * width // 3)"}}
    model = build_listed(convolution, {"BatchNormalization": None}, "Flatten", dense, SOFTMAX)
    assert [layer.name for layer in model.layers][0] == "conv-1"
    # convolution, scale and shift, 480 inputs of the dense layer
    assert trainable_parameters(model) == (27 + 1) * 4 + 2 * 4 + (480 + 1) * 2 + (2 + 1) * 7


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        (["Flaten", SOFTMAX], r"layers\[0\] \(Flaten\): Keras has no such layer; did you mean 'Flatten'\?"),
        (
            ["Flatten", {"Dense": {"units": "2 * widht"}}],
            r"layers\[1\] \(Dense\) units: '2 \* widht' contains 'widht'; an expression may contain width",
        ),
        (["Flatten", {"Dense": {"units": "(width - 1) / 2"}}], "is 1.5 at width 4 .* write .width - 1. // 2"),
        (["Flatten", {"Dense": {"units": "__import__('os').getpid()"}}], "an expression may contain"),
        (["Flatten", {"Dense": {"unit": 3}}], r"layers\[1\] \(Dense\) unit: .* did you mean 'units'"),
        (["Flatten", {"Conv2D": {"filters": 1, "kernel_size": 3}}], r"layers\[1\] \(Conv2D\): .*ndim"),
        (["Input", "Flatten", SOFTMAX], r"layers\[0\] \(Input\): leave it out"),
        (["Flatten", {"Dense": {"units": "width"}}], r"it ends in \(None, 4\)"),
    ],
)
def test_a_mistake_in_a_layer_is_one_sentence(entries, message):
    with pytest.raises(StudyError, match=message) as error:
        build_listed(*entries)
    assert "\n" not in str(error.value)


def test_built_in_networks_refuse_unknown_options():
    with pytest.raises(StudyError, match="mlp has no option 'dropuot'; its options are: dropout"):
        build("mlp", 8, (28, 28, 1), 10, dropuot=True)


@pytest.mark.parametrize(
    ("name", "rates"),
    [("mlp", [0.2, 0.2]), ("pooled_mlp", [0.2, 0.2]), ("cnn", [0.25, 0.5]), ("vgg", [0.25, 0.25])],
)
def test_dropout_is_that_of_the_tutorials_and_adds_no_weights(name, rates):
    plain, with_dropout = (build(name, 2, (28, 28, 1), 10, dropout=dropout) for dropout in (False, True))
    found = [layer.rate for layer in with_dropout.layers if isinstance(layer, layers.Dropout)]
    assert found == rates
    assert not any(isinstance(layer, layers.Dropout) for layer in plain.layers)
    assert trainable_parameters(with_dropout) == trainable_parameters(plain)


def test_a_network_inside_another_is_counted():
    inner = keras.Sequential([layers.Input((6,)), layers.Dense(5), layers.Dense(4)])
    outer = keras.Sequential([layers.Input((6,)), inner, layers.Dense(3)])
    assert multiply_adds(outer) == 6 * 5 + 5 * 4 + 4 * 3


RANDOM = """
import os
import numpy as np
from keras import Model, layers, ops

def masked(width, image_shape, classes):
    draw = np.random if os.environ.get("FOLLOWS_SEED") else np.random.default_rng()
    mask = (draw.random(image_shape) < 0.3).astype("float32")
    x0 = layers.Input(image_shape)
    x = layers.Flatten()(ops.multiply(x0, mask[None]))
    return Model(x0, layers.Dense(classes, activation="softmax")(x))
"""


@pytest.mark.parametrize("follows_seed", [True, False])
def test_a_trained_network_is_exported_as_it_was_or_not_at_all(tmp_path, monkeypatch, follows_seed):
    """It is built as the run built it, with the run's seed, and must give the run's own predictions."""
    monkeypatch.setenv("FOLLOWS_SEED", "1" if follows_seed else "")
    (tmp_path / "nets.py").write_text(RANDOM)
    network = {"file": str(tmp_path / "nets.py"), "function": "masked", "options": {}}
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (200, *IMAGE), np.uint8)
    labels = (np.arange(200) % CLASSES).astype(np.uint8)
    dataset = Dataset(images, labels, images[:0], labels[:0], images, labels)
    run = Run("mine", 4, 7)
    model = builder.build_network("mine", network, run.width, IMAGE, CLASSES, run.seed)
    run.weights_path(tmp_path).parent.mkdir(parents=True)
    np.savez(run.weights_path(tmp_path), **named_weights(model))
    trained = saved_models.predict(model, images)
    np.savez(run.predictions_path(tmp_path), test=trained)
    row = {"architecture": "mine", "width": "4", "seed": "7"}
    if follows_seed:
        again, original = rebuild.trained_network(row, network, dataset, tmp_path)
        np.testing.assert_array_equal(saved_models.predict(again, images), trained)
        np.testing.assert_array_equal(original, trained)
    else:
        message = r"mine width 4 seed 7: rebuilt .*, the network predicts another class for \d+ of 200 test "
        with pytest.raises(StudyError, match=message):
            rebuild.trained_network(row, network, dataset, tmp_path)


def test_a_network_that_diverged_is_not_exported(tmp_path):
    images, labels = np.zeros((10, *IMAGE), np.uint8), (np.arange(10) % CLASSES).astype(np.uint8)
    dataset = Dataset(images, labels, images[:0], labels[:0], images, labels)
    network, run = {"layers": ["Flatten", SOFTMAX]}, Run("mine", 4, 0)
    model = builder.build_network("mine", network, run.width, IMAGE, CLASSES, run.seed)
    run.weights_path(tmp_path).parent.mkdir(parents=True)
    row = {"architecture": "mine", "width": "4", "seed": "0"}
    # Weights of 1e28 are finite, but what they compute is not.
    for factor, epoch in ((np.nan, ""), (1.0, "2")):
        np.savez(run.weights_path(tmp_path), **{n: factor * a for n, a in named_weights(model).items()})
        with pytest.raises(
            StudyError, match="^mine width 4 seed 0 diverged in training, so it is not exported"
        ):
            rebuild.trained_network(row | {"diverged_in_epoch": epoch}, network, dataset, tmp_path)
