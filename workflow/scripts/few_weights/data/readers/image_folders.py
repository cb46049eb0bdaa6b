"""Folders of image files, one folder per class, as arrays by name."""

import struct
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from few_weights.data.readers.forms import Arrays, listed
from few_weights.errors import StudyError

#: What a folder of images may hold: everything else in it is left out, and named.
IMAGE_SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".pgm", ".ppm", ".pbm"}


# Images


def read_image_folders(folder: Path, parts: Mapping[str, Path]) -> tuple[Arrays, list[str]]:
    """A folder for each class in train/ and test/, and perhaps in val/, full of images of one size.

    The images of each part are put in an order that looks random and is always the same: the last training
    images may be held out, and must not be those of the last class.
    """
    for part in ("train", "test"):
        if part not in parts:
            raise StudyError(
                f"the folder holds {listed(entry.name for entry in folder.iterdir())}, but no {part}/; "
                "it must hold train/CLASS/ and test/CLASS/ full of images"
            )
    arrays, first, left_out = {}, None, []
    for part, root in parts.items():
        images, labels = [], []
        for file, label, others in _labelled_files(root):
            left_out += others
            if file is not None:
                image = _read_image(file)
                first = first or (file.relative_to(folder), image.shape)
                _require_like(file.relative_to(folder), image.shape, *first)
                images.append(image)
                labels.append(label)
        order = np.random.default_rng(0).permutation(len(images))
        arrays[f"x_{part}"], arrays[f"y_{part}"] = np.stack(images)[order], np.array(labels)[order]
    sentences = ["images: of each part in an order that looks random and is always the same"]
    if left_out:
        sentences.append(f"images: {listed(str(each.relative_to(folder)) for each in left_out)} left out")
    return arrays, sentences


def _labelled_files(root: Path) -> Iterable[tuple[Path | None, str, list[Path]]]:
    """(image, class, []) for each image in a part's folder, and (None, class, files) for what is none."""
    classes = sorted(entry for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    if not classes:
        raise StudyError(
            f"{root.name}/ holds {listed(entry.name for entry in root.iterdir())}; "
            "it must hold a folder for each class, with its images"
        )
    for each in classes:
        images, others = image_files_in(each)
        if not images:
            raise StudyError(f"{root.name}/{each.name}/ holds no image (such as .png or .jpg)")
        yield None, each.name, others
        yield from ((image, each.name, []) for image in images)


def image_files_in(folder: Path) -> tuple[list[Path], list[Path]]:
    """The images of a folder in the order of their names, and its other files that are not hidden."""
    entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    images = [entry for entry in entries if entry.suffix.lower() in IMAGE_SUFFIXES and entry.is_file()]
    return images, [entry for entry in entries if entry not in set(images)]


def _read_image(file: Path) -> np.ndarray:
    """An image as uint8 (rows, columns) where it is grey, (rows, columns, 3) where it is coloured."""
    from PIL import Image

    try:
        with Image.open(file) as image:
            if getattr(image, "n_frames", 1) > 1:
                raise StudyError(f"{file} has {image.n_frames} frames; save one image per file")
            image.load()
            mode = image.mode
            if mode == "1":
                image = image.convert("L")
            elif mode == "P" and "transparency" not in image.info:
                image = image.convert("RGB")
                pixels = np.asarray(image)
                if (pixels == pixels[..., :1]).all():
                    return pixels[..., 0]
            elif mode in ("RGBA", "LA") and image.getchannel("A").getextrema() == (255, 255):
                image = image.convert(mode[:-1])
            if image.mode not in ("L", "RGB"):
                raise StudyError(
                    f"{file} is stored as {mode}; images must be grey or RGB with 8 bits, as Pillow's "
                    "image.convert('L') or image.convert('RGB') makes them"
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
        raise StudyError(f"{file} cannot be read as an image: it is damaged, or something else") from error


def _require_like(file: Path, shape: tuple[int, ...], first: Path, expected: tuple[int, ...]) -> None:
    if len(shape) != len(expected):
        kinds = {2: "grey", 3: "coloured"}
        raise StudyError(
            f"{first} is {kinds[len(expected)]} and {file} is {kinds[len(shape)]}; "
            "all images must be one or the other, as Pillow's image.convert('L') or "
            "image.convert('RGB') makes them"
        )
    if shape != expected:
        raise StudyError(
            f"{first} has {expected[0]} x {expected[1]} pixels (rows x columns) and {file} "
            f"{shape[0]} x {shape[1]}; "
            "all images must be of one size, as Pillow's image.resize((columns, rows)) makes them"
        )
