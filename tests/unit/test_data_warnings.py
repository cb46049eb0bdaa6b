"""What is suspicious about data is reported as a warning."""

import numpy as np
import pytest
from samples.data import (
    bars,
    plain,
)

from few_weights.data.data_warnings import data_warnings


def test_ordinary_data_has_no_warnings():
    assert data_warnings(plain()) == []
    assert data_warnings(plain(), 20) == []


def by_class():
    order = np.argsort(plain()["y_train"], kind="stable")
    return {"x_train": plain()["x_train"][order], "y_train": plain()["y_train"][order]}


def uneven():
    images, labels = bars(200, 3)
    kept = (labels != 2) | (np.cumsum(labels == 2) <= 4)
    return {"x_train": images[kept], "y_train": labels[kept]}


def without_class(number):
    kept = plain()["y_test"] != number
    return {"x_test": plain()["x_test"][kept], "y_test": plain()["y_test"][kept]}


def with_copies(labels_differ):
    x, y = plain()["x_train"], plain()["y_train"]
    return {
        "x_train": np.concatenate([x, x[:5]]),
        "y_train": np.concatenate([y, (y[:5] + labels_differ) % 4]),
    }


def blank(part, count):
    images = plain()[f"x_{part}"]
    images[1 : 1 + count] = np.arange(count)[:, np.newaxis, np.newaxis]
    return {f"x_{part}": images}


def test_test_images_among_the_training_images_are_reported():
    x, y = plain()["x_test"], plain()["y_test"]
    x[:5], y[:5] = plain()["x_train"][:5], plain()["y_train"][:5]
    assert data_warnings(plain() | {"x_test": x, "y_test": y}) == [
        "5 test images are also among the training images (25.0% of them)"
    ]


@pytest.mark.parametrize(
    ("changes", "held", "expected"),
    [
        (
            {f"x_{part}": plain()[f"x_{part}"] // 16 for part in ("train", "test")},
            0,
            ["the brightest pixel is 15 of 255, so that inputs of networks are at most 0.059; if 15 is"],
        ),
        (
            {"x_test": plain()["x_test"] // 4},
            0,
            ["the test images reach 63 of 255 and the training images 255;"],
        ),
        (
            {"x_train": plain()["x_train"] // 4},
            0,
            ["the training images reach 63 of 255 and the test images 255;"],
        ),
        (blank("train", 1), 0, ["1 training image is blank: all pixels"]),
        (blank("test", 3), 0, ["3 test images are blank: all pixels"]),
        (with_copies(0), 0, ["5 training images are copies of others"]),
        (
            with_copies(1),
            0,
            ["5 training images are copies of", "5 images occur with more than one label"],
        ),
        (without_class(2), 0, ["none of the 15 test images is of class 2"]),
        (
            uneven(),
            0,
            ["the sizes of the classes are very different, from 4 training images (class 2) to 50 (class 0)"],
        ),
        (by_class(), 0, []),
        (
            by_class(),
            8,
            [
                "the training images are sorted by class, and the held-out",
                "all 8 held-out images are of class 3",
            ],
        ),
        (
            by_class(),
            15,
            ["the training images are sorted", "none of the 15 held-out images is of class 0, 1"],
        ),
        (
            {"y_train": np.repeat([0, 1, 2, 3], [13, 13, 13, 1])},
            0,
            ["1 class has only one training image", "the"],
        ),
    ],
)
def test_suspicious_data_is_reported(changes, held, expected):
    found = data_warnings(plain() | changes, held)
    assert len(found) == len(expected), found
    for sentence, begin in zip(found, expected, strict=True):
        assert sentence.startswith(begin)
        assert "\n" not in sentence


def coloured(change):
    return plain() | {f"x_{part}": change(plain()[f"x_{part}"]) for part in ("train", "test")}


def test_channels_that_are_not_colours_are_reported():
    (same,) = data_warnings(coloured(lambda x: np.stack([x] * 3, 3)))
    assert same.startswith("the three channels are equal in every training image")
    (many,) = data_warnings(coloured(lambda x: np.stack([x] * 28, 3)))
    assert many.startswith("the images have 28 channels; if they are volumes")
    assert data_warnings(coloured(lambda x: np.stack([x, x // 2], 3))) == []
