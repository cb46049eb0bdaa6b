"""The built-in networks have the parameters that the article's formulas say; every count by hand."""

import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
from samples.networks import build

from few_weights.errors import StudyError
from few_weights.networks import saved_models
from few_weights.networks.counts import count_weights, layer_table, multiply_adds, trainable_parameters
from few_weights.networks.weights import named_weights, set_weights

PERCEPTRON_WIDTHS = (512, 256, 128, 64, 32, 16)
CONVOLUTIONAL_WIDTHS = (32, 16, 8, 4, 2, 1)
FORMULAS = {
    "mlp": (PERCEPTRON_WIDTHS, lambda n: n**2 + 796 * n + 10),
    "pooled_mlp": (PERCEPTRON_WIDTHS, lambda n: n**2 + 208 * n + 10),
    "cnn": (CONVOLUTIONAL_WIDTHS, lambda n: 1170 * n**2 + 56 * n + 10),
    "vgg": (CONVOLUTIONAL_WIDTHS, lambda n: 63 * n**2 + 335 * n + 10),
}
MODELS = [(name, width, formula(width)) for name, (widths, formula) in FORMULAS.items() for width in widths]


def test_all_models_of_the_article_are_tested():
    assert len(MODELS) == 24


@pytest.mark.parametrize(("name", "width", "parameters"), MODELS)
def test_parameters_equal_the_articles_formula(name, width, parameters):
    model = build(name, width, (28, 28, 1), 10)
    assert trainable_parameters(model) == model.count_params() == parameters
    assert sum(row["parameters"] for row in layer_table(model)) == parameters


@pytest.mark.parametrize("width", [4, 7, 16])
def test_separable_networks_have_the_weights_of_their_kernels(width):
    stem = round(2 * width / 3)
    first, second = 9 * stem + 9 * stem + (stem + 1) * width, 9 * width + (width + 1) * width
    ends = 9 * width + (width + 1) * 10
    for name, expected in (
        ("separable", first + second + ends),
        ("deep_separable", first + 2 * second + ends),
    ):
        model = build(name, width, (28, 28, 1), 10)
        assert trainable_parameters(model) == model.count_params() == expected


def test_a_strided_stem_takes_more_weights():
    model = build("strided_recurrent", 19, (28, 28, 1), 10)
    stem, block = 12 * 16, 19 * 9 + 19 * 20
    expected = stem + 12 * 9 + 12 * 19 + 19 + block + 19 * 9 + 19 * 10 + 10
    assert trainable_parameters(model) == model.count_params() == expected
    assert expected == 25 * 12 + 12 * 19 + 19**2 + 30 * 19 + 10


def test_a_block_that_is_applied_again_counts_once_but_is_computed_each_time():
    model = build("recurrent", 6, (28, 28, 1), 10)
    # stem, two depthwise and two pointwise convolutions, readout, dense
    assert trainable_parameters(model) == model.count_params() == 54 + 2 * (54 + 42) + 54 + 70
    assert sum(row["parameters"] for row in layer_table(model)) == 2 * 6**2 + 48 * 6 + 10
    block = 6 * 9 + 6 * 6
    assert multiply_adds(model) == 196 * 54 + (2 * 144 + 2 * 36) * block + 54 + 60


@pytest.mark.parametrize("width", [3, 8])
def test_the_block_of_a_looped_network_counts_once_but_is_computed_six_times(width):
    model = build("looped", width, (28, 28, 1), 10)
    # stem, block, readout by position, dense layer without bias
    block = 9 * width + width**2
    parts = 9 * width + block + width + 9 * width + 10 * width
    assert trainable_parameters(model) == model.count_params() == parts == width**2 + 38 * width
    assert multiply_adds(model) == 784 * 9 * width + 3 * (196 + 49) * block + 19 * width


@pytest.mark.parametrize("width", [2, 4])
def test_each_filter_of_a_doubled_network_gives_two_channels(width):
    model, channels = build("looped_doubled", width, (28, 28, 1), 10), 2 * width
    block = 9 * channels + channels**2
    parts = 9 * width + block + channels + 9 * channels + 10 * channels
    assert trainable_parameters(model) == model.count_params() == parts == 4 * width**2 + 67 * width
    assert multiply_adds(model) == 784 * 9 * width + 3 * (196 + 49) * block + 19 * channels


