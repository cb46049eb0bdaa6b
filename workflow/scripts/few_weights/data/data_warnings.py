"""Warnings about a user's data: what looks wrong with it but may be right."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping

import numpy as np

from few_weights.data.datasets import Array

#: Photographs and scans nearly always reach 255 somewhere; a maximum below this suggests a different scale.
DARK = 128

#: A warning is given if the largest class has more than this many times the images of the smallest.
UNEVEN = 10

#: Images have few channels; this many are probably slices of a volume, or steps of a time series.
MANY_CHANNELS = 16


def data_warnings(arrays: Mapping[str, Array], validation_examples: int = 0) -> list[str]:
    """What is suspicious about a data set, one sentence each.

    Args:
        arrays: x_train, y_train, x_test and y_test as uint8.
        validation_examples: how many of the last training images the study holds out.
    """
    x_train, y_train, x_test, y_test = (arrays[name] for name in ("x_train", "y_train", "x_test", "y_test"))
    classes = int(y_train.max()) + 1
    kept = len(y_train) - validation_examples
    return [
        *_brightness(x_train, x_test),
        *_channels(x_train),
        *_repeated(x_train, y_train, x_test, y_test),
        *_class_sizes(y_train, classes),
        *_absent(y_test, classes, "test images"),
        *_held_out(y_train[:kept], y_train[kept:], classes),
    ]


def _brightness(x_train: Array, x_test: Array) -> list[str]:
    train, test = int(x_train.max()), int(x_test.max())
    brightest, warnings = max(train, test), []
    if brightest < DARK:
        warnings.append(
            f"the brightest pixel is {brightest} of 255, so that inputs of networks are at most "
            f"{brightest / 255:.2g}; if {brightest} is white, multiply the images by {255 / brightest:.4g}"
        )
    elif min(train, test) < DARK:
        darker, brighter = ("test", "training") if test < train else ("training", "test")
        warnings.append(
            f"the {darker} images reach {min(train, test)} of 255 and the {brighter} images {brightest}; "
            "were they scaled differently?"
        )
    for name, images in (("training", x_train), ("test", x_test)):
        flat = images.reshape(len(images), -1)
        blank = int(np.count_nonzero((flat == flat[:, :1]).all(axis=1)))
        if blank:
            warnings.append(f"{_count(blank, name + ' image')} blank: all pixels have the same value")
    return warnings


def _channels(images: Array) -> list[str]:
    channels = images.shape[3] if images.ndim == 4 else 1
    if channels >= MANY_CHANNELS:
        return [
            f"the images have {channels} channels; if they are volumes or time series, note that 2D layers "
            "treat the last axis as colours"
        ]
    if channels == 3 and (images == images[..., :1]).all():
        return ["the three channels are equal in every training image: grey images stored as colour images"]
    return []


def _repeated(x_train: Array, y_train: Array, x_test: Array, y_test: Array) -> list[str]:
    """Warnings about images that occur more than once, with identical pixels."""
    train, test = ([_digest(image) for image in images] for images in (x_train, x_test))
    warnings: list[str] = []
    labels: defaultdict[bytes, set[int]] = defaultdict(set)
    for image, label in zip([*train, *test], np.concatenate([y_train, y_test]).tolist(), strict=True):
        labels[image].add(label)
    known = set(train)
    if shared := sum(image in known for image in test):
        warnings.append(
            f"{_count(shared, 'test image')} also among the training images "
            f"({shared / len(test):.1%} of them)"
        )
    if repeated := len(train) - len(known):
        warnings.append(
            f"{repeated:,} training images are copies of others"
            if repeated > 1
            else "1 training image is a copy of another"
        )
    if several := sum(len(each) > 1 for each in labels.values()):
        warnings.append(
            f"{several:,} images occur with more than one label"
            if several > 1
            else "1 image occurs with more than one label"
        )
    return warnings


def _digest(image: Array) -> bytes:
    return hashlib.blake2b(image.tobytes(), digest_size=16).digest()


def _class_sizes(y_train: Array, classes: int) -> list[str]:
    warnings = []
    sizes = np.bincount(y_train, minlength=classes)
    if single := int(np.count_nonzero(sizes == 1)):
        these = "1 class has" if single == 1 else f"{single} classes have"
        warnings.append(f"{these} only one training image")
    if sizes.max() > UNEVEN * sizes.min():
        largest, smallest = sizes.argmax(), sizes.argmin()
        warnings.append(
            f"the sizes of the classes are very different, from {sizes.min():,} training images "
            f"(class {smallest}) to {sizes.max():,} (class {largest}): a network that always predicts class "
            f"{largest} is right for {sizes.max() / sizes.sum():.0%} of them"
        )
    return warnings


def _absent(labels: Array, classes: int, part: str) -> list[str]:
    absent = np.setdiff1d(np.arange(classes), labels)
    if not absent.size:
        return []
    listed = ", ".join(map(str, absent[:10])) + (", …" if absent.size > 10 else "")
    return [f"none of the {len(labels):,} {part} is of class {listed}"]


def _held_out(trained: Array, held_out: Array, classes: int) -> list[str]:
    if not held_out.size:
        return []
    warnings = []
    if (np.diff(np.concatenate([trained, held_out]).astype(int)) >= 0).all():
        order = "the training images are sorted by class, and the held-out images are the last of them"
        warnings.append(f"{order}: shuffle images and labels together before you save them")
    if len(counts := Counter(held_out.tolist())) == 1:
        warnings.append(f"all {len(held_out):,} held-out images are of class {next(iter(counts))}")
    else:
        warnings += _absent(held_out, classes, "held-out images")
    return warnings


def _count(number: int, thing: str) -> str:
    return f"1 {thing} is" if number == 1 else f"{number:,} {thing}s are"
