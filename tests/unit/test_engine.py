"""The engine computes what Keras computes: same losses step by step, same weights, same predictions."""

import keras
import numpy as np
import pytest
from keras import layers
from samples import build

from few_weights import engine
from few_weights.architectures import Again
from few_weights.engine import Trainer

RMSPROP = {"name": "rmsprop", "learning_rate": 0.001, "rho": 0.9, "epsilon": 1e-7}
ADADELTA = {"name": "adadelta", "learning_rate": 1.0, "rho": 0.95, "epsilon": 1e-7}
#: No machine code is written for it.
MOMENTUM = {"name": "sgd", "learning_rate": 0.02, "momentum": 0.9}
IMAGE = (18, 18, 1)  # as small as vgg can take, with an odd size on the way
CLASSES = 10


def images_of(examples, image=IMAGE, seed=0):
    """Images that can be learned: a bright bar on black, at a place and angle that say the class."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, CLASSES, examples).astype(np.uint8)
    images = np.zeros((examples, *image), np.uint8)
    for picture, label in zip(images, labels, strict=True):
        first = 1 + 3 * (label % 5) + rng.integers(0, 2)
        bar = picture[first : first + 3, 2:-2] if label < 5 else picture[2:-2, first : first + 3]
        bar[...] = rng.integers(128, 256, bar.shape)
    return images, labels


def compiled_keras(model, optimizer):
    model.compile(
        optimizer=engine.build_optimizer(optimizer),
        loss="sparse_categorical_crossentropy",
        jit_compile=False,
    )
    return model


def train_both(make_model, optimizer, batch_sizes, image=IMAGE):
    """The loss of each step from Keras and from the engine, and the two trained models."""
    images, labels = images_of(sum(batch_sizes), image)
    keras.utils.set_random_seed(1)
    theirs = compiled_keras(make_model(), optimizer)
    ours = make_model()
    ours.set_weights(theirs.get_weights())
    trainer = Trainer(ours, optimizer, max(batch_sizes), images, labels)
    losses, first = [], 0
    for size in batch_sizes:
        batch = np.arange(first, first + size)
        theirs.reset_metrics()
        loss = theirs.train_on_batch(images[batch] / np.float32(255), labels[batch])
        losses.append((float(loss), trainer.train_epoch(batch)[0]))
        first += size
    return np.array(losses), theirs, ours, trainer


@pytest.mark.parametrize("optimizer", [RMSPROP, ADADELTA], ids=lambda optimizer: optimizer["name"])
@pytest.mark.parametrize(
    ("name", "width"),
    [(name, width) for name in ("mlp", "pooled_mlp") for width in (3, 32, 512)]
    + [(name, width) for name in ("cnn", "vgg") for width in (1, 2, 5)],
)
def test_machine_code_gives_keras_losses(name, width, optimizer):
    """To a relative 1e-4 over 100 steps, the last of a smaller batch: the same sums in another order.

    Rounding is about 1e-7 a step, until it turns a unit that stands at zero on or off; from there two equally
    right computations drift apart, plain Keras with and without oneDNN among them.
    """
    make_model = lambda: build(name, width, IMAGE, CLASSES)  # noqa: E731
    losses, _, _, trainer = train_both(make_model, optimizer, [16] * 99 + [10])
    assert trainer.path.startswith("by machine code")
    # A loss near 0 is a sum near 1, of which float32 knows seven digits.
    np.testing.assert_allclose(losses[:, 1], losses[:, 0], rtol=1e-4, atol=1e-7)
    assert losses[-10:, 0].mean() < 0.995 * losses[:10, 0].mean(), "nothing was learned, so nothing compared"


@pytest.mark.parametrize(("name", "width"), [("mlp", 64), ("pooled_mlp", 3), ("cnn", 8), ("vgg", 5)])
def test_keras_layers_give_keras_bits(name, width):
    """Where Keras' own layers compute, 100 steps, the last of a smaller batch, give the very same weights."""
    make_model = lambda: build(name, width, IMAGE, CLASSES)  # noqa: E731
    losses, theirs, ours, trainer = train_both(make_model, MOMENTUM, [16] * 99 + [10])
    assert trainer.path.startswith("by Keras")
    # The weights are equal to the bit; we divide the sum of the losses in float64, Keras in float32.
    np.testing.assert_allclose(losses[:, 1], losses[:, 0], rtol=1e-7)
    assert losses[-10:, 0].mean() < 0.9 * losses[:10, 0].mean(), "nothing was learned, so nothing compared"
    for mine, keras_weights in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, keras_weights)


