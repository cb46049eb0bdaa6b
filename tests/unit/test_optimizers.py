"""Our optimizer: it knows no coordinates, and trains as Keras would train with it."""

import keras
import numpy as np
import pytest
from samples.networks import build
from test_engine import CLASSES, IMAGE, train_both

from few_weights.engine.errors import EngineError
from few_weights.engine.full_matrix_adam import MOST_PARAMETERS, FullMatrixAdam

FULL = {"name": "full_matrix_adam", "learning_rate": 0.01, "beta_1": 0.9, "beta_2": 0.99, "refresh": 80}
ADAM = {"name": "adam", "learning_rate": 0.01, "beta_1": 0.9, "beta_2": 0.99}

#: The first gradients of a few parameters do not yet reach all directions: no steps before they do.
LATE = keras.optimizers.schedules.PiecewiseConstantDecay([10], [0.0, 0.01])


def descend(optimizer, curvature, start, noise):
    """Where noisy gradients of a quadratic lead from `start`."""
    place = keras.Variable(start.astype(np.float32))
    optimizer.build([place])
    for push in noise:
        gradient = curvature @ np.asarray(place) + push
        optimizer.apply([keras.ops.convert_to_tensor(gradient.astype(np.float32))], [place])
    return np.asarray(place)


@pytest.mark.parametrize(
    ("make", "knows_no_coordinates"),
    [
        (lambda: FullMatrixAdam(LATE, 0.9, 0.99, refresh=1), True),
        (lambda: keras.optimizers.Adam(LATE, 0.9, 0.99), False),
    ],
    ids=["full_matrix_adam", "adam"],
)
def test_turning_the_parameters_turns_the_steps(make, knows_no_coordinates):
    """In other coordinates it takes the same way, which plain Adam does not."""
    rng = np.random.default_rng(0)
    turn, _ = np.linalg.qr(rng.normal(size=(4, 4)))
    curvature = np.diag([100.0, 10.0, 1.0, 0.1])
    start, noise = rng.normal(size=4), rng.normal(size=(200, 4))
    end = descend(make(), curvature, start, noise)
    turned = descend(make(), turn @ curvature @ turn.T, turn @ start, noise @ turn.T)
    assert np.allclose(turned, turn @ end, atol=1e-3) == knows_no_coordinates
    assert np.abs(end - start).max() > 0.5


def test_no_step_is_long_where_the_second_moment_is_rounding():
    """Three directions of twenty have a gradient; along the others eigenvalues and mean are rounding."""
    rng = np.random.default_rng(0)
    gradients = 1e4 * rng.normal(size=(200, 3)) @ rng.normal(size=(3, 20))
    place = keras.Variable(np.zeros(20, np.float32))
    optimizer = FullMatrixAdam(0.01, 0.9, 0.99, refresh=7)
    optimizer.build([place])
    places = [np.zeros(20)]
    for gradient in gradients:
        optimizer.apply([keras.ops.convert_to_tensor(gradient.astype(np.float32))], [place])
        places.append(np.asarray(place).copy())
    # 0.01 along each eigenvector is a usual step of Adam; the bound allows it a few times over.
    assert np.linalg.norm(np.diff(places, axis=0), axis=1).max() < 0.01 * 20**0.5 * 3


@pytest.mark.parametrize(
    ("name", "width", "path"),
    [
        ("pooled_mlp", 3, "by Keras"),
        ("cnn", 1, "by Keras"),
        ("recurrent", 4, "batch-last by XLA layer by layer"),
    ],
)
def test_the_engine_trains_as_keras_does_with_it(name, width, path):
    image = (28, 28, 1) if name == "recurrent" else IMAGE
    make_model = lambda: build(name, width, image, CLASSES)  # noqa: E731
    losses, _, _, trainer = train_both(make_model, FULL, [16] * 100, image, epochs=100)
    adam, *_ = train_both(make_model, ADAM, [16] * 100, image)
    assert trainer.path.startswith(path)
    # Up to the first eigendecomposition it is Adam.
    np.testing.assert_allclose(losses[:80], adam[:80], rtol=1e-4)
    np.testing.assert_allclose(losses[:80, 1], losses[:80, 0], rtol=1e-4)
    # Then another way begins, for us and for Keras: 80 gradients span few of the directions, and rounding
    # chooses the eigenvectors of the others.
    assert np.all(np.abs(losses[85:] / adam[85:] - 1).max(axis=0) > 0.05)
    assert np.all(losses[-10:].mean(axis=0) < 0.95 * losses[:10].mean(axis=0))


def test_bounds_and_layers_of_another_dtype_are_heeded():
    def make():
        hidden = [keras.layers.Flatten(), keras.layers.Dense(4, kernel_constraint="non_neg")]
        hidden += [keras.layers.Dense(3, dtype="float64")]
        body = [*hidden, keras.layers.Dense(CLASSES, activation="softmax")]
        return keras.Sequential([keras.layers.Input(IMAGE), *body])

    losses, _, ours, _ = train_both(make, FULL, [16] * 6)
    assert np.min(ours.layers[1].kernel) >= 0
    np.testing.assert_allclose(losses[:, 1], losses[:, 0], rtol=1e-4)


def test_a_network_too_large_is_refused():
    with pytest.raises(EngineError, match="has 4,097 parameters"):
        FullMatrixAdam().build([keras.Variable(np.zeros(MOST_PARAMETERS + 1, np.float32))])
