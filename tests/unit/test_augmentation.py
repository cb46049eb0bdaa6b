"""Augmented images are shifted as far as was asked for, reproducibly, and only in training."""

import numpy as np
import pytest
from samples.model_trainer import ModelTrainer
from samples.networks import FULL_MATRIX, NADAM, SGD, build, images_of

from few_weights.engine.image_shifts import shift_images
from few_weights.training.augmentation import draw_shifts


def test_all_shifts_are_equally_likely():
    shifts = draw_shifts({"shift": 2}, seed=1, epoch=2, examples=25_000)
    moves, counts = np.unique(shifts, axis=0, return_counts=True)
    assert {tuple(move) for move in moves} == {(i, j) for i in range(-2, 3) for j in range(-2, 3)}
    assert np.all(np.abs(counts - 1000) < 5 * 1000**0.5)


def test_each_epoch_and_each_seed_draws_other_shifts():
    draw = lambda seed, epoch: draw_shifts({"shift": 2}, seed, epoch, 100)  # noqa: E731
    np.testing.assert_array_equal(draw(1, 2), draw(1, 2))
    for other in (draw(1, 3), draw(2, 2)):
        assert 0.1 < np.mean(draw(1, 2) == other) < 0.35  # one in five by chance


@pytest.mark.parametrize("shift", [(0, 0), (2, -1), (-1, 3), (9, 0), (4, -40)])
def test_images_are_shifted_by_whole_pixels(shift):
    images = np.random.default_rng(0).random((1, 9, 12, 2), np.float32)
    down, right = shift
    wide = np.pad(images, [(0, 0), (50, 50), (50, 50), (0, 0)])
    np.testing.assert_array_equal(
        shift_images(images, np.array([shift])), wide[:, 50 - down : 59 - down, 50 - right : 62 - right]
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "width", "optimizer", "path"),
    [
        ("pooled_mlp", 4, SGD, "by machine code, 3 dense"),
        ("vgg", 5, SGD, "by machine code, 4 convolutions"),
        ("cnn", 1, FULL_MATRIX, "by machine code, 4 convolution,"),
        ("cnn", 1, NADAM, "by Keras"),
    ],
    ids=["pooled_mlp", "vgg", "cnn with full_matrix_adam", "by Keras"],
)
def test_the_engine_trains_on_the_shifted_images(name, width, optimizer, path):
    """As if it had been given these images; images for evaluation are not shifted."""
    images, labels = images_of(60)
    right = np.roll(images, 1, axis=2)
    right[:, :, 0] = 0
    models = [build(name, width) for _ in range(2)]
    models[1].set_weights(models[0].get_weights())
    settings = optimizer | {"learning_rate": 0.1 if optimizer is SGD else 0.01}
    ours = ModelTrainer(models[0], settings, 16, images, labels, augmented=True)
    given = ModelTrainer(models[1], settings, 16, right, labels)
    assert ours.path.startswith(path)
    order = np.random.default_rng(0).permutation(60)
    moved = ours.train_epoch(order, np.tile([0, 1], (60, 1)))
    np.testing.assert_allclose(moved, given.train_epoch(order), rtol=1e-6)
    judged = [trainer.evaluate(images, labels)[0] for trainer in (ours, given)]
    np.testing.assert_allclose(*judged, rtol=1e-5)
    still, _ = ours.train_epoch(order, np.zeros((60, 2), int))
    assert abs(still / given.train_epoch(order)[0] - 1) > 1e-4