@pytest.mark.parametrize(("name", "width"), [("cnn", 1), ("cnn", 2), ("vgg", 1), ("vgg", 2)])
def test_batch_last_gives_keras_losses(name, width):
    """To a relative 1e-4 over 100 steps, as by machine code."""
    make_model = lambda: build(name, width, IMAGE, CLASSES)  # noqa: E731
    losses, _, _, trainer = train_both(make_model, MOMENTUM, [16] * 99 + [10])
    assert trainer.path.startswith("batch-last")
    np.testing.assert_allclose(losses[:, 1], losses[:, 0], rtol=1e-4)


def every_small_layer():
    """Each layer that is lowered and that the article's networks do not have."""
    spatial = layers.DepthwiseConv2D(3, padding="same")
    normalised = lambda: layers.BatchNormalization(momentum=0.9, epsilon=1e-3)  # noqa: E731
    return keras.Sequential(
        [
            layers.Input(IMAGE),
            layers.Conv2D(3, 4, strides=2, padding="same", use_bias=False),
            normalised(),
            layers.Conv2D(4, 2, strides=2, use_bias=False),  # a row and a column are left over
            layers.LeakyReLU(negative_slope=0.1),
            spatial,
            layers.Activation("gelu"),
            Again(spatial),
            layers.Conv2D(5, 1, use_bias=False),
            normalised(),
            layers.Activation("silu"),
            layers.MaxPooling2D(2),
            layers.DepthwiseConv2D(2, padding="same", use_bias=False),
            layers.Conv2D(6, 1),
            layers.AveragePooling2D(2),
            layers.GlobalAveragePooling2D(),
            layers.Dense(CLASSES, activation="softmax"),
        ]
    )


def test_small_layers_give_keras_losses_batch_last():
    """The moving statistics of a batch normalisation with them, through a last batch of another size."""
    losses, theirs, ours, trainer = train_both(every_small_layer, RMSPROP, [16] * 50 + [10])
    assert trainer.path.startswith("batch-last")
    np.testing.assert_allclose(losses[:, 1], losses[:, 0], rtol=1e-4)
    for mine, keras_weights in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(mine, keras_weights, rtol=1e-3, atol=1e-5)
    images, _ = images_of(16)
    predicted = theirs.predict(images / np.float32(255), verbose=0).argmax(1)
    np.testing.assert_array_equal(trainer.evaluate(images, np.zeros(16, np.uint8))[1], predicted)


def test_a_schedule_warms_up_and_ends_at_zero():
    schedule = {"name": "warmup_cosine", "warmup": 0.25}
    rate = engine.build_optimizer({"name": "sgd", "learning_rate": 0.4}, schedule, steps=8)._learning_rate
    expected = [0, 0.2, 0.4, *(0.2 * (1 + np.cos(np.pi * np.arange(1, 7) / 6)))]
    np.testing.assert_allclose([float(rate(step)) for step in range(9)], expected, atol=1e-7)


