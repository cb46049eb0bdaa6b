"""Every form that people have data in is read alike; every other file is one sentence that names them."""

import gzip
import io
import json
import pickle
import shutil
import struct
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from test_data_conversion import NAMES, PARTS, bars, plain

from few_weights.data import datasets, find_facts, sources
from few_weights.data.find_facts import own_facts
from few_weights.data.readers import any_path
from few_weights.errors import StudyError

SCRIPT = Path(__file__).parents[2] / "workflow" / "scripts" / "fetch_data.py"
IDX = [
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
]


@pytest.fixture(autouse=True)
def working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def packed(content: bytes) -> bytes:
    """The content gzipped without its time, so that the names of the tests are the same in each process."""
    return gzip.compress(content, mtime=0)


def facts(path, held=0):
    return own_facts(path, "mine", held)


@pytest.fixture
def expected():
    return datasets.array_facts(plain()).sha256


def refusal(path):
    """The one sentence that refuses it, both when the study is read and when the data are fetched."""
    with pytest.raises(StudyError) as first:
        facts(path)
    with pytest.raises(StudyError, match="no source has mine") as second:
        sources.fetch_arrays([{"file": str(path)}], "mine")
    sentence = str(first.value)
    assert f"file {path}: {sentence}\n" in str(second.value)
    assert "\n" not in sentence
    assert "allow_pickle" not in sentence
    return sentence


def write(path, content):
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_bytes(content)
    return path


# .npz


def test_what_is_not_needed_is_not_read(expected):
    np.savez("data.npz", **plain(), names=np.array(["a", None], object), train_ids=np.array([{}], object))
    assert facts("data.npz").sha256 == expected


@pytest.mark.parametrize(
    ("name", "fix"),
    [
        ("x_train", "save it as x_train=np.stack(x_train), of images that are all of one size"),
        ("y_test", "save it as y_test=y_test.astype(str) for texts, y_test.astype(int) for numbers"),
    ],
)
def test_what_is_needed_and_pickled_is_refused_by_name(name, fix):
    np.savez("data.npz", **plain() | {name: plain()[name].astype(object)})
    assert refusal("data.npz").startswith(f"its {name} is an array of Python objects, which are not opened")
    assert refusal("data.npz").endswith(fix)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_a_damaged_npz_is_refused_or_read_right_wherever_the_damage_is(save, expected):
    save("whole.npz", **plain())
    content = Path("whole.npz").read_bytes()
    refused = 0
    for at in range(0, len(content), 23):
        for damaged in (content[:at], content[:at] + bytes([content[at] ^ 0x55]) + content[at + 1 :]):
            Path("data.npz").write_bytes(damaged)
            try:
                # A byte that says nothing, such as a date, may change.
                assert facts("data.npz").sha256 == expected
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


def npy():
    buffer = io.BytesIO()
    np.save(buffer, plain()["x_train"])
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
        (npy(), "it is one array (.npy): save the four together, numpy.savez("),
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
def test_any_other_file_is_said_to_be_what_it_is(content, message, name):
    sentence = refusal(write(name, content))
    assert sentence.startswith(message)
    assert sentence.endswith(any_path.FORMS)


@pytest.mark.parametrize("name", ["none.npz", "file/none", "dangling", "n" * 5000, "a\0b", "~nobody-here/x"])
def test_what_is_not_there_is_said_not_to_be(name):
    Path("file").touch()
    Path("dangling").symlink_to("nowhere")
    with pytest.raises(
        StudyError, match="there is no such file|it cannot be read|there is no user nobody-here"
    ):
        facts(name)


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
        ({"x_train.npy": npy()}, "it contains no y_train, but x_train; it must contain"),
        ({IDX[0]: b""}, f"{IDX[1]} (or {IDX[1]}.gz) is missing; the folder contains {IDX[0]}"),
        (
            {f"emnist-letters-{IDX[1]}.gz": b""},
            f"emnist-letters-{IDX[0]} (or emnist-letters-{IDX[0]}.gz) is missing",
        ),
        (
            {f"a-{IDX[0]}": b"", f"b-{IDX[0]}": b""},
            "of more than one data set, 'a' and 'b'; put the four files",
        ),
    ],
)
def test_a_folder_of_something_else_is_said_to_hold_what_it_holds(files, message):
    Path("folder").mkdir()
    for name, content in files.items():
        write(f"folder/{name}", content)
    assert message in refusal("folder")


