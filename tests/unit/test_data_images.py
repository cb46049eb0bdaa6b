"""Folders of images are read alike; an image that does not fit is named."""

import shutil
from pathlib import Path

import pytest
from PIL import Image
from samples.data import CLASS_NAMES, PARTS, facts_of_file, plain, refusal, write

from few_weights.data import sources


@pytest.fixture(autouse=True)
def working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def write_images(change=lambda image: image, suffix=".png", names=CLASS_NAMES, parts=PARTS):
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
def test_grey_images_in_one_folder_per_class_are_read(change, suffix, parts):
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
    found = facts_of_file("folder")
    assert found.image_shape == (8, 8, 3)
    assert found.warnings == (
        "the three channels are equal in every training image: grey images stored as colour images",
    )


def test_a_change_behind_a_link_is_noticed():
    write_images()
    shutil.move("folder/train", "elsewhere")
    Path("folder/train").symlink_to(Path("elsewhere").resolve())
    before = facts_of_file("folder")
    save(Image.new("L", (8, 8), 77))
    assert facts_of_file("folder").train_examples == before.train_examples + 1


def test_classes_that_are_numbers_are_in_numerical_order():
    write_images(names=["0", "1", "2", "10"])
    assert "class 0 is 0, 1 is 1, 2 is 2, 3 is 10" in facts_of_file("folder").conversions[-1]


def test_images_are_shuffled_so_that_the_last_ones_are_of_all_classes():
    write_images()
    assert facts_of_file("folder", 20).warnings == ()


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
    facts_of_file("folder")  # what was kept of it does not hide what comes after
    spoil()
    assert message in refusal("folder")


def test_a_truncated_image_is_named():
    write_images()
    whole = next(Path("folder/train/bee").iterdir()).read_bytes()
    pixels_end = whole.index(b"IEND") - 12  # behind them are checksums, which Pillow does without
    for length in range(0, pixels_end, 7):
        write("folder/train/ant/x.png", whole[:length])
        assert "train/ant/x.png cannot be read as an image" in refusal("folder")
