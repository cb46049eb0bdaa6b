"""What looks wrong with a data set but may be right: warnings, in plain sentences."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping

import numpy as np

#: Photographs and scans nearly always reach 255 somewhere; what stays below half of it was scaled otherwise.
DARK = 128


#: The largest class may be so many times the smallest before its size is a warning.
UNEVEN = 10


#: Images have few channels; as many as this are slices of a volume, or steps in time.
MANY_CHANNELS = 16


def data_warnings(arrays: Mapping[str, np.ndarray], validation_examples: int = 0) -> list[str]:
    """What is suspicious about the four uint8 arrays of a data set, one sentence for each.

    `validation_examples` is how many of the last training images the study holds out.
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


def _brightness(x_train: np.ndarray, x_test: np.ndarray) -> list[str]:
    train, test = int(x_train.max()), int(x_test.max())
    brightest, found = max(train, test), []
    if brightest < DARK:
        found.append(
            f"the brightest pixel is {brightest} of 255, so that networks see no more than "
            f"{brightest / 255:.2g}; "
            f"if {brightest} is white, multiply the images by {255 / brightest:.4g}"
        )
    elif min(train, test) < DARK:
        darker, brighter = ("test", "training") if test < train else ("training", "test")
        found.append(
            f"the {darker} images reach {min(train, test)} of 255 and the {brighter} images {brightest}; "
            "were they scaled alike?"
        )
    for name, images in (("training", x_train), ("test", x_test)):
        flat = images.reshape(len(images), -1)
        blank = np.count_nonzero((flat == flat[:, :1]).all(axis=1))
        if blank:
            found.append(f"{_count(blank, name + ' image')} of one colour throughout, with nothing to see")
    return found


def _channels(images: np.ndarray) -> list[str]:
    channels = images.shape[3] if images.ndim == 4 else 1
    if channels >= MANY_CHANNELS:
        return [
            f"the images have {channels} channels; if they are volumes or series, a network of 2D "
            "layers takes "
            "their last axis for colours"
        ]
    if channels == 3 and (images == images[..., :1]).all():
        return ["the three channels are equal in every training image: grey images, stored as colour"]
    return []


def _repeated(x_train: np.ndarray, y_train: np.ndarray, x_test: np.ndarray, y_test: np.ndarray) -> list[str]:
    """Images that are there more than once: by their pixels, which no two photographs share."""
    train, test = ([_digest(image) for image in images] for images in (x_train, x_test))
    found, labels = [], defaultdict(set)
    for image, label in zip([*train, *test], np.concatenate([y_train, y_test]).tolist(), strict=True):
        labels[image].add(label)
    known = set(train)
    if shared := sum(image in known for image in test):
        found.append(
            f"{_count(shared, 'test image')} among the training images as well "
            f"({shared / len(test):.1%} of them)"
        )
    if repeated := len(train) - len(known):
        found.append(f"{_count(repeated, 'training image')} there more than once, copies of others")
    if several := sum(len(each) > 1 for each in labels.values()):
        found.append(f"{_count(several, 'image')} there with more than one label")
    return found


def _digest(image: np.ndarray) -> bytes:
    return hashlib.blake2b(image.tobytes(), digest_size=16).digest()


def _class_sizes(y_train: np.ndarray, classes: int) -> list[str]:
    sizes = np.bincount(y_train, minlength=classes)
    single = np.count_nonzero(sizes == 1)
    found = [f"{_count(single, 'class', 'classes')} of one training image only"] if single else []
    if sizes.max() <= UNEVEN * sizes.min():
        return found
    largest, smallest = sizes.argmax(), sizes.argmin()
    return [
        *found,
        f"the classes are of very different sizes, from {sizes.min():,} training images (class "
        f"{smallest}) to "
        f"{sizes.max():,} (class {largest}): a network that always answers {largest} is right for "
        f"{sizes.max() / sizes.sum():.0%} of them",
    ]


def _absent(labels: np.ndarray, classes: int, part: str) -> list[str]:
    absent = np.setdiff1d(np.arange(classes), labels)
    if not absent.size:
        return []
    listed = ", ".join(map(str, absent[:10])) + (", …" if absent.size > 10 else "")
    return [f"none of the {len(labels):,} {part} is of class {listed}"]


def _held_out(trained: np.ndarray, held: np.ndarray, classes: int) -> list[str]:
    if not held.size:
        return []
    found = []
    if (np.diff(np.concatenate([trained, held]).astype(int)) >= 0).all():
        order = "the training images are sorted by class, and the held-out images are the last of them"
        found.append(f"{order}: shuffle images and labels alike before you save them")
    if len(counts := Counter(held.tolist())) == 1:
        found.append(f"all {len(held):,} held-out images are of class {next(iter(counts))}")
    else:
        found += _absent(held, classes, "held-out images")
    return found


def _count(number: int, thing: str, things: str = "") -> str:
    return f"1 {thing} is" if number == 1 else f"{number:,} {things or thing + 's'} are"