@pytest.mark.parametrize(
    ("name", "width", "optimizer", "expected"),
    [
        ("mlp", 16, RMSPROP, "by machine code, 3 dense layers; flatten"),
        ("vgg", 2, ADADELTA, "by machine code, 4 convolutions and 1 dense layer"),
        ("cnn", 2, MOMENTUM, "batch-last by XLA, 10 kernels, and not by machine code with momentum"),
        ("cnn", 8, MOMENTUM, "by Keras, with 136 kernels, and not by machine code with momentum"),
        (
            "separable",
            6,
            ADADELTA,
            "batch-last by XLA layer by layer, 4 kernels, and not by machine code for ",
        ),
    ],
)
def test_the_path_is_told_with_its_reason(name, width, optimizer, expected):
    model = build(name, width, (28, 28, 1), CLASSES)
    assert engine.choose_path(model, engine.build_optimizer(optimizer))[2].startswith(expected)


def test_a_schedule_or_shifted_images_are_not_for_machine_code():
    model = build("mlp", 4, IMAGE, CLASSES)
    falling = engine.build_optimizer(RMSPROP, {"name": "warmup_cosine", "warmup": 0.2}, 100)
    assert "not by machine code with a schedule" in engine.choose_path(model, falling)[2]
    constant = engine.build_optimizer(RMSPROP)
    assert "not by machine code with shifted images" in engine.choose_path(model, constant, augmented=True)[2]


class Doubling(layers.Layer):
    """A layer that the engine has never heard of."""

    def call(self, x):
        return 2.0 * x


def unknown_layer():
    return keras.Sequential(
        [
            layers.Input(IMAGE),
            layers.Flatten(),
            Doubling(),
            layers.Dense(16, activation="relu", kernel_regularizer=keras.regularizers.L2(0.01)),
            layers.BatchNormalization(),
            layers.Dense(CLASSES, activation="softmax"),
        ]
    )


def branches():
    inputs = layers.Input(IMAGE)
    x = layers.Flatten()(inputs)
    both = layers.Concatenate()(
        [layers.Dense(8, activation="tanh")(x), layers.Dense(8, activation="relu")(x)]
    )
    return keras.Model(inputs, layers.Dense(CLASSES, activation="softmax")(both))


class RandomPooling(layers.MaxPooling2D):
    """Derived from a layer that is applied once to the data where it comes first; this one must not be."""

    def build(self, shape):
        self.dropout = layers.Dropout(0.2, seed=7)

    def call(self, x, training=None):
        return super().call(self.dropout(x, training=training))


def random_layers():
    """Dropout and noise, whose seeds are given so that both models draw the same numbers."""
    return keras.Sequential(
        [
            layers.Input(IMAGE),
            RandomPooling(),
            layers.Flatten(),
            layers.Dense(16, activation="relu"),
            layers.Dropout(0.5, seed=8),
            layers.GaussianNoise(0.1, seed=9),
            layers.Dense(CLASSES, activation="softmax"),
        ]
    )


def convolution(**settings):
    """Small enough to be computed batch-last, were it not for what the settings or the layers ask for."""
    before = settings.pop("before", [])
    after = settings.pop("after", [])
    return keras.Sequential(
        [
            layers.Input(IMAGE),
            *before,
            layers.Conv2D(2, 3, **settings),
            *after,
            layers.Flatten(),
            layers.Dense(CLASSES, activation="softmax"),
        ]
    )


def penalised():
    return convolution(activity_regularizer=keras.regularizers.L2(0.01))


def normalised():
    return convolution(after=[layers.BatchNormalization(), layers.ReLU()])


def softmax_inside():
    return convolution(activation="softmax")


def dense_on_pixels():
    return convolution(before=[layers.Dense(2, activation="relu")])


def partly_frozen():
    model = convolution()
    model.layers[0].trainable = False
    return model


