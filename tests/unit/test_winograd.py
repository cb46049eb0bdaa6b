"""Networks of 3 x 3 convolutions by Winograd's algorithm against Keras: every shape, one step at a time."""

import keras
import numpy as np
import pytest
from keras import layers
from samples.model_trainer import ModelTrainer
from samples.networks import ADADELTA, ADAM, CLASSES, RMSPROP, SGD, build, images_of, train_both
from samples.pieces import run

from few_weights.engine import winograd_transforms as transforms
from few_weights.engine.layouts import FAR, NEAR
from few_weights.engine.machine_code import LANES

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
        trainer = ModelTrainer(model, SGD | {"learning_rate": 1e-30}, batch_size, images, labels)
        for _ in range(2):
            means.append(trainer.train_epoch(np.random.default_rng(batch_size).permutation(50)))
        means.append(trainer.evaluate(images, labels)[:1])
    losses = [mean[0] for mean in means]
    np.testing.assert_allclose(losses, losses[0], rtol=1e-6)


#: Of [Lavin and Gray 2016], for the points 0, a, -a, b, -b and infinity.
A, B = NEAR, FAR


def vandermonde(columns):
    """Powers of the five finite points, and the highest power alone for infinity."""
    finite = np.array([[point**power for power in range(columns)] for point in (0, A, -A, B, -B)])
    return np.vstack([finite, np.eye(columns)[-1:]])


def matrices():
    """Of the transforms of kernel, input and output, in one dimension and float64."""
    points = np.array([0, A, -A, B, -B])
    scales = [np.prod([point - other for other in points if other != point]) for point in points]
    kernel = vandermonde(3) / np.array([*scales, 1])[:, None]
    # The coefficients of the product of (x - other point) for each point, and of all for infinity.
    inputs = np.zeros((6, 6))
    for row, point in enumerate(points):
        inputs[row, :5] = np.polynomial.polynomial.polyfromroots([p for p in points if p != point])
    inputs[5] = np.polynomial.polynomial.polyfromroots(points)
    return kernel, inputs, vandermonde(4).T


KERNEL, INPUT, OUTPUT = matrices()


@pytest.mark.parametrize(
    ("transform", "matrix"),
    [
        (transforms.evaluate_kernel, KERNEL),
        (transforms.evaluate_kernel_transposed, KERNEL.T),
        (transforms.evaluate_input, INPUT),
        (transforms.evaluate_input_transposed, INPUT.T),
        (transforms.interpolate_output, OUTPUT),
        (transforms.interpolate_output_transposed, OUTPUT.T),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
@pytest.mark.parametrize("dimensions", [1, 2])
def test_a_transform_is_the_product_with_its_matrix(transform, matrix, dimensions):
    after, before = matrix.shape
    values = np.random.default_rng(0).normal(size=(before,) * dimensions + (LANES,)).astype(np.float32)
    result = np.zeros((after,) * dimensions + (LANES,), np.float32)

    def write(code, source, target):
        vectors = [code.load(source, LANES * number) for number in range(before**dimensions)]
        if dimensions == 1:
            vectors = transform(code, vectors)
        else:
            vectors = transforms.transform_rows_and_columns(code, transform, vectors)
        for number, vector in enumerate(vectors):
            code.store(vector, target, LANES * number)

    run(write, values, result)
    subscripts = "ia,al->il" if dimensions == 1 else "ia,jb,abl->ijl"
    expected = np.einsum(subscripts, *[matrix] * dimensions, values.astype(np.float64))
    np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-4)


def test_the_transforms_together_are_a_convolution():
    """In one dimension: four sums of three products out of six pixels, in float64."""
    rng = np.random.default_rng(0)
    pixels, weights = rng.normal(size=6), rng.normal(size=3)
    found = OUTPUT @ ((KERNEL @ weights) * (INPUT @ pixels))
    np.testing.assert_allclose(found, np.correlate(pixels, weights), rtol=1e-10)
