"""Machine code compared with Keras and NumPy: every shape of network, one step at a time."""

import keras
import numpy as np
import pytest
from keras import layers
from samples.networks import ADADELTA, ADAM, CLASSES, RMSPROP, SGD, build, images_of, train_both

from few_weights.engine.machine_code import LANES, Program
from few_weights.engine.products import Matrix, write_dots, write_product
from few_weights.engine.trainer import Trainer

LARGE_STEPS = SGD | {"learning_rate": 0.5}


def padded(image, *convolutions):
    """Convolutions that keep the size, each (filters, activation, pooled?), and a dense layer."""
    body = []
    for filters, activation, pooled in convolutions:
        body.append(layers.Conv2D(filters, 3, padding="same", activation=activation))
        body += [layers.MaxPooling2D()] * pooled
    return keras.Sequential(
        [layers.Input(image), *body, layers.Flatten(), layers.Dense(CLASSES, activation="softmax")]
    )


NETWORKS = {
    "one hidden unit": lambda: build("mlp", 1, (10, 13, 1), CLASSES),
    "more features than are multiplied together": lambda: build("mlp", 19, (28, 28, 1), CLASSES),
    "one channel": lambda: build("cnn", 1, (18, 18, 1), CLASSES),
    "tiles cut off, pooling leaves a row": lambda: build("cnn", 3, (19, 22, 1), CLASSES),
    "channels beyond whole vectors": lambda: build("cnn", 12, (16, 16, 3), CLASSES),
    "two poolings": lambda: build("vgg", 5, (28, 28, 1), CLASSES),
    "whole vectors of channels": lambda: build("vgg", 16, (20, 20, 1), CLASSES),
    "no pooling": lambda: padded((9, 11, 2), (3, "relu", False), (4, "linear", False)),
    "borders": lambda: padded((13, 14, 1), (9, "relu", True), (8, "relu", False), (2, "linear", True)),
}


@pytest.mark.slow
@pytest.mark.parametrize("make_model", NETWORKS.values(), ids=NETWORKS.keys())
def test_a_step_changes_the_weights_as_in_keras(make_model):
    """One step of plain gradient descent: weights tell the gradient. 21 images leave three lanes empty.

    The images are black but for a bar and the biases 0, as at the start of every training: where all is
    black, ReLU stands at 0 exactly and must pass no gradient.
    """
    shape = make_model().input_shape[1:]
    _, theirs, ours, trainer = train_both(make_model, LARGE_STEPS, [21], shape)
    assert trainer.path.startswith("by machine code")
    keras.utils.set_random_seed(1)  # as train_both does before it makes the first model
    for before, mine, right in zip(
        make_model().get_weights(), ours.get_weights(), theirs.get_weights(), strict=True
    ):
        step = right - before
        np.testing.assert_allclose(mine - before, step, rtol=1e-4, atol=1e-5 * np.abs(step).max())


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", [ADADELTA, ADAM, RMSPROP, LARGE_STEPS], ids=lambda each: each["name"])
def test_optimizers_step_as_in_keras(optimizer):
    """Weights, the optimizers' own variables, and the count of steps."""
    make_model = lambda: build("pooled_mlp", 7)  # noqa: E731
    _, theirs, ours, trainer = train_both(make_model, optimizer, [32] * 30 + [9])
    assert trainer.path.startswith("by machine code")
    for mine, right in zip(
        [*ours.variables, *trainer.optimizer.variables],
        [*theirs.variables, *theirs.optimizer.variables],
        strict=True,
    ):
        np.testing.assert_allclose(mine, right, rtol=1e-3, atol=1e-6)
    assert int(trainer.optimizer.iterations) == 31


@pytest.mark.slow
@pytest.mark.parametrize("width", [2, 8])
def test_the_content_of_unused_memory_does_not_matter(width):
    """A batch that leaves lanes empty gives what the same examples give in batches of eight.

    With steps too small to count, the losses of an epoch are those of the untrained network, whatever was in
    memory before.
    """
    images, labels = images_of(50)
    model = build("vgg", width)
    means = []
    for batch_size in (50, 8, 3):
        trainer = Trainer(model, SGD | {"learning_rate": 1e-30}, batch_size, images, labels)
        for _ in range(2):
            means.append(trainer.train_epoch(np.random.default_rng(batch_size).permutation(50)))
        means.append(trainer.evaluate(images, labels)[:1])
    losses = [mean[0] for mean in means]
    np.testing.assert_allclose(losses, losses[0], rtol=1e-6)


def test_products_and_sums_over_lanes_of_any_size():
    rng = np.random.default_rng(0)
    for rows, depth, columns in [(1, 1, 1), (2, 3, 5), (7, 4, 12), (13, 9, 8), (5, 2, 17)]:
        weights = rng.normal(size=(rows, depth)).astype(np.float32)
        left = rng.normal(size=(rows, depth, LANES)).astype(np.float32)
        right = rng.normal(size=(depth, columns, LANES)).astype(np.float32)
        product = np.zeros((rows, columns, LANES), np.float32)
        sums = np.ones(rows * columns + LANES, np.float32)
        program = Program()
        code = program.function("both", pointers=5)
        at = [
            Matrix(pointer, 0, down, across)
            for pointer, down, across in zip(
                code.arguments,
                (depth, depth * LANES, columns * LANES, columns * LANES, columns),
                (1, LANES, LANES, LANES, 1),
                strict=True,
            )
        ]
        write_product(code, at[0], at[2], at[3], (rows, depth, columns))
        write_dots(code, at[1], at[2], at[4], (rows, depth, columns), add=True)
        code.finish()
        program.compile()("both")(*(each.ctypes.data for each in (weights, left, right, product, sums)))
        np.testing.assert_allclose(product, np.tensordot(weights, right, 1), rtol=1e-5, atol=1e-6)
        expected = 1 + np.einsum("rdl,dcl->rc", left, right)
        np.testing.assert_allclose(
            sums[: rows * columns].reshape(rows, columns), expected, rtol=1e-5, atol=1e-5
        )
        np.testing.assert_array_equal(sums[rows * columns :], 1)
