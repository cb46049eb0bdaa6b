"""Dropout in machine code: what is dropped depends on seed, step, image and value alone."""

import keras
import numpy as np
import pytest
from keras import layers
from samples.model_trainer import ModelTrainer
from samples.networks import ADAM
from samples.pieces import KindRun
from samples.single_steps import noise

from few_weights.engine.kinds.dropout import Dropout
from few_weights.engine.layouts import Map

#: 8 images of 30 x 20 x 5; in a border, so that the layouts of input and output differ.
SHAPE = (30, 20, 5)
VALUES = 1 + np.random.default_rng(0).random((8, *SHAPE)).astype(np.float32)


def dropout(rate=0.3, seed=7, spatial=False, step=0, first=0):
    values, output = Map(*SHAPE, 1, 2, 0, 1), Map(*SHAPE)
    kind, weights = Dropout(values, output, rate, seed, spatial), {"seed": np.zeros(2, np.float32)}
    return KindRun(kind, [VALUES], [values], weights, step=step, first=first)


@pytest.mark.parametrize("rate", [0.001, 0.1, 0.3, 0.5, 0.9])
def test_the_share_of_the_rate_is_dropped_and_the_rest_scaled_up(rate):
    result = dropout(rate).forward()
    kept = result != 0
    np.testing.assert_allclose(result[kept], VALUES[kept] / (1 - rate), rtol=1e-6)
    deviation = np.sqrt(rate * (1 - rate) / kept.size)
    assert abs(np.mean(~kept) - rate) < 4 * deviation


def test_the_gradient_passes_where_the_value_did():
    run = dropout()
    scale = run.forward() / VALUES
    upstream = np.random.default_rng(1).normal(size=VALUES.shape).astype(np.float32)
    np.testing.assert_allclose(run.backward(upstream), upstream * scale, rtol=1e-5)
    np.testing.assert_allclose(run.backward(upstream), 2 * upstream * scale, rtol=1e-5)


def test_nothing_is_dropped_outside_training():
    np.testing.assert_array_equal(dropout().forward("write_inference"), VALUES)


def test_each_seed_step_image_and_value_is_dropped_by_itself():
    """The same bits for the same; for others, two masks agree as often as by chance."""
    rate = 0.3
    mask = dropout(rate).forward() != 0
    np.testing.assert_array_equal(dropout(rate).forward() != 0, mask)
    chance, deviation = rate**2 + (1 - rate) ** 2, 0.5 / np.sqrt(mask.size)
    others = [{"seed": 8}, {"seed": 7 + 2**31}, {"step": 1}, {"step": 1000}, {"first": 8}, {"first": 64}]
    pairs = [(mask, dropout(rate, **other).forward() != 0) for other in others]
    pairs += [(mask[1:], mask[:-1]), (mask[:, 1:], mask[:, :-1]), (mask[:, :, 1:], mask[:, :, :-1])]
    pairs += [(mask[..., 1:], mask[..., :-1])]
    for one, other in pairs:
        assert abs(np.mean(one == other) - chance) < 5 * deviation


def test_whole_channels_are_dropped_together():
    kept = dropout(0.4, spatial=True).forward() != 0
    assert np.all(kept == kept[:, :1, :1])
    channels = np.concatenate(
        [(dropout(0.4, spatial=True, step=step).forward() != 0)[:, 0, 0] for step in range(10)]
    )
    assert abs(channels.mean() - 0.6) < 0.1


def test_an_image_keeps_its_numbers_in_another_group():
    """The image of a step counts, not the lane or the group that it is in."""
    one, other = dropout(first=0).forward() != 0, dropout(first=4).forward() != 0
    np.testing.assert_array_equal(one[4:], other[:4])


IMAGE = (9, 11, 2)


def build(rate=0.4, uses=2):
    keras.backend.clear_session()
    keras.utils.set_random_seed(5)
    inputs = layers.Input(IMAGE)
    x = layers.SpatialDropout2D(rate)(layers.Conv2D(4, 3, activation="relu")(inputs))
    x = layers.Dense(12, activation="tanh")(layers.Flatten()(x))
    again = layers.Dropout(rate)
    for _ in range(uses):
        x = layers.Dense(12)(again(x))
    return keras.Model(inputs, layers.Dense(5, activation="softmax")(x))


IMAGES, LABELS = noise(50, IMAGE, 5)


def trained(epochs, model=None, state=None):
    trainer = ModelTrainer(model or build(), ADAM, 16, IMAGES, LABELS, epochs=1000)
    assert trainer.path.startswith("by machine code") and "dropout" in trainer.path
    if state is not None:
        trainer.restore(state)
    for epoch in epochs:
        trainer.train_epoch(np.random.default_rng(epoch).permutation(50))
    return trainer.state()


@pytest.mark.slow
def test_a_resumed_training_gives_the_same_bits():
    """Also by a new trainer of a new model, as in a new process."""
    whole = trained(range(4))
    halves = trained(range(2, 4), state=trained(range(2)))
    for one, other in zip(whole, halves, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.slow
def test_each_use_of_a_layer_and_each_seed_drops_other_values():
    """With equal weights, two seeds give other losses; with one seed twice the same."""
    losses = []
    for seed in (1, 1, 2):
        model = build()
        model.set_weights([np.full(each.shape, 0.1) for each in model.get_weights()])
        for layer in model.layers:
            if "dropout" in layer.name:
                layer.seed_generator.state.assign([seed, 0])
        trainer = ModelTrainer(model, ADAM, 16, IMAGES, LABELS, epochs=1000)
        losses.append(trainer.train_epoch(np.arange(50))[0])
    assert losses[0] == losses[1] != losses[2]


@pytest.mark.slow
def test_the_evaluation_is_that_of_keras_without_dropout():
    model = build()
    trained(range(2), model)
    trainer = ModelTrainer(model, ADAM, 16, IMAGES, LABELS, epochs=1000)
    loss, predictions = trainer.evaluate(IMAGES, LABELS)
    probabilities = np.asarray(model(IMAGES / np.float32(255), training=False))
    assert loss == pytest.approx(-np.log(probabilities[np.arange(50), LABELS]).mean(), rel=1e-5)
    np.testing.assert_array_equal(predictions, probabilities.argmax(1))


@pytest.mark.slow
def test_a_network_with_dropout_learns_as_in_keras():
    """Other bits are dropped than in Keras, but as many: the mean losses of many epochs are close."""
    means = []
    for by_keras in (False, True):
        model = build(rate=0.3)
        if by_keras:
            model.layers[1].kernel.regularizer = keras.regularizers.L1(0.0)  # only Keras knows it
        trainer = ModelTrainer(model, ADAM | {"learning_rate": 1e-12}, 16, IMAGES, LABELS, epochs=1000)
        assert trainer.path.startswith("by Keras") == by_keras
        means.append(np.mean([trainer.train_epoch(np.arange(50))[0] for _ in range(40)]))
        plain = trainer.evaluate(IMAGES, LABELS)[0]
    assert abs(means[0] - means[1]) < 0.15 * abs(means[1] - plain)
