"""The engine computes what Keras computes: the same losses step by step, weights and predictions."""

import re

import keras
import numpy as np
import pytest
from keras import layers
from samples.model_trainer import ModelTrainer
from samples.networks import (
    ADADELTA,
    CLASSES,
    FULL_MATRIX,
    IMAGE,
    MOMENTUM,
    NADAM,
    RMSPROP,
    SGD,
    build,
    compiled_keras,
    images_of,
    train_both,
)

from few_weights.engine import optimizers
from few_weights.engine.again import Again
from few_weights.engine.preparation import choose_path, prepare

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("optimizer", [RMSPROP, ADADELTA], ids=lambda optimizer: optimizer["name"])
@pytest.mark.parametrize(
    ("name", "width"),
    [(name, width) for name in ("mlp", "pooled_mlp") for width in (3, 32, 512)]
    + [(name, width) for name in ("cnn", "vgg") for width in (1, 2, 5)],
)
def test_machine_code_gives_keras_losses(name, width, optimizer):
    """To a relative 1e-4 over 100 steps, the last of a smaller batch: the same sums in another order.

    Rounding is about 1e-7 per step, until it switches a unit that is just at zero on or off; from there two
    equally correct computations diverge, for example plain Keras with and without oneDNN. The widths are
    such that no unit switches in these 100 steps.
    """
    make_model = lambda: build(name, width)  # noqa: E731
    losses, _, _, trainer = train_both(make_model, optimizer, [16] * 99 + [10])
    assert trainer.path.startswith("by machine code")
    # A loss near 0 is a sum near 1, of which float32 knows seven digits.
    np.testing.assert_allclose(losses[:, 1], losses[:, 0], rtol=1e-4, atol=1e-7)
    assert losses[-10:, 0].mean() < 0.995 * losses[:10, 0].mean(), "nothing was learned, so nothing compared"


@pytest.mark.parametrize(("name", "width"), [("mlp", 64), ("pooled_mlp", 3), ("cnn", 8), ("vgg", 5)])
def test_keras_layers_are_bit_identical_to_keras(name, width):
    """With Keras' own layers, 100 steps, the last of a smaller batch, give exactly the same weights."""
    make_model = lambda: build(name, width)  # noqa: E731
    losses, theirs, ours, trainer = train_both(make_model, NADAM, [16] * 99 + [10])
    assert trainer.path.startswith("by Keras")
    # The weights are bit-identical; the engine divides the sum of the losses in float64, Keras in float32.
    np.testing.assert_allclose(losses[:, 1], losses[:, 0], rtol=1e-7)
    assert losses[-10:, 0].mean() < 0.9 * losses[:10, 0].mean(), "nothing was learned, so nothing compared"
    for mine, keras_weights in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, keras_weights)


def every_small_layer():
    """The layers of the small built-in networks, at sizes that leave rows and columns over."""
    spatial = layers.DepthwiseConv2D(3, padding="same")
    return keras.Sequential(
        [
            layers.Input(IMAGE),
            layers.Conv2D(3, 4, strides=2, padding="same", use_bias=False),
            layers.Conv2D(4, 2, strides=2),  # a row and a column are left over
            spatial,
            layers.Activation("gelu"),
            Again(spatial),
            layers.Conv2D(5, 1, use_bias=False),
            layers.Activation("relu"),
            layers.MaxPooling2D(2),
            layers.DepthwiseConv2D(2, padding="same", use_bias=False),
            layers.Flatten(),
            layers.Dense(CLASSES, activation="softmax"),
        ]
    )


def test_small_layers_give_keras_losses():
    """Through a last batch of one image, in an epoch whose other batches are of 16."""
    losses, theirs, ours, trainer = train_both(every_small_layer, RMSPROP, [16] * 50 + [1], epochs=100)
    assert trainer.path.startswith("by machine code")
    np.testing.assert_allclose(losses[:, 1], losses[:, 0], rtol=1e-4)
    for mine, keras_weights in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(mine, keras_weights, rtol=1e-3, atol=1e-5)
    images, _ = images_of(17)
    predicted = theirs.predict(images / np.float32(255), verbose=0).argmax(1)
    np.testing.assert_array_equal(trainer.evaluate(images, np.zeros(17, np.uint8))[1], predicted)


def test_a_schedule_warms_up_and_ends_at_zero():
    schedule = {"name": "warmup_cosine", "warmup": 0.25}
    rate = optimizers.build_optimizer({"name": "sgd", "learning_rate": 0.4}, schedule, steps=8)._learning_rate
    expected = [0, 0.2, 0.4, *(0.2 * (1 + np.cos(np.pi * np.arange(1, 7) / 6)))]
    np.testing.assert_allclose([float(rate(step)) for step in range(9)], expected, atol=1e-7)


