"""What is suspicious about data is said; data sets that are known are known by their content."""

from dataclasses import replace

import numpy as np
import pytest
from test_data_conversion import bars, plain

from few_weights.data import datasets
from few_weights.data.data_warnings import data_warnings
from few_weights.errors import StudyError


def test_nothing_is_suspicious_about_ordinary_data():
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


def test_images_with_leaks():
    x, y = plain()["x_test"], plain()["y_test"]
    x[:5], y[:5] = plain()["x_train"][:5], plain()["y_train"][:5]
    assert data_warnings(plain() | {"x_test": x, "y_test": y}) == [
        "5 test images are also among the training images (25.0% of them)"
    ]


@pytest.mark.parametrize(
    ("changes", "held", "said"),
    [
        (
            {f"x_{part}": plain()[f"x_{part}"] // 16 for part in ("train", "test")},
            0,
            [
                "the brightest pixel is 15 of 255, so that inputs of networks are at most 0.059; if 15 is white,"
            ],
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
def test_what_is_suspicious_is_said(changes, held, said):
    found = data_warnings(plain() | changes, held)
    assert len(found) == len(said), found
    for sentence, begin in zip(found, said, strict=True):
        assert sentence.startswith(begin)
        assert "\n" not in sentence


def coloured(change):
    return plain() | {f"x_{part}": change(plain()[f"x_{part}"]) for part in ("train", "test")}


def test_channels_that_are_no_colours():
    (same,) = data_warnings(coloured(lambda x: np.stack([x] * 3, 3)))
    assert same.startswith("the three channels are equal in every training image")
    (many,) = data_warnings(coloured(lambda x: np.stack([x] * 28, 3)))
    assert many.startswith("the images have 28 channels; if they are volumes")
    assert data_warnings(coloured(lambda x: np.stack([x, x // 2], 3))) == []


def arrays_like(dataset, mean, deviation):
    """Arrays of a known data set's shape, whose pixels have about that mean and deviation in each channel."""
    facts = datasets.KNOWN[dataset]
    rng = np.random.default_rng(0)
    few = rng.normal(np.multiply(mean, 255), np.multiply(deviation, 255), (500, *facts.image_shape))
    few = np.clip(np.rint(few), 0, 255).astype(np.uint8)
    shape = facts.image_shape if facts.image_shape[2] > 1 else facts.image_shape[:2]
    arrays = {}
    for part, examples in (("train", facts.train_examples), ("test", facts.test_examples)):
        arrays[f"x_{part}"] = np.resize(few.reshape(-1, *shape), (examples, *shape))
        arrays[f"y_{part}"] = (np.arange(examples) % facts.classes).astype(np.uint8)
    return arrays


@pytest.mark.parametrize("dataset", datasets.MOMENTS)
def test_a_known_data_set_is_known_by_its_classes_and_pixels(dataset, monkeypatch):
    channels = datasets.KNOWN[dataset].image_shape[2]
    # A tenth of the real sizes, which nothing here depends on.
    facts = datasets.KNOWN[dataset]
    sizes = {"train_examples": facts.train_examples // 10, "test_examples": facts.test_examples // 10}
    monkeypatch.setitem(datasets.KNOWN, dataset, replace(facts, **sizes))
    arrays = arrays_like(dataset, [0.5] * channels, [0.1] * channels)
    with pytest.raises(
        StudyError, match=f"it is not {dataset}: the mean of its training images divided by 255 is 0.5"
    ):
        datasets.verify_arrays(arrays, dataset)
    black = arrays | {name: np.zeros_like(arrays[name]) for name in ("x_train", "x_test")}
    with pytest.raises(StudyError, match=f"it is not {dataset}: the mean .* is 0.0000"):
        datasets.verify_arrays(black, dataset)
    means, deviations = datasets.channel_moments(arrays["x_train"])
    monkeypatch.setitem(datasets.MOMENTS, dataset, (means, np.add(deviations, 0.002)))
    with pytest.raises(StudyError, match=f"it is not {dataset}: the standard deviation"):
        datasets.verify_arrays(arrays, dataset)
    monkeypatch.setitem(datasets.MOMENTS, dataset, (np.add(means, 0.0005), deviations))
    datasets.verify_arrays(arrays, dataset)
    arrays["y_test"][0] += 1
    with pytest.raises(
        StudyError, match=f"it is not {dataset}: its test images are \\d+ to \\d+ per class, not"
    ):
        datasets.verify_arrays(arrays, dataset)


@pytest.mark.parametrize("shape", [(7, 5, 3), (300, 4, 6), (700, 3, 3, 3)])
def test_moments_are_those_of_numpy(shape):
    images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    axes = tuple(range(3))
    mean, deviation = datasets.channel_moments(images)
    assert np.allclose(mean, (images / 255).mean(axis=axes), atol=1e-12)
    assert np.allclose(deviation, (images / 255).std(axis=axes), atol=1e-9)


def test_a_summary_counts_what_there_is():
    arrays = {name: array[..., np.newaxis] if name[0] == "x" else array for name, array in plain().items()}
    dataset = datasets.Dataset(**datasets.hold_out(arrays, 10))
    summary = datasets.summarise(dataset)
    pixels = np.concatenate([plain()["x_train"], plain()["x_test"]])
    assert summary["mean"] == pytest.approx(pixels.mean())
    assert (summary["darkest"], summary["brightest"]) == (0, 255)
    assert (summary["image_shape"], summary["classes"]) == ([8, 8, 1], 4)
    parts = summary["parts"]
    assert [parts[name]["examples"] for name in ("train", "validation", "test")] == [30, 10, 20]
    assert parts["test"]["per_class"] == [5, 5, 5, 5]
    both = np.add(parts["train"]["per_class"], parts["validation"]["per_class"])
    assert both.tolist() == [10, 10, 10, 10]
    none = datasets.summarise(datasets.Dataset(**datasets.hold_out(arrays, 0)))["parts"]["validation"]
    assert none == {"examples": 0, "per_class": [0, 0, 0, 0]}
