"""FullMatrixAdam: its steps do not depend on the coordinates, and the engine trains with it as Keras does."""

import keras
import numpy as np
import pytest
from samples.networks import ADAM, CLASSES, FULL_MATRIX, IMAGE, build, train_both

from few_weights.engine.errors import EngineError
from few_weights.engine.full_matrix_adam import MOST_PARAMETERS, FullMatrixAdam

#: No steps while the few gradients so far do not span all directions.
LATE = keras.optimizers.schedules.PiecewiseConstantDecay([10], [0.0, 0.01])


def descend(optimizer, curvature, start, noise):
    """Where noisy gradients of a quadratic lead from `start`."""
    parameters = keras.Variable(start.astype(np.float32))
    optimizer.build([parameters])
    for push in noise:
        gradient = curvature @ np.asarray(parameters) + push
        optimizer.apply([keras.ops.convert_to_tensor(gradient.astype(np.float32))], [parameters])
    return np.asarray(parameters)


@pytest.mark.parametrize(
    ("make", "is_independent"),
    [
        (lambda: FullMatrixAdam(LATE, 0.9, 0.99, refresh=1), True),
        (lambda: keras.optimizers.Adam(LATE, 0.9, 0.99), False),
    ],
    ids=["full_matrix_adam", "adam"],
)
def test_rotating_the_parameters_rotates_the_steps(make, is_independent):
    """It takes the same path in rotated coordinates, which plain Adam does not."""
    rng = np.random.default_rng(0)
    rotation, _ = np.linalg.qr(rng.normal(size=(4, 4)))
    curvature = np.diag([100.0, 10.0, 1.0, 0.1])
    start, noise = rng.normal(size=4), rng.normal(size=(200, 4))
    end = descend(make(), curvature, start, noise)
    rotated = descend(make(), rotation @ curvature @ rotation.T, rotation @ start, noise @ rotation.T)
    assert np.allclose(rotated, rotation @ end, atol=1e-3) == is_independent
    assert np.abs(end - start).max() > 0.5


def test_no_step_is_long_where_the_second_moment_is_rounding():
    """Three directions of twenty have a gradient; along the others eigenvalues and mean are rounding."""
    rng = np.random.default_rng(0)
    gradients = 1e4 * rng.normal(size=(200, 3)) @ rng.normal(size=(3, 20))
    parameters = keras.Variable(np.zeros(20, np.float32))
    optimizer = FullMatrixAdam(0.01, 0.9, 0.99, refresh=7)
    optimizer.build([parameters])
    path = [np.zeros(20)]
    for gradient in gradients:
        optimizer.apply([keras.ops.convert_to_tensor(gradient.astype(np.float32))], [parameters])
        path.append(np.asarray(parameters).copy())
    # 0.01 along each eigenvector is a usual step of Adam; the bound allows it a few times over.
    assert np.linalg.norm(np.diff(path, axis=0), axis=1).max() < 0.01 * 20**0.5 * 3


def test_a_gradient_that_is_not_finite_gives_weights_that_are_not():
    """Which is noticed as a divergence; looking for eigenvectors would fail instead."""
    parameters = keras.Variable(np.ones(3, np.float32))
    optimizer = FullMatrixAdam(0.01, 0.9, 0.99, refresh=2)
    optimizer.build([parameters])
    for value in (1.0, np.nan, 1.0, 1.0):
        optimizer.apply([keras.ops.full((3,), value)], [parameters])
    assert np.isnan(parameters).all()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "width", "path"),
    [
        ("pooled_mlp", 3, "by machine code"),
        ("cnn", 1, "by machine code"),
        ("recurrent", 4, "by machine code"),
    ],
)
def test_the_engine_trains_as_keras_does_with_it(name, width, path):
    image = (28, 28, 1) if name == "recurrent" else IMAGE
    make_model = lambda: build(name, width, image, CLASSES)  # noqa: E731
    # Early, because rounding grows from step to step: by step 45 it has changed a loss by 3e-4.
    first = 25
    settings = FULL_MATRIX | {"refresh": first}
    losses, _, _, trainer = train_both(make_model, settings, [16] * 100, image, epochs=100)
    adam, *_ = train_both(make_model, ADAM, [16] * 100, image)
    assert trainer.path.startswith(path)
    # Up to the first eigendecomposition it is Adam.
    np.testing.assert_allclose(losses[:first], adam[:first], rtol=1e-5)
    np.testing.assert_allclose(losses[:first, 1], losses[:first, 0], rtol=1e-5)
    # Then both leave Adam's path, the engine and Keras: 25 gradients span few of the directions, and rounding
    # chooses the eigenvectors of the others.
    assert np.all(np.abs(losses[first + 5 :] / adam[first + 5 :] - 1).max(axis=0) > 0.05)
    assert np.all(losses[-10:].mean(axis=0) < 0.95 * losses[:10].mean(axis=0))


@pytest.mark.slow
def test_constraints_and_layers_of_another_dtype_are_respected():
    def make():
        hidden = [keras.layers.Flatten(), keras.layers.Dense(4, kernel_constraint="non_neg")]
        hidden += [keras.layers.Dense(3, dtype="float64")]
        body = [*hidden, keras.layers.Dense(CLASSES, activation="softmax")]
        return keras.Sequential([keras.layers.Input(IMAGE), *body])

    losses, _, ours, _ = train_both(make, FULL_MATRIX, [16] * 6)
    assert np.min(ours.layers[1].kernel) >= 0
    np.testing.assert_allclose(losses[:, 1], losses[:, 0], rtol=1e-4)


def test_a_network_that_is_too_large_is_refused():
    with pytest.raises(EngineError, match="has 4,097 parameters"):
        FullMatrixAdam().build([keras.Variable(np.zeros(MOST_PARAMETERS + 1, np.float32))])
