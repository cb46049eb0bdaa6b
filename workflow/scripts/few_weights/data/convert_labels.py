"""Conversion of labels of any form (texts, one-hot rows, any whole numbers) to classes from 0."""

import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from few_weights.data.datasets import Array, Bytes
from few_weights.errors import StudyError

#: Predictions and labels are stored as bytes.
MOST_CLASSES = 256


def convert_labels(labels: Mapping[str, Array], sentences: list[str]) -> dict[str, Bytes]:
    """Labels as uint8 of shape (examples,), the numbers of their classes from 0.

    Args:
        labels: the labels of each part, by name.
        sentences: what was converted is appended here.

    Raises:
        StudyError: the labels cannot be used, or could mean two things.
    """
    notes: dict[str, list[str]] = {}
    plain = {name: _one_label_per_image(name, array, notes) for name, array in labels.items()}
    sentences += [f"labels: {', '.join(names)} {note}" for note, names in notes.items()]
    texts = [name for name, array in plain.items() if array.dtype.kind == "U"]
    if texts and len(texts) < len(plain):
        other = next(name for name in plain if name not in texts)
        raise StudyError(
            f"{texts[0]} contains texts and {other} numbers; both must have the same kind of labels"
        )
    trained = np.unique(np.concatenate([array for name, array in plain.items() if name != "y_test"]))
    known: list[Any] = _sorted_texts(trained) if texts else _whole_range(trained)
    if len(known) < 2:
        raise StudyError(f"every training image has the label {known[0]}; there must be two classes or more")
    if len(known) > MOST_CLASSES:
        raise StudyError(
            f"y_train contains {len(known)} different labels; there may be at most {MOST_CLASSES} classes"
        )
    unknown = np.setdiff1d(plain["y_test"], trained)
    if unknown.size:
        raise StudyError(f"y_test has the label {_quoted(unknown[0])}, which no training image has")
    if texts:
        mapping = ", ".join(f"{number} is {text}" for number, text in enumerate(known))
        sentences.append(f"labels: texts in sorted order, so that class {mapping}")
    elif known[0] != 0:
        sentences.append(
            f"labels: {known[0]} to {known[-1]}, minus {known[0]}, so that label {known[0]} is class 0"
        )
    number = {label: index for index, label in enumerate(known)}
    return {
        name: np.array([number[label] for label in array.tolist()], np.uint8) for name, array in plain.items()
    }


def _quoted(label: np.generic) -> str:
    return repr(label.item()) if label.dtype.kind == "U" else str(label)


def _sorted_texts(texts: Array) -> list[str]:
    """Sorted texts in numerical order if all are whole numbers, else as they are, in alphabetical order."""
    labels: list[str] = texts.tolist()
    # Python refuses to read a number of thousands of digits; nobody numbers classes so.
    if all(re.fullmatch(r"[+-]?\d{1,18}", label) for label in labels):
        return sorted(labels, key=lambda label: (int(label), label))
    return labels


def _whole_range(distinct: Array) -> list[int]:
    """The labels from the smallest to the largest, without gaps.

    Raises:
        StudyError: a label is negative, or a number between them has no training image.
    """
    low, high = int(distinct[0]), int(distinct[-1])
    renumber = (
        "classes, y_train = np.unique(y_train, return_inverse=True), and np.searchsorted(classes, y_test)"
    )
    if low < 0:
        raise StudyError(
            f"y_train has labels from {low} to {high}; if {low} stands for images without a label, leave "
            f"those out, else number the classes from 0: {renumber}"
        )
    if len(distinct) < high - low + 1:
        missing = int(distinct[np.argmax(np.diff(distinct) > 1)]) + 1
        raise StudyError(
            f"y_train has labels from {low} to {high}, but none is {missing}; "
            f"if that class does not exist, renumber the others: {renumber}"
        )
    return distinct.tolist()


def _one_label_per_image(name: str, array: Array, notes: dict[str, list[str]]) -> Array:
    """One whole number (int64) or text per image."""

    def note(text: str) -> None:
        notes.setdefault(text, []).append(name)

    shape = array.shape
    if not array.ndim or not array.size:
        raise StudyError(f"{name} has the shape {shape}; it must contain one label per image")
    if array.dtype.kind == "O":
        raise StudyError(
            f"{name} contains Python objects; write {name}.astype(str) for texts, .astype(int) for numbers"
        )
    if array.dtype.kind not in "buifUS":
        raise StudyError(f"{name} contains {array.dtype}; labels must be whole numbers or texts")
    if array.ndim > 1:
        array = array.reshape(len(array), *(size for size in shape[1:] if size != 1))
        if array.ndim == 1:
            note(f"of shape (n, {', '.join(map(str, shape[1:]))}), read as one label per image")
    if array.ndim == 2:
        return _from_one_hot(name, array, note)
    if array.ndim > 2:
        raise StudyError(f"{name} has the shape {shape}; it must contain one label per image")
    if array.dtype.kind == "S":
        array = np.char.decode(array, "utf-8", "replace")
    if array.dtype.kind == "U":
        if empty := np.count_nonzero(np.char.strip(array) == ""):
            raise StudyError(
                f"{name} contains {empty:,} empty texts; give those images a label or leave them out"
            )
        return array
    if array.dtype.kind == "b":
        note("of bool: False is class 0, True is class 1")
    if array.dtype.kind == "f":
        if not_finite := np.count_nonzero(~np.isfinite(array)):
            raise StudyError(
                f"{name} contains {not_finite:,} values that are NaN or infinite; leave those images out"
            )
        if (array != np.rint(array)).any():
            example = array[array != np.rint(array)][0]
            raise StudyError(
                f"{name} contains {array.dtype} such as {example:.4g}; labels must be whole numbers or "
                "texts, one for each class"
            )
        note(f"of {array.dtype}, all whole numbers")
    if abs(float(array.min())) > 2**53 or float(array.max()) > 2**53:
        raise StudyError(
            f"{name} goes from {array.min()} to {array.max()}; labels must be the numbers of classes"
        )
    return array.astype(np.int64)


def _from_one_hot(name: str, array: Array, note: Callable[[str], None]) -> Array:
    """The column with the 1 in each row."""
    if array.dtype.kind in "US":
        raise StudyError(f"{name} has the shape {array.shape}; it must contain one label per image")
    if not np.isin(array, (0, 1)).all():
        if array.dtype.kind == "f" and np.allclose(array.sum(axis=1), 1, atol=1e-3):
            raise StudyError(
                f"{name} contains fractions of several classes for an image; "
                f"np.argmax({name}, axis=1) takes the largest of each"
            )
        raise StudyError(
            f"{name} has the shape {array.shape} and is not one-hot; it must contain one label per image, "
            f"such as one of its columns: {name}[:, 0]"
        )
    ones = array.sum(axis=1, dtype=np.int64)
    if (ones != 1).any():
        image = int(np.argmax(ones != 1))
        raise StudyError(
            f"{name} has the shape {array.shape} and {ones[image]} classes for image {image}; "
            "each image must belong to one class: choose one, or leave such images out"
        )
    note(f"one-hot of {array.shape[1]} columns, converted with argmax(axis=1)")
    return array.argmax(axis=1)
