"""Layers in YAML are built as meant, or refused with the layer, the argument and what to write instead."""

import random
import re

import keras
import pytest

from few_weights.errors import StudyError
from few_weights.networks.yaml_arguments import evaluate_expression
from few_weights.networks.yaml_layers import build_layers
from few_weights.plan.study_file.yaml_reader import read_study

CONV = "Conv2D: {filters: 2, kernel_size: 3, %s}"


def build(text, tmp_path, width=5):
    """The network of layers written as YAML, one per line."""
    file = tmp_path / "layers.yaml"
    file.write_text("layers:\n" + "".join(f"  - {line}\n" for line in text.splitlines()))
    return build_layers(read_study([file]).values["layers"], width, (12, 12, 1), 10)


@pytest.mark.parametrize(
    ("text", "attribute", "value"),
    [
        ("Rescaling: {scale: 1./255}", "scale", 1 / 255),
        ("Rescaling: {scale: 1/255.0}", "scale", 1 / 255),
        ("Rescaling: {scale: 1e-3}", "scale", 0.001),
        ("Rescaling: {scale: '2 / width'}", "scale", 0.4),
        ("Dropout: {rate: 1/4}", "rate", 0.25),
        ("Dropout: {rate: '.5'}", "rate", 0.5),
        ("GaussianNoise: {stddev: 0.5 * 1/10}", "stddev", 0.05),
        ("LeakyReLU: {negative_slope: 1/10}", "negative_slope", 0.1),
        ("LeakyReLU: {alpha: 1/10}", "negative_slope", 0.1),
        ("Conv2D: {filters: 8.0, kernel_size: (3, 3)}", "filters", 8),
        ("Conv2D: {filters: 8, kernel_size: (3, 5), strides: (1, 2)}", "strides", (1, 2)),
        ("Conv2D: {filters: 8, kernel_size: '(3, 5)'}", "kernel_size", (3, 5)),
        ("Conv2D: {filters: 8, kernel_size: [3.0, '5']}", "kernel_size", (3, 5)),
        ("Conv2D: {filters: max(1, width // 2), kernel_size: (width, 3)}", "kernel_size", (5, 3)),
        ("Conv2D: {filters: int(width / 2), kernel_size: 3}", "filters", 2),
        ("Conv2D: {filters: round(width / 2 + 0.1), kernel_size: 3}", "filters", 3),
        ("Conv2D: {filters: (width + 1) / 2, kernel_size: 3}", "filters", 3),
        ("MaxPooling2D: {pool_size: (2, 2)}", "pool_size", (2, 2)),
        ("ZeroPadding2D: {padding: ((1, 1), (2, 2))}", "padding", ((1, 1), (2, 2))),
        ("Reshape: {target_shape: (-1,)}", "target_shape", (-1,)),
        ("Permute: {dims: (2, 1, 3)}", "dims", (2, 1, 3)),
        ("UpSampling2D: {size: 2.0}", "size", (2, 2)),
        ("BatchNormalization: {momentum: '0.9'}", "momentum", 0.9),
        (CONV % "use_bias: no", "use_bias", False),
        (CONV % "use_bias: 'False'", "use_bias", False),
        (CONV % "padding: Same", "padding", "same"),
        (CONV % "strides: 2.0", "strides", (2, 2)),
        (CONV % "name: conv-1", "name", "conv-1"),
        (CONV % "name: 3", "name", "3"),
        (CONV % "activation: None", "activation", keras.activations.linear),
        (CONV % "activation: none", "activation", keras.activations.linear),
        (CONV % "activation: ~", "activation", keras.activations.linear),
        (CONV % "activation: ' relu '", "activation", keras.activations.relu),
        (CONV % "activation: '\"relu\"'", "activation", keras.activations.relu),
        (CONV % "kernel_regularizer: None", "kernel_regularizer", None),
    ],
)
def test_what_is_meant_is_built(text, attribute, value, tmp_path):
    found = getattr(build(text, tmp_path).layers[-1], attribute)
    if isinstance(value, bool | int):
        assert (found, type(found)) == (value, type(value))
    else:
        assert found == (pytest.approx(value) if isinstance(value, float) else value)


