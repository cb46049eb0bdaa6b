"""What a data set is known by: its hashes, its sizes, its pixels; and what is read of it."""

from dataclasses import replace

import numpy as np
import pytest
from samples.data import plain, small_mnist

from few_weights.data import datasets, names
from few_weights.errors import StudyError


def test_every_built_in_data_set_has_a_display_name_and_a_users_own_keeps_its_name():
    assert set(names.NAMES) == set(datasets.KNOWN)
    assert names.display_name("fashion_mnist") == "Fashion-MNIST"
    assert names.display_name("my_shapes") == "my_shapes"


@pytest.fixture
def tiny(monkeypatch):
    return small_mnist(monkeypatch)


def test_damaged_data_stops_a_training_job(tiny, tmp_path):
    path = tmp_path / "mnist.npz"
    np.savez(path, **tiny)
    assert datasets.load_dataset(path, "mnist").x_train.shape == (20, 28, 28, 1)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(content)
    with pytest.raises(StudyError, match="mnist.npz is damaged: .* delete it and start again"):
        datasets.load_dataset(path, "mnist")
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(StudyError, match="mnist.npz is damaged"):
        datasets.load_dataset(path, "mnist")
    path.unlink()
    with pytest.raises(StudyError, match="mnist.npz is missing"):
        datasets.load_dataset(path, "mnist")


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
def test_a_built_in_data_set_is_recognised_by_its_classes_and_pixels(dataset, monkeypatch):
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
def test_moments_equal_those_of_numpy(shape):
    images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    axes = tuple(range(3))
    mean, deviation = datasets.channel_moments(images)
    assert np.allclose(mean, (images / 255).mean(axis=axes), atol=1e-12)
    assert np.allclose(deviation, (images / 255).std(axis=axes), atol=1e-9)


def test_a_summary_counts_the_images_of_each_part_and_class():
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