# IDX and .npy


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
def test_idx_files_under_every_name_in_use(suffix, pack, name, expected):
    """Packed or not, and whether the name says so or not."""
    for file, array in zip(IDX, plain().values(), strict=True):
        write(f"folder/{name(file)}{suffix}", pack(idx(array)))
    assert facts("folder").sha256 == expected


def test_idx_files_of_other_types_are_converted(expected):
    for file, array in zip(IDX, plain().values(), strict=True):
        images = array.ndim == 3
        write(
            f"folder/{file}", idx((array / 255).astype(">f4"), 13) if images else idx(array.astype(">i4"), 12)
        )
    assert facts("folder").sha256 == expected


@pytest.mark.parametrize(
    "content", [b"", b"\0\0", b"<html>", idx(plain()["y_test"])[:-1], packed(b"1" * 99)[:20]]
)
def test_a_damaged_idx_file_is_named(content):
    for file, array in zip(IDX, plain().values(), strict=True):
        write(f"folder/{file}", idx(array))
    write(f"folder/{IDX[3]}", content)
    assert refusal("folder").startswith(f"{IDX[3]} is ")


def test_a_folder_of_npy_files(expected):
    Path("folder").mkdir()
    for name, array in plain().items():
        np.save(f"folder/{name}.npy", array)
    assert facts("folder").sha256 == expected
    np.save("folder/y_train.npy", plain()["y_train"].astype(object))
    assert "its y_train is an array of Python objects" in refusal("folder")
    write("folder/y_train.npy", b"")
    assert "y_train.npy is damaged" in refusal("folder")


# CSV

HEADER = ["label", *(f"pixel{number}" for number in range(64))]


def rows_of(part, labels=range(4)):
    arrays = plain()
    images = arrays[f"x_{part}"].reshape(-1, 64).tolist()
    return [[labels[y], *pixels] for pixels, y in zip(images, arrays[f"y_{part}"].tolist(), strict=True)]


def text_of(rows, separator=",", end="\n"):
    return "".join(separator.join(map(str, row)) + end for row in rows).encode()


def label_last(row):
    return [*row[1:], row[0]]


@pytest.mark.parametrize(
    ("files", "text"),
    [
        ("train.csv test.csv", lambda rows: text_of([HEADER, *rows])),
        ("train.csv test.csv", text_of),
        ("fashion-mnist_train.csv fashion-mnist_test.csv", lambda rows: text_of([HEADER, *rows])),
        ("Train.CSV Test.CSV", lambda rows: text_of([["Label", *HEADER[1:]], *rows])),
        ("train.csv.gz test.csv.gz", lambda rows: packed(text_of([HEADER, *rows]))),
        ("train.csv test.csv", lambda rows: text_of([HEADER, *rows], ";", "\r\n")),
        ("train.csv test.csv", lambda rows: text_of(rows, "\t")),
        ("train.csv test.csv", lambda rows: b"\xef\xbb\xbf" + text_of([HEADER, *rows])),
        ("train.csv test.csv", lambda rows: text_of(map(label_last, [HEADER, *rows]))),
        # as pandas writes a table whose columns have no names, and one with its index
        ("train.csv test.csv", lambda rows: text_of([range(65), *rows])),
        (
            "train.csv test.csv",
            lambda rows: text_of([["", *HEADER], *([i, *row] for i, row in enumerate(rows))]),
        ),
        (
            "train.csv test.csv",
            lambda rows: text_of([row[0], *(pixel / 255 for pixel in row[1:])] for row in rows),
        ),
    ],
)
def test_csv_files_as_people_write_them(files, text, expected):
    for file, part in zip(files.split(), PARTS, strict=True):
        write(f"folder/{file}", text(rows_of(part)))
    assert facts("folder").sha256 == expected


@pytest.mark.parametrize("change", [list, label_last])
def test_a_csv_may_have_texts_for_labels_even_such_as_pandas_takes_for_nothing(change, expected):
    for part in PARTS:
        write(f"folder/{part}.csv", text_of(map(change, rows_of(part, ["NA", "None", "nan", "null"]))))
    assert facts("folder").sha256 == expected
    assert "class 0 is NA, 1 is None, 2 is nan, 3 is null" in facts("folder").conversions[-2]