def test_a_warm_up_leaves_at_least_one_step():
    schedule = {"name": "warmup_cosine", "warmup": 0.95}
    rate = optimizers.build_optimizer({"name": "sgd", "learning_rate": 0.4}, schedule, steps=8)._learning_rate
    np.testing.assert_allclose([float(rate(step)) for step in (0, 7, 8)], [0, 0.4, 0], atol=1e-7)


@pytest.mark.parametrize(
    ("name", "width", "optimizer", "expected"),
    [
        ("mlp", 16, RMSPROP, "by machine code, 3 dense layers; flatten applied once"),
        ("vgg", 2, ADADELTA, "by machine code, 4 convolutions and 1 dense layer"),
        ("cnn", 2, MOMENTUM, "by machine code, 2 convolutions and 2 dense layers"),
        ("cnn", 2, FULL_MATRIX, "by machine code, 4 convolution, 3 activation, 1 pooling"),
        (
            "separable",
            6,
            ADADELTA,
            "by machine code, 4 convolution, 3 activation, 3 depthwise, 2 pooling; average",
        ),
        ("cnn", 2, NADAM, "by Keras, and not by machine code with nadam"),
    ],
)
def test_the_path_is_reported_with_its_reason(name, width, optimizer, expected):
    keras.backend.clear_session()  # layers are numbered from the start
    model = build(name, width, (28, 28, 1), CLASSES)
    assert choose_path(model, optimizers.build_optimizer(optimizer), 10_000)[2].startswith(expected)


@pytest.mark.parametrize("name", ["mlp", "separable"])
def test_a_schedule_and_shifted_images_are_trained_by_machine_code(name):
    """The first step of a schedule has a learning rate of 0; shifted images have the losses of their own."""
    images, labels = images_of(20, (28, 28, 1))
    schedule = {"name": "warmup_cosine", "warmup": 0.2}
    keras.utils.set_random_seed(1)
    model = build(name, 6, (28, 28, 1))
    trainer = ModelTrainer(model, RMSPROP, 20, images, labels, schedule, epochs=1000, augmented=True)
    assert trainer.path.startswith("by machine code")
    before = model.get_weights()
    still, down = (trainer.train_epoch(np.arange(20), np.tile([n, 0], (20, 1)))[0] for n in (0, 2))
    expected = [trainer.evaluate(images, labels)[0]]
    for mine, old in zip(model.get_weights(), before, strict=True):
        np.testing.assert_allclose(mine, old, atol=1e-4)
    assert still == pytest.approx(expected[0], rel=1e-2)
    assert abs(down / still - 1) > 1e-5


