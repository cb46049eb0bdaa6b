"""Augmented images: the right change, no more than was asked for, the same each time."""

import numpy as np
import pytest
from samples import build
from test_engine import CLASSES, IMAGE, images_of

from few_weights.augmentation import draw_transforms, warp
from few_weights.engine import Trainer

SGD = {"name": "sgd", "learning_rate": 0.1}
SHAPE = (15, 21, 1)


def point(row, column):
    image = np.zeros((1, *SHAPE), np.float32)
    image[0, row, column] = 1
    return image


def centre_of(image):
    mass = np.asarray(image)[0, :, :, 0]
    rows, columns = np.indices(mass.shape)
    return np.array([(mass * rows).sum(), (mass * columns).sum()]) / mass.sum()


@pytest.mark.parametrize(
    ("augmentation", "place", "radius", "angle"),
    [
        ({"rotation": 0, "zoom": 0, "shift": 0}, (7, 14), (4, 4), 0),
        ({"rotation": 40, "zoom": 0, "shift": 0}, (7, 14), (4, 4), 40),
        ({"rotation": 0, "zoom": 0.25, "shift": 0}, (7, 14), (4 / 1.25, 4 / 0.75), 0),
    ],
    ids=["nothing", "rotation", "zoom"],
)
def test_images_turn_and_zoom_about_their_centre(augmentation, place, radius, angle):
    """A point right of the centre comes as far, near and round as was asked for, and no more."""
    transforms = draw_transforms(augmentation, seed=1, epoch=2, examples=200, image_shape=SHAPE)
    ends = [centre_of(warp(point(*place), transform[None])) - (7, 10) for transform in transforms]
    distances = np.hypot(*np.transpose(ends))
    angles = np.rad2deg(np.arctan2(*np.transpose(ends)))
    about = 0.3  # bilinear interpolation moves the centre of one pixel a little
    np.testing.assert_allclose((distances.min(), distances.max()), radius, atol=about)
    for extreme in (angles.min(), -angles.max()):
        assert -angle - 2 < extreme < -0.9 * angle + 2


def test_shifts_along_rows_and_columns():
    augmentation = {"rotation": 0, "zoom": 0, "shift": 3}
    transforms = draw_transforms(augmentation, seed=1, epoch=2, examples=200, image_shape=SHAPE)
    moves = np.array([centre_of(warp(point(7, 10), transform[None])) - (7, 10) for transform in transforms])
    assert np.all(np.abs(moves) <= 3 + 1e-3)
    assert np.all(moves.max(axis=0) > 2.5)
    assert np.all(moves.min(axis=0) < -2.5)
    assert abs(np.corrcoef(moves.T)[0, 1]) < 0.3


def test_each_epoch_and_seed_has_its_own():
    augmentation = {"rotation": 5, "zoom": 0.1, "shift": 1}
    draw = lambda seed, epoch: draw_transforms(augmentation, seed, epoch, 50, SHAPE)  # noqa: E731
    np.testing.assert_array_equal(draw(1, 2), draw(1, 2))
    assert not np.isclose(draw(1, 2), draw(1, 3))[:, :6].any(axis=1).all()
    assert not np.isclose(draw(1, 2), draw(2, 2))[:, :6].any(axis=1).all()


@pytest.mark.parametrize(("name", "width"), [("pooled_mlp", 4), ("cnn", 1), ("vgg", 5)])
def test_the_engine_trains_on_the_changed_images(name, width):
    """As if it had been given them: shifted by a whole pixel, they can be written down."""
    images, labels = images_of(60)
    right = np.roll(images, 1, axis=2)
    right[:, :, 0] = 0
    models = [build(name, width, IMAGE, CLASSES) for _ in range(2)]
    models[1].set_weights(models[0].get_weights())
    trainers = [
        Trainer(models[0], SGD, 16, images, labels, augmented=True),
        Trainer(models[1], SGD, 16, right, labels),
    ]
    transforms = np.tile(np.float32([1, 0, -1, 0, 1, 0, 0, 0]), (60, 1))
    order = np.random.default_rng(0).permutation(60)
    losses = [
        trainer.train_epoch(order, moves) for trainer, moves in zip(trainers, (transforms, None), strict=True)
    ]
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-6)
    # Images that are judged on are left alone.
    judged = [trainer.evaluate(images, labels)[0] for trainer in trainers]
    np.testing.assert_allclose(*judged, rtol=1e-5)
    plain, _ = trainers[1].train_epoch(order)
    assert abs(plain / losses[1][0] - 1) > 1e-4