def test_most_weights_are_in_the_first_dense_layer():
    """95 % of mlp 32 and 96 % of cnn 2 are in the first dense layer (the article's 25,120 and 4,616)."""
    for name, width, expected in (("mlp", 32, 25_120), ("cnn", 2, 4_616)):
        table = layer_table(build(name, width, (28, 28, 1), 10))
        assert next(row["parameters"] for row in table if row["type"] == "Dense") == expected


def test_multiply_adds_by_hand():
    # mlp 16: 784 x 16 + 16 x 16 + 16 x 10
    assert multiply_adds(build("mlp", 16, (28, 28, 1), 10)) == 12_960
    # cnn 1: 26² x 9 x 1, 24² x 9 x 2, then 288 x 4 and 4 x 10
    assert multiply_adds(build("cnn", 1, (28, 28, 1), 10)) == 676 * 9 + 576 * 18 + 288 * 4 + 40


def test_other_images_and_classes():
    model = build("vgg", 3, (32, 32, 3), 7)
    assert model.input_shape == (None, 32, 32, 3)
    assert model.output_shape == (None, 7)


def test_unknown_and_impossible_networks_are_refused():
    with pytest.raises(
        StudyError, match="unknown architecture 'lenet'; known are: mlp, pooled_mlp, cnn, vgg"
    ):
        build("lenet", 1, (28, 28, 1), 10)
    with pytest.raises(StudyError, match=r"vgg of width 1 cannot be built on images of \(8, 8, 1\)"):
        build("vgg", 1, (8, 8, 1), 10)