def test_the_mapping_that_a_message_suggests_is_accepted(tmp_path):
    layer = build(CONV % "kernel_regularizer: {class_name: L2, config: {l2: 1/1000}}", tmp_path).layers[-1]
    assert float(layer.kernel_regularizer.l2) == pytest.approx(0.001)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "Conv2D: {filters: 8, kernel_size: 3x3}",
            "(Conv2D) kernel_size: must be a whole number, not '3x3'; write [3, 3]",
        ),
        (
            "Conv2D: {filters: width/2, kernel_size: 3}",
            "filters: 'width/2' is 2.5 at width 5 and must be a whole number; write width//2",
        ),
        ("Conv2D: {filters: 8.5, kernel_size: 3}", "filters: it is 8.5 and must be a whole number"),
        ("Conv2D: {filters: 0, kernel_size: 3}", "filters: it is 0 and must be at least 1"),
        ("Conv2D: {filters: -3, kernel_size: 3}", "filters: it is -3 and must be at least 1"),
        (
            "Conv2D: {filters: width // 8, kernel_size: 3}",
            "is 0 at width 5 and must be at least 1; write max(1, width // 8)",
        ),
        ("Conv2D: {filters: Width, kernel_size: 3}", "filters: 'Width': the variable is written 'width'"),
        ("Conv2D: {filters: 2 * Classes, kernel_size: 3}", "the variable is written 'classes'"),
        (
            "Conv2D: {filters: widht, kernel_size: 3}",
            "must be a whole number, not 'widht'; did you mean 'width'?",
        ),
        (
            "Conv2D: {filters: 2 * widht, kernel_size: 3}",
            "contains 'widht'; an expression may contain width, classes",
        ),
        ("Conv2D: {filters: true, kernel_size: 3}", "filters: must be a whole number, not true"),
        ("Conv2D: {filters: [8], kernel_size: 3}", "filters: must be one whole number, not [8]; write 8"),
        ("Conv2D: {filters: ~, kernel_size: 3}", "filters: must not be empty"),
        ("Conv2D: {filters: 8, kernel_size: (3, 0)}", "kernel_size: '(3, 0)' is 0 and must be at least 1"),
        ("Conv2D: {filters:8, kernel_size: 3}", "filters:8: put a space after the colon"),
        ("Conv2D: {filter: 8, kernel_size: 3}", "filter: there is no such argument; did you mean 'filters'?"),
        ("Conv2D: {filters: 8}", "(Conv2D) needs kernel_size"),
        ("Dense: {unit: 3}", "unit: there is no such argument; did you mean 'units'?"),
        ("Dense: {units: 3, input_shape: (28, 28)}", "input_shape: leave it out; the input has the shape of"),
        ("Dropout", "(Dropout) needs rate: write Dropout: {rate: …}"),
        ("Dropout: {rate: 25%}", "rate: must be a number, not '25%'; write 0.25"),
        ("Dropout: {rate: 1.5}", "(Dropout): Invalid value received for argument `rate`"),
        ("Rescaling: {scale: 1/0}", "scale: '1/0' divides by zero"),
        (CONV % "use_bias: maybe", "use_bias: must be true or false, not 'maybe'"),
        (CONV % "padding: smae", "padding: must be valid or same, not 'smae'; did you mean 'same'?"),
        (CONV % "padding: 1", "padding: must be valid or same, not '1'; put a ZeroPadding2D in front"),
        (CONV % "activation: rleu", "activation: Keras has no activation 'rleu'; did you mean 'relu'?"),
        (CONV % "activation: ReLU", "write relu"),
        (CONV % "activation: relu()", "write relu"),
        (CONV % "activation: tf.nn.relu", "write relu"),
        (CONV % "activation: LeakyReLU", "write leaky_relu"),
        (CONV % "activation: PReLU", "it is a layer: write '- PReLU' after this one"),
        (CONV % "kernel_regularizer: l2(0.001)", "write {class_name: L2, config: {l2: 0.001}}"),
        (
            CONV % "kernel_regularizer: keras.regularizers.L2(l2=1e-3)",
            "write {class_name: L2, config: {l2: 0.001}}",
        ),
        (
            CONV % "kernel_regularizer: l1_l2(l1=0.01, l2=0.1)",
            "write {class_name: L1L2, config: {l1: 0.01, l2: 0.1}}",
        ),
        (CONV % "kernel_regularizer: {l2: 0.001}", "write {class_name: L2, config: {l2: 0.001}}"),
        (CONV % "kernel_regularizer: 0.001", "write {class_name: L2, config: {l2: 0.001}}"),
        (CONV % "kernel_initializer: HeNormal()", "write he_normal"),
        (CONV % "kernel_initializer: He_normal", "write he_normal"),
        (CONV % "kernel_initializer: HeNormal(seed=3)", "write {class_name: HeNormal, config: {seed: 3}}"),
        (CONV % "kernel_initializer: xavier", "known are: constant, glorot_normal"),
        (CONV % "bias_constraint: MaxNorm(2)", "write {class_name: MaxNorm, config: {max_value: 2}}"),
        (
            "Conv2D(8, (3, 3), activation='relu')",
            "write Conv2D: {filters: 8, kernel_size: [3, 3], activation: relu}",
        ),
        ("Dense(10)", "write Dense: {units: 10}"),
        ("layers.Flatten()", "write Flatten"),
        ("keras.layers.Flatten", "did you mean 'Flatten'?"),
        ("flatten", "did you mean 'Flatten'?"),
        ("Conv2d: {filters: 1, kernel_size: 3}", "did you mean 'Conv2D'?"),
        ("MaxPool: {pool_size: 2}", "did you mean 'MaxPool2D'?"),
        ("BatchNorm", "did you mean 'BatchNormalization'?"),
        (
            "Concatenate",
            "it takes several inputs, which a list of layers cannot express; write the network in Python",
        ),
        ("TimeDistributed: {layer: Flatten}", "it takes other layers, which a list of layers cannot express"),
        ("Lambda: {function: f}", "it takes other Python code, which a list of layers cannot express"),
        ("Input: {shape: (28, 28)}", "leave it out; the input has the shape"),
        (
            "Flatten\nDense: {units: 3}\nConv2D: {filters: 3, kernel_size: 3}",
            "layers[2] (Conv2D): .* put it before Flatten",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused_with_the_fix(text, problem, tmp_path):
    pattern = ".*".join(map(re.escape, problem.split(".*")))
    with pytest.raises(StudyError, match=pattern) as error:
        build(text, tmp_path)
    message = str(error.value)
    assert message.startswith("layers[")
    assert "\n" not in message
    assert "\x1b" not in message


def test_all_wrong_arguments_are_reported_together(tmp_path):
    with pytest.raises(StudyError) as error:
        build("Flatten\nDense: {unit: 3, activation: rleu}\nDenes: {units: 2}", tmp_path)
    for part in ("layers[1] (Dense) unit: ", "layers[1] (Dense) activation: ", "layers[2] (Denes): "):
        assert part in str(error.value)


def test_checking_arguments_draws_no_random_numbers(tmp_path):
    """Initializers without a seed take theirs from Python's generator: a check must not move it."""
    weights = []
    for text in ("glorot_uniform", "{class_name: GlorotUniform, config: {}}"):
        keras.utils.set_random_seed(3)
        plain = keras.Sequential(
            [keras.layers.Input((12, 12, 1)), keras.layers.Conv2D(2, 3, kernel_initializer="glorot_uniform")]
        )
        after = random.random()
        keras.utils.set_random_seed(3)
        listed = build(CONV % f"kernel_initializer: {text}", tmp_path)
        assert random.random() == after
        weights.append((plain.get_weights()[0] == listed.get_weights()[0]).all())
    assert weights == [True, True]


def test_expressions():
    variables = {"width": 5, "classes": 10}
    for text, value in (
        ("width", 5),
        ("2 * (width + 1) - classes // 3", 9),
        ("min(classes, -width)", -5),
        ("2.5 * width", 12.5),
        ("width / 2", 2.5),
        ("[width, 3]", [5, 3]),
        ("(width,)", [5]),
        ("True", True),
        ("off", False),
        ("None", None),
        ("relu", "relu"),
        ("he_normal", "he_normal"),
        ("3x3", "3x3"),
    ):
        found = evaluate_expression(text, variables)
        assert (found, type(found)) == (value, type(value)), text
    for text in (
        "width ** 99",
        "width.real",
        "True + width",
        "width // 0",
        "[0] * 9",
        "1e400",
        "1e308 * 10",
        "Width + 1",
        "f(width)",
        "__import__('os').getpid()",
        "(lambda: 0)()",
        "int(width, 2)",
    ):
        with pytest.raises(StudyError) as error:
            evaluate_expression(text, variables)
        assert text.split("(")[0].strip() in str(error.value)
