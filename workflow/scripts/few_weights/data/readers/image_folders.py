"""Reads image files from one folder per class."""

import struct
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from few_weights.data.datasets import Array
from few_weights.data.readers.forms import Arrays, listed
from few_weights.errors import StudyError

#: The image files that are read; other files in a folder of images are listed and ignored.
IMAGE_SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".pgm", ".ppm", ".pbm"}


def read_image_folders(folder: Path, parts: Mapping[str, Path]) -> tuple[Arrays, list[str]]:
    """Read images of one size from a folder per class in train/, test/ and optionally val/.

    The images of each part are shuffled, always in the same order: the last training images may be held out,
    and must not all belong to the last class.

    Args:
        folder: the folder that contains the parts.
        parts: part -> its folder.

    Raises:
        StudyError: a part is missing, or an image cannot be read or has another size.
    """
    for part in ("train", "test"):
        if part not in parts:
            raise StudyError(
                f"the folder contains {listed(entry.name for entry in folder.iterdir())}, but no {part}/; "
                "it must contain images in train/CLASS/ and test/CLASS/"
            )
    arrays: Arrays = {}
    first: tuple[Path, tuple[int, ...]] | None = None
    ignored: list[Path] = []
    for part, root in parts.items():
        images, labels = [], []
        for label, files, other_files in _files_by_class(root):
            ignored += other_files
            for file in files:
                image = _read_image(file)
                first = first or (file.relative_to(folder), image.shape)
                _require_like(file.relative_to(folder), image.shape, *first)
                images.append(image)
                labels.append(label)
        order = np.random.default_rng(0).permutation(len(images))
        arrays[f"x_{part}"], arrays[f"y_{part}"] = np.stack(images)[order], np.array(labels)[order]
    sentences = ["images: shuffled within each part, always in the same order"]
    if ignored:
        sentences.append(f"images: {listed(str(file.relative_to(folder)) for file in ignored)} ignored")
    return arrays, sentences


def _files_by_class(root: Path) -> Iterable[tuple[str, list[Path], list[Path]]]:
    """For each class of a part: its name, its images, and its other files."""
    classes = sorted(entry for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    if not classes:
        raise StudyError(
            f"{root.name}/ contains {listed(entry.name for entry in root.iterdir())}; "
            "it must contain one folder of images per class"
        )
    for folder in classes:
        images, other_files = image_files_in(folder)
        if not images:
            raise StudyError(f"{root.name}/{folder.name}/ contains no image (such as .png or .jpg)")
        yield folder.name, images, other_files


def image_files_in(folder: Path) -> tuple[list[Path], list[Path]]:
    """The images of a folder in the order of their names, and its other files that are not hidden."""
    entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    images = [entry for entry in entries if entry.suffix.lower() in IMAGE_SUFFIXES and entry.is_file()]
    return images, [entry for entry in entries if entry not in set(images)]


def _read_image(file: Path) -> Array:
    """An image as uint8, of shape (rows, columns) if it is grey and (rows, columns, 3) if it is coloured."""
    from PIL import Image

    try:
        with Image.open(file) as opened:
            if (frames := getattr(opened, "n_frames", 1)) > 1:
                raise StudyError(f"{file} has {frames} frames; save one image per file")
            opened.load()
            image: Image.Image = opened
            mode = opened.mode
            if mode == "1":
                image = opened.convert("L")
            elif mode == "P" and "transparency" not in opened.info:
                image = opened.convert("RGB")
                pixels = np.asarray(image)
                if (pixels == pixels[..., :1]).all():
                    return pixels[..., 0]
            elif mode in ("RGBA", "LA") and opened.getchannel("A").getextrema() == (255, 255):
                image = opened.convert(mode[:-1])
            if image.mode not in ("L", "RGB"):
                raise StudyError(
                    f"{file} is stored as {mode}; images must be grey or RGB with 8 bits; convert them with "
                    "Pillow's image.convert('L') or image.convert('RGB')"
                )
            return np.asarray(image)
    except (
        OSError,
        SyntaxError,
        ValueError,
        struct.error,
        zlib.error,
        Image.DecompressionBombError,
    ) as error:
        raise StudyError(f"{file} cannot be read as an image: it is damaged, or not an image") from error


def _require_like(file: Path, shape: tuple[int, ...], first: Path, expected: tuple[int, ...]) -> None:
    """Refuse an image that differs from the first image in size or colour."""
    if len(shape) != len(expected):
        kinds = {2: "grey", 3: "coloured"}
        raise StudyError(
            f"{first} is {kinds[len(expected)]} and {file} is {kinds[len(shape)]}; "
            "all images must be one or the other; convert them with Pillow's image.convert('L') or "
            "image.convert('RGB')"
        )
    if shape != expected:
        raise StudyError(
            f"{first} has {expected[0]} x {expected[1]} pixels (rows x columns) and {file} "
            f"{shape[0]} x {shape[1]}; "
            "all images must have one size; resize them with Pillow's image.resize((columns, rows))"
        )
