"""What machine code does not know is trained by Keras' layers, and the path says why."""

import re

import keras
import numpy as np
import pytest
from keras import layers
from samples.model_trainer import ModelTrainer
from samples.networks import (
    ADADELTA,
    CLASSES,
    IMAGE,
    MOMENTUM,
    RMSPROP,
    SGD,
    images_of,
    train_both,
)

from few_weights.engine.errors import EngineError

pytestmark = pytest.mark.slow


class Doubling(layers.Layer):
    """A layer that the engine does not know."""

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


def softmax_in_a_branch():
    inputs = layers.Input(IMAGE)
    x = layers.Flatten()(inputs)
    both = layers.Concatenate()(
        [layers.Dense(8, activation="softmax")(x), layers.Dense(8, activation="relu")(x)]
    )
    return keras.Model(inputs, layers.Dense(CLASSES, activation="softmax")(both))


class RandomPooling(layers.MaxPooling2D):
    """Derived from a layer that, as the first one, is applied once to the data; this one must not be."""

    def build(self, shape):
        self.dropout = layers.Dropout(0.2, seed=7)

    def call(self, x, training=None):
        return super().call(self.dropout(x, training=training))


def random_layers():
    """Dropout and noise, with seeds so that both models draw the same numbers."""
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
    """A network that machine code would compute without the settings."""
    return keras.Sequential(
        [
            layers.Input(IMAGE),
            layers.Conv2D(2, 3, **settings),
            layers.Flatten(),
            layers.Dense(CLASSES, activation="softmax"),
        ]
    )


def penalised():
    return convolution(activity_regularizer=keras.regularizers.L2(0.01))


def softmax_inside():
    return convolution(activation="softmax")


def partly_frozen():
    model = convolution()
    model.layers[0].trainable = False
    return model


class Block(keras.Sequential):
    """A model whose class computes something else with its graph."""

    def call(self, x, training=None, mask=None):
        return super().call(2.0 * x, training=training)


def block_of_its_own():
    block = Block([layers.Input(IMAGE), layers.Conv2D(2, 3), layers.ReLU()])
    return keras.Sequential(
        [layers.Input(IMAGE), block, layers.Flatten(), layers.Dense(CLASSES, activation="softmax")]
    )


@pytest.mark.parametrize(
    ("make_model", "reason"),
    [
        (unknown_layer, "for doubling"),
        (softmax_in_a_branch, "for a softmax before the end"),
        (random_layers, "for random_pooling"),
        (penalised, "for conv2d"),
        (softmax_inside, r"for conv2d\w*'s activation"),
        (partly_frozen, "for conv2d"),
        (block_of_its_own, "for block"),
    ],
)
def test_a_network_the_engine_does_not_know_trains_as_in_keras(make_model, reason):
    """With a last short batch, regularisers, batch statistics, random layers; scored as Keras scores it."""
    losses, theirs, ours, trainer = train_both(make_model, RMSPROP, [32] * 20 + [7])
    assert re.match(f"by Keras, and not by machine code {reason}", trainer.path)
    for mine, keras_weights in zip(ours.variables, theirs.variables, strict=True):
        np.testing.assert_allclose(mine, keras_weights, rtol=1e-4, atol=1e-5)
    images, labels = images_of(130, seed=5)
    loss, predictions = trainer.evaluate(images, labels)
    probabilities = theirs.predict(images / np.float32(255), verbose=0)
    of_labels = probabilities[np.arange(len(labels)), labels]
    assert loss == pytest.approx(-np.log(of_labels).mean(), rel=1e-3)
    assert np.mean(predictions == probabilities.argmax(1)) > 0.99


def small(kind, **settings):
    """A small network for machine code, but for the settings of one of its layers."""
    dense = settings if kind == "dense" else {}
    body = {
        "dense": [layers.Flatten()],
        "3 x 3": [layers.Conv2D(2, 3, **settings), layers.MaxPooling2D(), layers.Flatten()],
        "1 x 1": [layers.Conv2D(2, 1, **settings), layers.MaxPooling2D(), layers.Flatten()],
    }[kind]
    return keras.Sequential(
        [
            layers.Input((9, 11, 1)),
            *body,
            layers.Dense(5, **dense),
            layers.Dense(CLASSES, activation="softmax"),
        ]
    )


def with_lora(model):
    layer = next(layer for layer in model.layers if layer.weights)
    layer.enable_lora(1)


def with_a_constraint(model):
    model.trainable_variables[0].constraint = keras.constraints.MaxNorm(0.1)


def with_a_penalty(model):
    model.trainable_variables[0].regularizer = keras.regularizers.L1(0.1)


def with_its_own_call(model):
    layer = next(layer for layer in model.layers if layer.weights)
    call = type(layer).call
    layer.call = lambda x, training=None: 3.0 * call(layer, x)


def with_a_frozen_bias(model):
    model.trainable_variables[1].trainable = False