def with_cell(rows, line, cell, value):
    rows = [list(row) for row in rows]
    rows[line][cell] = value
    return rows


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (lambda rows: text_of(with_cell(rows, 3, 5, "")), "test.csv, line 4: column 6 is empty"),
        (
            lambda rows: text_of(with_cell([HEADER, *rows], 3, 5, "")),
            "test.csv, line 4: column 'pixel4' is empty",
        ),
        (
            lambda rows: text_of(with_cell([HEADER, *rows], 3, 0, "")),
            "test.csv, line 4: column 'label' is empty",
        ),
        (
            lambda rows: text_of(with_cell(rows, 3, 5, "x")),
            "line 4: column 6 contains 'x', which is not a number",
        ),
        (
            lambda rows: text_of(with_cell(rows, 9, 5, "1,2"), ";"),
            "column 6 contains '1,2', which is not a number",
        ),
        (
            lambda rows: text_of([*rows[:4], [*rows[4], 7]]),
            "test.csv is not a CSV with the same number of cells in each",
        ),
        (
            lambda rows: text_of([HEADER, *([*row, 7] for row in rows)]),
            "lines with more cells than its first",
        ),
        (lambda rows: text_of([*rows[:4], rows[4][:-1]]), "test.csv, line 5: column 65 is empty"),
        (lambda rows: text_of([HEADER]), "test.csv contains no row with a label and pixels"),
        (lambda rows: b"", "test.csv is not a CSV"),
        (lambda rows: b"<html>", "test.csv "),
        (
            lambda rows: text_of(row[1:] for row in rows),
            "test.csv has 64 columns, as many as an image has pixels",
        ),
        (lambda rows: "läbel,1\n1,2\n".encode("latin-1"), "test.csv is not a text in UTF-8"),
        (lambda rows: packed(text_of(rows))[:99], "test.csv is damaged"),
    ],
)
def test_a_mistake_in_a_csv_is_named_with_its_line(text, message):
    write("folder/train.csv", text_of(rows_of("train")))
    write("folder/test.csv", text(rows_of("test")))
    assert message in refusal("folder")


def test_of_two_csv_files_the_folder_is_to_be_named():
    for part in PARTS:
        write(f"folder/{part}.csv", text_of(rows_of(part)))
    assert "one CSV: to use test.csv as well, name their folder, folder; " in refusal("folder/train.csv")


# Images


def write_images(change=lambda image: image, suffix=".png", names=NAMES, parts=PARTS):
    arrays = plain()
    for part, folder in zip(PARTS, parts, strict=True):
        for number, label in enumerate(arrays[f"y_{part}"]):
            path = Path("folder", folder, names[label], f"{number}{suffix}")
            path.parent.mkdir(parents=True, exist_ok=True)
            change(Image.fromarray(arrays[f"x_{part}"][number])).save(path)


def contents(arrays):
    """The pairs of image and label of each part, in any order."""
    return [
        sorted((x.tobytes(), int(y)) for x, y in zip(arrays[f"x_{part}"], arrays[f"y_{part}"], strict=True))
        for part in PARTS
    ]


@pytest.mark.parametrize(
    ("change", "suffix", "parts"),
    [
        (lambda image: image, ".png", PARTS),
        (lambda image: image, ".BMP", ("Training", "Testing")),
        (lambda image: image, ".gif", PARTS),
        (lambda image: image.convert("P"), ".png", PARTS),
        (lambda image: image.convert("LA"), ".png", PARTS),
    ],
)
def test_grey_images_in_a_folder_for_each_class(change, suffix, parts):
    write_images(change, suffix, parts=parts)
    write(f"folder/{parts[0]}/ant/.DS_Store", b"")
    write(f"folder/{parts[0]}/ant/notes.txt", b"")
    arrays, report = sources.fetch_arrays([{"file": "folder"}], "mine")
    assert contents(arrays) == contents(plain())
    assert f"images: {parts[0]}/ant/notes.txt ignored" in report
    assert "class 0 is ant, 1 is bee, 2 is cat, 3 is dog" in report


@pytest.mark.parametrize("change", [lambda image: image.convert("RGB"), lambda image: image.convert("RGBA")])
def test_coloured_images_keep_their_colours(change):
    write_images(change)
    found = facts("folder")
    assert found.image_shape == (8, 8, 3)
    assert found.warnings == (
        "the three channels are equal in every training image: grey images stored as colour images",
    )


def test_a_change_behind_a_link_is_seen():
    write_images()
    shutil.move("folder/train", "elsewhere")
    Path("folder/train").symlink_to(Path("elsewhere").resolve())
    before = facts("folder")
    save(Image.new("L", (8, 8), 77))
    assert facts("folder").train_examples == before.train_examples + 1


def test_classes_that_are_numbers_are_in_the_order_of_numbers():
    write_images(names=["0", "1", "2", "10"])
    assert "class 0 is 0, 1 is 1, 2 is 2, 3 is 10" in facts("folder").conversions[-1]


def test_the_last_images_of_a_folder_are_of_all_classes():
    write_images()
    assert facts("folder", 20).warnings == ()