def types_in(content):
    """The types of the tensors of a TFLite file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        interpreter = tf.lite.Interpreter(model_content=content)
    return {tensor["dtype"] for tensor in interpreter.get_tensor_details()}


def test_a_network_with_shared_weights_can_be_saved_and_read_back(tmp_path):
    """As .keras, with its weights still shared, and as TFLite."""
    model = build("recurrent", 6, (28, 28, 1), 10)
    images = np.random.default_rng(0).integers(0, 256, (200, 28, 28, 1), np.uint8)
    expected = model.predict(images / np.float32(255), verbose=0)

    (tmp_path / "model.keras").write_bytes(saved_models.keras_bytes(model))
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.count_params() == 370
    np.testing.assert_array_equal(loaded.predict(images / np.float32(255), verbose=0), expected)
    plain, rounded = (saved_models.convert_to_tflite(model, of) for of in (None, images[:50]))
    assert np.mean(saved_models.predict_tflite(plain, images) == expected.argmax(1)) > 0.99
    assert np.mean(saved_models.predict_tflite(rounded, images) == expected.argmax(1)) > 0.8
    assert {np.int8 in types_in(plain), np.float32 in types_in(plain)} == {False, True}
    assert np.int8 in types_in(rounded)


def test_weights_are_counted_by_every_rule():
    """A shared layer once and at each use, weights at 0, and what is not trained by its name."""
    model = build("recurrent", 6, (28, 28, 1), 10)
    first, *rest = model.get_weights()
    model.set_weights([np.zeros_like(first), *map(np.ones_like, rest)])
    assert count_weights(model) == {
        "trainable": 370,
        "non_zero": 370 - first.size,
        # The block of 9 x 6 and 6 x 6 + 6 weights is applied three times.
        "at_each_use": 370 + 2 * (9 * 6 + 6 * 6 + 6),
        "non_trainable": 0,
        "non_trainable_names": "",
        "bytes": 4 * 370,
    }


def test_what_is_not_trained_is_named():
    """The statistics of a normalisation, and not the state of the generator that dropout draws from."""
    model = keras.Sequential(
        [keras.Input((3,)), keras.layers.BatchNormalization(name="bn"), keras.layers.Dropout(0.5)]
    )
    found = count_weights(model)
    assert found["non_trainable_names"] == "bn/moving_mean bn/moving_variance"
    assert (found["trainable"], found["non_trainable"], found["bytes"]) == (6, 6, 48)


def test_a_layer_counts_at_each_use_in_graphs_of_every_kind():
    """In a functional network, in a nested one that is used twice, with several outputs, and transposed."""
    x0 = keras.Input((8, 8, 1))
    again = keras.layers.SeparableConv2D(4, 3, padding="same")
    x = keras.layers.SeparableConv2D(4, 3)(x0)
    for _ in range(3):
        x = again(x)
    model = keras.Model(x0, keras.layers.Dense(10)(keras.layers.GlobalAveragePooling2D()(x)))
    first, shared, last = 9 + 4, 9 * 4 + 4 * 4, 40
    assert trainable_parameters(model) == first + 4 + shared + 4 + last + 10
    assert count_weights(model)["at_each_use"] == first + 4 + 3 * (shared + 4) + last + 10
    assert multiply_adds(model) == 36 * first + 3 * 36 * shared + last
    assert sum(row["parameters"] for row in layer_table(model)) == trainable_parameters(model)

    inner = keras.Sequential([keras.layers.Dense(5), keras.layers.Dense(6)])
    x0 = keras.Input((6,))
    one, two = inner(x0), inner(inner(x0))
    model = keras.Model(x0, keras.layers.Dense(3)(keras.layers.Add()([one, two])))
    assert count_weights(model)["at_each_use"] == 3 * (35 + 36) + 21
    assert multiply_adds(model) == 3 * (30 + 30) + 18

    # An inner network for images of any size: its positions are those of each use.
    inner = keras.Sequential([keras.Input((None, None, 2)), keras.layers.Conv2D(2, 3, use_bias=False)])
    x0 = keras.Input((8, 8, 2))
    model = keras.Model(x0, keras.layers.Flatten()(inner(inner(x0))))
    assert multiply_adds(model) == (36 + 16) * 9 * 4
    assert [row["output_shape"] for row in layer_table(model)] == ["6x6x2", "32"]

    x0 = keras.Input((4, 4, 3))
    x = keras.layers.Conv2DTranspose(5, 2, strides=2, use_bias=False)(x0)
    assert multiply_adds(keras.Model(x0, x)) == 16 * 4 * 3 * 5

    x0 = keras.Input((4, 8))
    sequence, state, _ = keras.layers.LSTM(2, return_sequences=True, return_state=True, name="r")(x0)
    model = keras.Model(x0, [sequence, state])
    assert layer_table(model) == [
        {"layer": "r", "type": "LSTM", "output_shape": "4x2 + 2 + 2", "parameters": 4 * 2 * (8 + 2 + 1)}
    ]


def test_weights_of_the_same_name_are_all_stored():
    x0 = keras.Input((4,))
    towers = []
    for name in ("left", "right"):
        inside = keras.Input((4,))
        towers.append(keras.Model(inside, keras.layers.Dense(3, name="dense")(inside), name=name)(x0))
    model = keras.Model(x0, keras.layers.Concatenate()(towers))
    named = named_weights(model)
    assert list(named) == ["dense/kernel", "dense/bias", "dense/kernel_2", "dense/bias_2"]
    expected = model.predict(np.ones((1, 4)), verbose=0)
    model.set_weights([np.zeros_like(array) for array in named.values()])
    set_weights(model, named)
    np.testing.assert_array_equal(model.predict(np.ones((1, 4)), verbose=0), expected)


def test_a_recurrent_network_becomes_tflite_that_takes_one_image():
    model = keras.Sequential(
        [
            keras.Input((6, 5, 1)),
            keras.layers.Reshape((6, 5)),
            keras.layers.Bidirectional(keras.layers.GRU(4)),
            keras.layers.Dense(3, activation="softmax"),
        ]
    )
    images = np.random.default_rng(0).integers(0, 256, (50, 6, 5, 1), np.uint8)
    converted = saved_models.predict_tflite(saved_models.convert_to_tflite(model), images)
    np.testing.assert_array_equal(converted, saved_models.predict(model, images))
