"""NumPy and IDX files of all kinds are read alike; any other file or folder is refused with what it is."""

import io
import pickle
import struct
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from samples.data import IDX_NAMES, facts_of_file, npy_bytes, packed, plain, refusal, write

from few_weights.data import datasets
from few_weights.data.readers import any_path
from few_weights.errors import StudyError


@pytest.fixture(autouse=True)
def working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def expected():
    return datasets.array_facts(plain()).sha256


def test_other_arrays_of_an_npz_are_not_read(expected):
    np.savez("data.npz", **plain(), names=np.array(["a", None], object), train_ids=np.array([{}], object))
    assert facts_of_file("data.npz").sha256 == expected


@pytest.mark.parametrize(
    ("name", "fix"),
    [
        ("x_train", "save it as x_train=np.stack(x_train), of images that are all of one size"),
        ("y_test", "save it as y_test=y_test.astype(str) for texts, y_test.astype(int) for numbers"),
    ],
)
def test_a_pickled_array_is_refused_by_name(name, fix):
    np.savez("data.npz", **plain() | {name: plain()[name].astype(object)})
    assert refusal("data.npz").startswith(f"its {name} is an array of Python objects, which are not opened")
    assert refusal("data.npz").endswith(fix)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_a_damaged_npz_is_refused_or_read_correctly(save, expected):
    save("whole.npz", **plain())
    content = Path("whole.npz").read_bytes()
    refused = 0
    for at in range(0, len(content), 23):
        for damaged in (content[:at], content[:at] + bytes([content[at] ^ 0x55]) + content[at + 1 :]):
            Path("data.npz").write_bytes(damaged)
            try:
                # A byte that says nothing, such as a date, may change.
                assert facts_of_file("data.npz").sha256 == expected
            except StudyError as error:
                refused += 1
                assert "\n" not in str(error)
                assert any_path.FORMS in str(error) or "it must contain x_train" in str(error)
    assert refused > len(content) / 23


def tar(mode):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:
        archive.addfile(tarfile.TarInfo("x_train.npy"), io.BytesIO())
    return buffer.getvalue()


def zipped():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("train/ant/1.png", "")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it is empty"),
        (npy_bytes(), "it is one array (.npy): save the four together, numpy.savez("),
        (
            b"label,pixel0,pixel1\n1,2,3\n",
            "it is one CSV, without test images: split it into train.csv",
        ),
        (packed(b"1;2;3\n"), "it is gzipped, and contains one CSV"),
        (b"<!DOCTYPE html><title>404, not found</title>", "it is a web page"),
        (b'\xef\xbb\xbf\n <?xml version="1.0"?>', "it is a web page"),
        (b"MATLAB 5.0 MAT-file", "it is a MATLAB file: scipy.io.loadmat"),
        (b"\x89HDF\r\n\x1a\n", "it is an HDF5 file"),
        (b"PAR1", "it is a Parquet file"),
        (pickle.dumps(plain()), "it is a pickle, which is not opened because it can run any program"),
        (packed(pickle.dumps(1, 2)), "it is gzipped, and contains a pickle"),
        (tar("w"), "it is a tar archive: unpack it and name the folder"),
        (tar("w:gz"), "it is gzipped, and contains a tar archive"),
        (tar("w:bz2"), "it is packed by bzip2"),
        (tar("w:xz"), "it is packed by xz"),
        (zipped(), "it is a zip archive of train/ant/1.png: unpack it and name the folder"),
        (packed(bytes(1000))[:15], "it is a damaged .gz file"),
        (b"\0\0\x08\x03\0\0\0\x01", "it is one IDX file: name the folder that contains all four"),
        (b"version https://git-lfs.github.com/spec/v1\n", "it is a Git LFS pointer"),
        (b"\x89PNG\r\n\x1a\n", "it is one image"),
        (b'{"x_train": [1, 2]}', "it is a text"),
        (bytes(range(255)), "it is a file of an unknown format"),
        ("label,1".encode("utf-16"), "it is a text in UTF-16"),
    ],
    ids=lambda value: value if isinstance(value, str) else "file",
)
@pytest.mark.parametrize("name", ["data.npz", "data"])
def test_the_message_about_any_other_file_says_what_it_is(content, message, name):
    sentence = refusal(write(name, content))
    assert sentence.startswith(message)
    assert sentence.endswith(any_path.FORMS)