@pytest.mark.parametrize(
    ("make_model", "reason"),
    [
        (unknown_layer, "for doubling"),
        (branches, "for functional"),
        (random_layers, "for random_pooling"),
        (penalised, "for conv2d"),
        (normalised, "for re_lu"),
        (softmax_inside, "for a softmax before the end"),
        (dense_on_pixels, "for dense"),
        (partly_frozen, "batch-last"),
    ],
)
def test_a_network_the_engine_does_not_know_trains_as_in_keras(make_model, reason):
    """With a last short batch, regularisers, batch statistics, random layers; scored as Keras scores it."""
    losses, theirs, ours, trainer = train_both(make_model, RMSPROP, [32] * 20 + [7])
    assert reason in trainer.path
    for mine, keras_weights in zip(ours.variables, theirs.variables, strict=True):
        np.testing.assert_allclose(mine, keras_weights, rtol=1e-4, atol=1e-5)
    images, labels = images_of(130, seed=5)
    loss, predictions = trainer.evaluate(images, labels)
    probabilities = theirs.predict(images / np.float32(255), verbose=0)
    picked = probabilities[np.arange(len(labels)), labels]
    assert loss == pytest.approx(-np.log(picked).mean(), rel=1e-3)
    assert np.mean(predictions == probabilities.argmax(1)) > 0.99


@pytest.mark.parametrize(("name", "width"), [("pooled_mlp", 16), ("cnn", 1), ("cnn", 8)])
def test_the_keras_model_holds_the_trained_weights(name, width):
    images, labels = images_of(500)
    test_images, test_labels = images_of(130, seed=5)
    model = build(name, width, IMAGE, CLASSES)
    trainer = Trainer(model, ADADELTA, 64, images, labels)
    for _ in range(3):
        trainer.train_epoch(np.arange(500))
    loss, predictions = trainer.evaluate(test_images, test_labels)
    compiled_keras(model, ADADELTA)
    scaled = test_images / np.float32(255)
    assert loss == pytest.approx(model.evaluate(scaled, test_labels, verbose=0), rel=1e-4)
    np.testing.assert_array_equal(predictions, model.predict(scaled, verbose=0).argmax(1))


def test_an_epoch_reports_means_over_its_examples():
    """Of all examples, each once, the last batch being smaller; the steps are too small to count."""
    images, labels = images_of(150)
    model = build("mlp", 8, IMAGE, CLASSES)
    frozen = {"name": "sgd", "learning_rate": 1e-30}
    trainer = Trainer(model, frozen, 64, images, labels)
    loss, accuracy = trainer.train_epoch(np.random.default_rng(0).permutation(150))
    expected, predictions = trainer.evaluate(images, labels)
    assert loss == pytest.approx(expected, rel=1e-5)
    assert accuracy == pytest.approx(np.mean(predictions == labels))


@pytest.mark.parametrize(
    ("name", "width", "dropout"),
    [("mlp", 16, False), ("mlp", 16, True), ("cnn", 1, False), ("cnn", 1, True), ("cnn", 8, False)],
)
def test_the_same_seed_gives_the_same_bits(name, width, dropout):
    images, labels = images_of(300)

    def train():
        keras.utils.set_random_seed(3)
        model = build(name, width, IMAGE, CLASSES, dropout=dropout)
        trainer = Trainer(model, ADADELTA, 64, images, labels)
        results = [trainer.train_epoch(np.random.default_rng(epoch).permutation(300)) for epoch in range(3)]
        return results, model.get_weights()

    first, second = train(), train()
    assert first[0] == second[0]
    for mine, again in zip(first[1], second[1], strict=True):
        np.testing.assert_array_equal(mine, again)


def test_pooling_sends_the_gradient_to_the_first_of_equals():
    """As TensorFlow does, on images where most windows hold equal values, of odd size too."""
    import tensorflow as tf

    from few_weights.engine.batch_last import max_pool

    for size in (6, 7):
        x = tf.constant(np.random.default_rng(size).integers(0, 2, (4, size, size, 3)), tf.float32)
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(x)
            theirs = tf.nn.max_pool2d(x, 2, 2, "VALID")
            ours = tf.transpose(max_pool(tf.transpose(x, [3, 1, 2, 0])), [3, 1, 2, 0])
            weights = tf.random.normal(theirs.shape, seed=1)
            left, right = tf.reduce_sum(theirs * weights), tf.reduce_sum(ours * weights)
        np.testing.assert_array_equal(ours, theirs)
        np.testing.assert_array_equal(tape.gradient(right, x), tape.gradient(left, x))
