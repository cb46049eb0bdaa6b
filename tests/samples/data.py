"""Made-up data sets, and files of them."""

import gzip
import io
from pathlib import Path

import numpy as np
import pytest

from few_weights.data import datasets, sources
from few_weights.data.find_facts import own_facts
from few_weights.data.readers.idx import IDX_FILES
from few_weights.errors import StudyError

CLASS_NAMES = np.array(["ant", "bee", "cat", "dog"])
PARTS = ("train", "test")
IDX_NAMES = list(IDX_FILES.values())


def bars(examples, seed):
    """Images of 8 x 8 in four classes: noise, and a bright bar whose position is the class."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(examples) % 4)
    images = rng.integers(0, 40, (examples, 8, 8), dtype=np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[2 * label : 2 * label + 2] = rng.integers(130, 255, (2, 8))
    images[0, 0, 0] = 255
    return images, labels.astype(np.uint8)


def plain():
    """The four arrays of a data set that needs no conversion: 40 training and 20 test images of bars."""
    (x_train, y_train), (x_test, y_test) = bars(40, 0), bars(20, 1)
    return {"x_train": x_train, "y_train": y_train, "x_test": x_test, "y_test": y_test}


def small_mnist(monkeypatch, seed=0):
    """Thirty random images in the form of MNIST, which pass for MNIST in this test."""
    rng = np.random.default_rng(seed)
    arrays = {
        "x_train": rng.integers(0, 256, (20, 28, 28), dtype=np.uint8),
        "y_train": np.arange(20, dtype=np.uint8) % 10,
        "x_test": rng.integers(0, 256, (10, 28, 28), dtype=np.uint8),
        "y_test": np.arange(10, dtype=np.uint8),
    }
    hashes = {name: datasets.idx_sha256(array) for name, array in arrays.items()}
    monkeypatch.setitem(datasets.SHA256, "mnist", hashes)
    return arrays


def same(left, right):
    """Whether the arrays of `left` that `right` has are equal to those."""
    return all(np.array_equal(left[name], right[name]) for name in right)


def write(path, content):
    """Write bytes to a file and create its folder."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_bytes(content)
    return path


def npy_bytes():
    """The content of an .npy file."""
    buffer = io.BytesIO()
    np.save(buffer, plain()["x_train"])
    return buffer.getvalue()


def packed(content: bytes) -> bytes:
    """The content gzipped without a time stamp, so that the names of tests are the same in each process."""
    return gzip.compress(content, mtime=0)


def facts_of_file(path, held_out=0):
    """The facts of a user's file or folder, in a study that holds out some training images."""
    return own_facts(path, "mine", held_out)


def refusal(path):
    """The sentence that refuses a file or folder, both when the study is read and when data is fetched."""
    with pytest.raises(StudyError) as first:
        facts_of_file(path)
    with pytest.raises(StudyError, match="no source has mine") as second:
        sources.fetch_arrays([{"file": str(path)}], "mine")
    sentence = str(first.value)
    assert f"file {path}: {sentence}\n" in str(second.value)
    assert "\n" not in sentence
    assert "allow_pickle" not in sentence
    return sentence