@pytest.mark.parametrize("name", ["none.npz", "file/none", "dangling", "n" * 5000, "a\0b", "~nobody-here/x"])
def test_a_path_that_does_not_exist_is_reported(name):
    Path("file").touch()
    Path("dangling").symlink_to("nowhere")
    with pytest.raises(
        StudyError, match="there is no such file|it cannot be read|there is no user nobody-here"
    ):
        facts_of_file(name)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "the folder contains nothing; data can be"),
        ({"data.npz": b""}, "the folder contains data.npz; name the file: folder/data.npz; data can be"),
        ({"data_batch_1": b"", "test_batch": b""}, "CIFAR's Python version would have to be unpickled"),
        ({"inner/x": b""}, "the folder contains inner; do you mean folder/inner? data can be"),
        (
            {"ant/1.png": b"", "bee/1.png": b""},
            "contains ant, bee; put the folders of the classes into train/ and test/",
        ),
        (
            {"train/1.png": b"", "test/2.png": b""},
            "train/ contains 1.png; it must contain one folder of",
        ),
        ({"train/ant/1.png": b""}, "the folder contains train, but no test/; it must contain images in"),
        ({"train/ant/1.txt": b"", "test/ant/1.png": b""}, "train/ant/ contains no image"),
        ({"train.csv": b"1,2"}, "the folder contains train.csv, but no test.csv; it must contain"),
        (
            {"train/ant/1.png": b"", "Training/ant/1.png": b""},
            "contains both Training/ and train/; remove one",
        ),
        (
            {"train.csv": b"1,2", "my_train.csv": b"1,2"},
            "contains both my_train.csv and train.csv; remove one",
        ),
        ({"x_train.npy": npy_bytes()}, "it contains no y_train, but x_train; it must contain"),
        (
            {IDX_NAMES[0]: b""},
            f"{IDX_NAMES[1]} (or {IDX_NAMES[1]}.gz) is missing; the folder contains {IDX_NAMES[0]}",
        ),
        (
            {f"emnist-letters-{IDX_NAMES[1]}.gz": b""},
            f"emnist-letters-{IDX_NAMES[0]} (or emnist-letters-{IDX_NAMES[0]}.gz) is missing",
        ),
        (
            {f"a-{IDX_NAMES[0]}": b"", f"b-{IDX_NAMES[0]}": b""},
            "of more than one data set, 'a' and 'b'; put the four files",
        ),
    ],
)
def test_the_message_about_any_other_folder_lists_what_it_contains(files, message):
    Path("folder").mkdir()
    for name, content in files.items():
        write(f"folder/{name}", content)
    assert message in refusal("folder")


def idx(array, kind=8):
    return bytes([0, 0, kind, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("pack", [bytes, packed])
@pytest.mark.parametrize(
    "name",
    [
        str,
        lambda name: name.replace("-idx", ".idx"),
        lambda name: name.replace("-", "_"),
        lambda name: f"emnist-letters-{name.replace('t10k', 'test')}",
        lambda name: f"{name.replace('-idx', '.idx')}/{name.replace('-idx', '.idx')}",
    ],
)
def test_idx_files_are_read_under_all_usual_names(suffix, pack, name, expected):
    """Packed or not, and whether the name says so or not."""
    for file, array in zip(IDX_NAMES, plain().values(), strict=True):
        write(f"folder/{name(file)}{suffix}", pack(idx(array)))
    assert facts_of_file("folder").sha256 == expected


def test_idx_files_of_other_types_are_converted(expected):
    for file, array in zip(IDX_NAMES, plain().values(), strict=True):
        images = array.ndim == 3
        write(
            f"folder/{file}", idx((array / 255).astype(">f4"), 13) if images else idx(array.astype(">i4"), 12)
        )
    assert facts_of_file("folder").sha256 == expected


@pytest.mark.parametrize(
    "content", [b"", b"\0\0", b"<html>", idx(plain()["y_test"])[:-1], packed(b"1" * 99)[:20]]
)
def test_a_damaged_idx_file_is_named(content):
    for file, array in zip(IDX_NAMES, plain().values(), strict=True):
        write(f"folder/{file}", idx(array))
    write(f"folder/{IDX_NAMES[3]}", content)
    assert refusal("folder").startswith(f"{IDX_NAMES[3]} is ")


def test_a_folder_of_npy_files(expected):
    Path("folder").mkdir()
    for name, array in plain().items():
        np.save(f"folder/{name}.npy", array)
    assert facts_of_file("folder").sha256 == expected
    np.save("folder/y_train.npy", plain()["y_train"].astype(object))
    assert "its y_train is an array of Python objects" in refusal("folder")
    write("folder/y_train.npy", b"")
    assert "y_train.npy is damaged" in refusal("folder")