def save(image, name="x.png"):
    image.save(f"folder/train/ant/{name}")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda: save(Image.new("L", (9, 8))), "has 8 x 8 pixels (rows x columns) and train/ant/x.png 8 x 9"),
        (
            lambda: save(Image.new("RGB", (8, 8))),
            "is grey and train/ant/x.png is coloured; all images must be",
        ),
        (
            lambda: save(Image.new("RGBA", (8, 8))),
            "train/ant/x.png is stored as RGBA; images must be grey or RGB",
        ),
        (lambda: save(Image.new("I;16", (8, 8))), "train/ant/x.png is stored as I;16"),
        (lambda: save(Image.new("CMYK", (8, 8)), "x.jpg"), "train/ant/x.jpg is stored as CMYK"),
        (lambda: write("folder/train/ant/x.png", b""), "train/ant/x.png cannot be read as an image"),
        (lambda: write("folder/train/ant/x.jpg", b"<html>"), "train/ant/x.jpg cannot be read as an image"),
        (lambda: Path("folder/train/emu").mkdir(), "train/emu/ contains no image"),
        (
            lambda: shutil.copytree("folder/test/ant", "folder/test/emu"),
            "y_test has the label 'emu', which no",
        ),
    ],
)
def test_an_image_that_does_not_fit_is_named(spoil, message):
    write_images()
    facts("folder")  # what was kept of it does not hide what comes after
    spoil()
    assert message in refusal("folder")


def test_an_image_cut_short_anywhere_is_named():
    write_images()
    whole = next(Path("folder/train/bee").iterdir()).read_bytes()
    pixels_end = whole.index(b"IEND") - 12  # behind them are checksums, which Pillow does without
    for length in range(0, pixels_end, 7):
        write("folder/train/ant/x.png", whole[:length])
        assert "train/ant/x.png cannot be read as an image" in refusal("folder")


# What is held out


def test_a_class_that_would_be_held_out_whole_is_refused():
    order = np.argsort(plain()["y_train"], kind="stable")
    np.savez("data.npz", **plain() | {name: plain()[name][order] for name in ("x_train", "y_train")})
    assert facts("data.npz", 9).warnings[1] == "all 9 held-out images are of class 3"
    with pytest.raises(
        StudyError, match="its last 15 training images, .* of class 3; shuffle images and labels"
    ):
        facts("data.npz", 15)


# What is kept, and what is written


def test_data_are_read_once_as_long_as_their_content_is_the_same(monkeypatch, expected):
    np.savez("data.npz", **plain())
    first = facts("data.npz")
    content = Path("data.npz").read_bytes()
    Path("data.npz").unlink()
    write("data.npz", content)
    with monkeypatch.context() as patch:
        patch.setattr(find_facts, "read_path", None)
        assert facts("data.npz") == first
        for other in (lambda: facts("data.npz", 5), lambda: own_facts(Path("data.npz"), "other", 0)):
            with pytest.raises(TypeError):
                other()
    for kept in Path(".snakemake").rglob("data-*.json"):
        kept.write_text("{")
    assert facts("data.npz") == first
    np.savez("data.npz", **plain() | {"y_test": plain()["y_test"][::-1]})
    assert facts("data.npz").sha256 != expected


def test_the_number_of_validation_images_must_be_given_to_hold_them_out():
    held = bars(12, 2)
    np.savez("data.npz", **plain(), val_images=held[0], val_labels=held[1])
    assert facts("data.npz").train_examples == 52
    assert facts("data.npz", 12).warnings == ()
    (warning,) = facts("data.npz").warnings
    assert warning.startswith(
        "the data has 12 validation images, but they are used for training; validation_examples: 12"
    )
    assert "but the study holds out 20; validation_examples: 12" in facts("data.npz", 20).warnings[0]


def fetch(dataset="mine"):
    return subprocess.run(
        [
            sys.executable,
            SCRIPT,
            f"--dataset={dataset}",
            "--output=out/data.npz",
            "--sources",
            json.dumps([{"file": "in"}]),
        ],
        capture_output=True,
        text=True,
    )


def test_the_log_of_the_fetch_says_what_was_done_and_what_is_suspicious():
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


@pytest.mark.parametrize("content", [b"", b"<html>", npy()])
def test_a_fetch_that_fails_leaves_nothing(content):
    write("in", content)
    job = fetch()
    assert job.returncode == 1
    assert job.stderr.startswith("error: no source has mine:")
    assert "Traceback" not in job.stderr
    assert not Path("out").exists()