CHANGES = {
    "nothing": ({}, None),
    "L1": ({"kernel_regularizer": "l1"}, None),
    "a penalty on the bias": ({"bias_regularizer": keras.regularizers.L1(0.1)}, None),
    "a constraint": ({"kernel_constraint": "non_neg"}, None),
    "an activity penalty": ({"activity_regularizer": "l2"}, None),
    "float64": ({"dtype": "float64"}, None),
    "frozen": ({"trainable": False}, None),
    "a function": ({"activation": lambda x: keras.ops.tanh(x)}, None),
    "a layer as activation": ({"activation": layers.LeakyReLU()}, None),
    "LoRA": ({}, with_lora),
    "a constraint set later": ({}, with_a_constraint),
    "a penalty set later": ({}, with_a_penalty),
    "its own call": ({}, with_its_own_call),
    "a frozen bias": ({}, with_a_frozen_bias),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("kind", ["dense", "3 x 3", "1 x 1"])
def test_an_unknown_setting_is_trained_by_keras(kind, change):
    """With any setting, three steps, the last with one image, change the weights as in Keras."""
    settings, alter = CHANGES[change]

    def make():
        model = small(kind, **settings)
        if alter:
            alter(model)
        return model

    _, theirs, ours, trainer = train_both(make, SGD, [7, 7, 1], (9, 11, 1), epochs=1000)
    assert trainer.path.startswith("by Keras") == (change != "nothing")
    for mine, expected in zip(ours.variables, theirs.variables, strict=True):
        np.testing.assert_allclose(mine, expected, rtol=1e-5, atol=1e-6)


class OwnStep(keras.Sequential):
    def train_step(self, data):
        return super().train_step(data)


def test_a_model_with_its_own_training_step_is_refused():
    model = OwnStep([layers.Input(IMAGE), layers.Flatten(), layers.Dense(CLASSES, activation="softmax")])
    with pytest.raises(EngineError, match="OwnStep defines its own train_step"):
        ModelTrainer(model, ADADELTA, 32, *images_of(40))


def test_losses_that_layers_add_count_once():
    """Also if a layer adds one number per image: they are summed, as Keras does."""

    @keras.saving.register_keras_serializable()
    class Adding(layers.Layer):
        def call(self, x):
            self.add_loss(0.01 * keras.ops.mean(x**2, 1))
            return x

    def make():
        body = [layers.Flatten(), layers.Dense(5, activation="tanh"), Adding()]
        return keras.Sequential([layers.Input(IMAGE), *body, layers.Dense(CLASSES, activation="softmax")])

    _, theirs, ours, _ = train_both(make, MOMENTUM, [8, 8, 1])
    for mine, expected in zip(ours.variables, theirs.variables, strict=True):
        np.testing.assert_allclose(mine, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("policy", ["mixed_float16", "float64"])
def test_another_dtype_trains_as_in_keras(policy):
    """With float16 Keras scales the loss, without which small gradients are lost."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        _, theirs, ours, trainer = train_both(lambda: small("dense"), MOMENTUM, [8, 8, 1], (9, 11, 1))
    finally:
        keras.config.set_dtype_policy(before)
    assert trainer.path.startswith("by Keras")
    for mine, expected in zip(ours.variables, theirs.variables, strict=True):
        np.testing.assert_allclose(mine, expected, rtol=2e-3, atol=1e-5)


def functional(inputs, outputs):
    """A model whose inputs and outputs are in the containers that are given."""
    x = layers.Input(IMAGE)
    y = layers.Dense(CLASSES, activation="softmax")(layers.Flatten()(x))
    return keras.Model(inputs(x), outputs(y))


class Derived(keras.Sequential):
    """A class that changes nothing."""


@pytest.mark.parametrize(
    ("make_model", "path"),
    [
        (lambda: functional(lambda x: [x], lambda y: [y]), "by machine code, 1 convolution"),
        (lambda: functional(lambda x: {"image": x}, lambda y: y), "by machine code, 1 convolution"),
        (
            lambda: Derived(
                [layers.Input(IMAGE), layers.Flatten(), layers.Dense(CLASSES, activation="softmax")]
            ),
            "by machine code, 1 convolution",
        ),
        (
            lambda: Block(
                [layers.Input(IMAGE), layers.Flatten(), layers.Dense(CLASSES, activation="softmax")]
            ),
            "by Keras, and not by machine code for block",
        ),
        (lambda: convolution_of_any_size(), "by Keras, and not by machine code for functional"),
    ],
    ids=["lists", "a dict", "a derived class", "a class with its own call", "images of any size"],
)
def test_a_model_of_any_form_is_trained_as_in_keras(make_model, path):
    losses, _, _, trainer = train_both(make_model, SGD, [7, 7, 1], epochs=1000)
    assert trainer.path.startswith(path)
    np.testing.assert_allclose(losses[:, 1], losses[:, 0], rtol=1e-4)


def convolution_of_any_size():
    x = layers.Input((None, None, 1))
    y = layers.GlobalAveragePooling2D()(layers.Conv2D(3, 3)(x))
    return keras.Model(x, layers.Dense(CLASSES, activation="softmax")(y))


@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_dropout_of_all_or_nothing_trains_as_in_keras(rate):
    """Where all is dropped, there is nothing to be scaled up."""

    def make():
        body = [layers.Conv2D(2, 3), layers.Dropout(rate), layers.Flatten()]
        return keras.Sequential([layers.Input(IMAGE), *body, layers.Dense(CLASSES, activation="softmax")])

    losses, _, _, trainer = train_both(make, SGD, [7, 7, 1], epochs=1000)
    assert trainer.path.startswith("by Keras" if rate else "by machine code")
    np.testing.assert_allclose(losses[:, 1], losses[:, 0], rtol=1e-4)