@pytest.mark.parametrize("size", [(13, 13, 1), (13, 11, 1), (12, 14, 1)])
@pytest.mark.parametrize("sizes", [[1, 1, 1], [4, 4, 1]], ids=str)
def test_pooling_between_normalisations_is_correct_with_one_image(size, sizes):
    """A compiler once fused these layers and got the gradient wrong: none of four pixels was the largest."""

    def make():
        body = [layers.Conv2D(3, 3, use_bias=False), layers.BatchNormalization(), layers.Activation("gelu")]
        body += [layers.MaxPooling2D(), layers.BatchNormalization(), layers.Flatten()]
        return keras.Sequential([layers.Input(size), *body, layers.Dense(CLASSES, activation="softmax")])

    _, theirs, ours, _ = train_both(make, MOMENTUM, sizes, size, epochs=1000)
    for mine, expected in zip(ours.variables, theirs.variables, strict=True):
        np.testing.assert_allclose(mine, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("flatten", [layers.Flatten, layers.GlobalAveragePooling2D])
def test_features_may_be_normalised(flatten):
    def make():
        body = [layers.Conv2D(3, 3, activation="relu"), layers.BatchNormalization(), flatten()]
        body += [layers.BatchNormalization(), layers.Dense(4), layers.BatchNormalization()]
        return keras.Sequential([layers.Input(IMAGE), *body, layers.Dense(CLASSES, activation="softmax")])

    losses, *_ = train_both(make, RMSPROP, [16] * 5 + [3], epochs=1000)
    np.testing.assert_allclose(losses[:, 1], losses[:, 0], rtol=1e-4)


def test_a_network_that_needs_much_memory_is_trained_by_keras():
    """Batch normalisation needs the values of all images of a batch at once."""
    body = [layers.Conv2D(16, 3), layers.BatchNormalization(), layers.GlobalAveragePooling2D()]
    model = keras.Sequential(
        [layers.Input((100, 100, 3)), *body, layers.Dense(CLASSES, activation="softmax")]
    )
    assert prepare(model, ADADELTA, 64, 6400, epochs=100).path.startswith("by machine code")
    path = prepare(model, ADADELTA, 3000, 6400, epochs=100).path
    assert path.startswith("by Keras, and not by machine code for ") and "GiB of values" in path


def test_a_network_that_compiles_longer_than_it_trains_is_trained_by_keras():
    body = [layers.Conv2D(filters, 3, padding="same") for filters in range(1, 26)]
    model = keras.Sequential(
        [layers.Input(IMAGE), *body, layers.Flatten(), layers.Dense(CLASSES, activation="softmax")]
    )
    for settings in (ADADELTA, FULL_MATRIX):
        optimizer = optimizers.build_optimizer(settings)
        reason = "by Keras, and not by machine code for 26 different layers, which take too long"
        assert choose_path(model, optimizer, 50)[2].startswith(reason)
        assert choose_path(model, optimizer, 5_000)[2].startswith("by machine code")


def test_a_depthwise_kernel_that_is_too_large_is_named():
    body = [layers.DepthwiseConv2D(9), layers.Flatten(), layers.Dense(CLASSES, activation="softmax")]
    model = keras.Sequential([layers.Input(IMAGE), *body])
    path = choose_path(model, optimizers.build_optimizer(MOMENTUM), 5_000)[2]
    assert re.fullmatch(r"by Keras, and not by machine code for depthwise_conv2d\w*'s kernel of 9 x 9", path)


def test_shifted_images_keep_their_shape():
    """Some layers read it while their graph is built: a normalisation along another axis than the last."""
    body = [layers.Flatten(), layers.BatchNormalization(axis=1)]
    model = keras.Sequential([layers.Input(IMAGE), *body, layers.Dense(CLASSES, activation="softmax")])
    trainer = ModelTrainer(model, MOMENTUM, 4, *images_of(9), augmented=True)
    assert np.isfinite(trainer.train_epoch(np.arange(9), np.ones((9, 2), np.int32))[0])


@pytest.mark.parametrize(("name", "width"), [("pooled_mlp", 16), ("cnn", 1), ("cnn", 8)])
def test_the_keras_model_holds_the_trained_weights(name, width):
    images, labels = images_of(500)
    test_images, test_labels = images_of(130, seed=5)
    model = build(name, width)
    trainer = ModelTrainer(model, ADADELTA, 64, images, labels)
    for _ in range(3):
        trainer.train_epoch(np.arange(500))
    loss, predictions = trainer.evaluate(test_images, test_labels)
    compiled_keras(model, ADADELTA)
    scaled = test_images / np.float32(255)
    assert loss == pytest.approx(model.evaluate(scaled, test_labels, verbose=0), rel=1e-4)
    np.testing.assert_array_equal(predictions, model.predict(scaled, verbose=0).argmax(1))


def test_an_epoch_reports_means_over_its_examples():
    """Of all examples, each once, the last batch being smaller.

    No step changes a weight, not even a bias of 0: some images have equal logits, which it would order.
    """
    images, labels = images_of(150)
    model = build("mlp", 8)
    frozen = SGD | {"learning_rate": 0.0}
    trainer = ModelTrainer(model, frozen, 64, images, labels)
    loss, accuracy = trainer.train_epoch(np.random.default_rng(0).permutation(150))
    expected, predictions = trainer.evaluate(images, labels)
    assert loss == pytest.approx(expected, rel=1e-5)
    assert accuracy == pytest.approx(np.mean(predictions == labels))
    assert trainer.evaluate(images, (labels + 1) % CLASSES)[0] != pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize(
    ("name", "width", "dropout"),
    [("mlp", 16, False), ("mlp", 16, True), ("cnn", 1, False), ("cnn", 1, True), ("cnn", 8, False)],
)
def test_the_same_seed_gives_the_same_bits(name, width, dropout):
    images, labels = images_of(300)

    def train():
        keras.utils.set_random_seed(3)
        model = build(name, width, dropout=dropout)
        trainer = ModelTrainer(model, ADADELTA, 64, images, labels)
        results = [trainer.train_epoch(np.random.default_rng(epoch).permutation(300)) for epoch in range(3)]
        return results, model.get_weights()

    first, second = train(), train()
    assert first[0] == second[0]
    for mine, again in zip(first[1], second[1], strict=True):
        np.testing.assert_array_equal(mine, again)
