"""Conversion of a user's arrays to the four uint8 arrays that networks are trained on.

The input is named by `roles`: images of any number type and labels of any kind, in a training part, a test
part and optionally a validation part. The output is x_train, y_train, x_test and y_test, and one sentence
for each conversion. An array that could mean two things is refused with a message that says how to fix it.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from few_weights.data.convert_images import convert_shapes, convert_values, require_different
from few_weights.data.convert_labels import convert_labels
from few_weights.data.datasets import ARRAYS, PARTS, Array
from few_weights.errors import StudyError

#: The names of parts and of images and labels that people use, as regular expressions.
_PART = {"train": "train(?:ing)?", "validation": "val(?:id(?:ation)?)?|dev", "test": "test(?:ing)?|t10k"}
_KIND = {"x": "x|images?|imgs?|data|features", "y": "y|labels?|targets?"}

#: A role, such as x_train -> all names for it.
_ROLES = {
    f"{kind}_{part}": re.compile(f"(?:(?:{k})[-_. ]?(?:{p})|(?:{p})[-_. ]?(?:{k}))")
    for kind, k in _KIND.items()
    for part, p in _PART.items()
}


@dataclass(frozen=True)
class Conversion:
    """Converted data.

    Args:
        arrays: x_train, y_train, x_test and y_test as uint8.
        sentences: what was converted, one sentence each.
        validation_examples: the number of validation images, which are the last training images.
    """

    arrays: dict[str, Array]
    sentences: list[str]
    validation_examples: int


def roles(names: Iterable[str]) -> dict[str, str]:
    """The role that each name has: `x_train` for x_train, X_train, train_images, trainX and similar names.

    Args:
        names: names of arrays or files.

    Returns:
        Role -> name. The roles are x and y of train, validation and test; other names are ignored.

    Raises:
        StudyError: two names have the same role.
    """
    by_role: dict[str, str] = {}
    for name in sorted(names, key=lambda name: name not in _ROLES):  # the roles' own names first
        for role, pattern in _ROLES.items():
            if pattern.fullmatch(name.lower()) and by_role.get(role) != role:
                if role in by_role:
                    raise StudyError(
                        f"it contains both {by_role[role]} and {name}; rename the right one to {role}, "
                        "or remove the other"
                    )
                by_role[role] = name
    return by_role


def described_roles(by_role: Mapping[str, str]) -> list[str]:
    """A sentence that lists the names that differ from their roles; no sentence if none does."""
    other = [f"{name} is {role}" for role, name in by_role.items() if name != role]
    return [f"names: {', '.join(other)}"] if other else []


def convert(arrays: Mapping[str, Array]) -> Conversion:
    """Convert a user's arrays to uint8; arrays that have the right form are not changed.

    Args:
        arrays: x_train, y_train, x_test and y_test, and optionally x_validation and y_validation, which are
            appended to the training images. Labels become the numbers of their classes, from 0.

    Raises:
        StudyError: an array is missing or could mean two things; the message says how to fix it.
    """
    require_roles(arrays, arrays)
    parts = [part for part in PARTS if f"x_{part}" in arrays]
    sentences: list[str] = []
    counts = {part: _count_labels(arrays, part) for part in parts}
    images = {f"x_{part}": arrays[f"x_{part}"] for part in parts}
    images = convert_shapes(images, counts, sentences)
    for part in parts:
        shape, count = arrays[f"y_{part}"].shape, len(images[f"x_{part}"])
        if len(shape) == 2 and shape[0] != count == shape[1]:
            raise StudyError(
                f"y_{part} has the shape {shape}, with the images along the last axis; write y_{part}.T"
            )
    labels = convert_labels({f"y_{part}": arrays[f"y_{part}"] for part in parts}, sentences)
    for part in parts:
        x, y = images[f"x_{part}"], labels[f"y_{part}"]
        if len(x) != len(y):
            raise StudyError(f"it has {len(x)} images in x_{part} and {len(y)} labels in y_{part}")
    images = convert_values(images, sentences)
    for part in parts:
        require_different(f"x_{part}", images[f"x_{part}"])
    converted = images | labels
    held_out = 0
    if "validation" in parts:
        held_out = len(labels["y_validation"])
        for kind in "xy":
            both = converted[f"{kind}_train"], converted.pop(f"{kind}_validation")
            converted[f"{kind}_train"] = np.concatenate(both)
        sentences.append(f"validation images: the {held_out:,} of the data are the last training images")
    return Conversion({name: converted[name] for name in ARRAYS}, sentences, held_out)


def require_roles(present: Iterable[str], names: Iterable[str]) -> None:
    """Refuse data that lacks one of the four arrays.

    Args:
        present: the roles that the data has.
        names: the names of everything that the data contains, for the message.

    Raises:
        StudyError: the message says what is missing and what there is instead.
    """
    present, names = set(present), list(names)
    missing = [name for name in ARRAYS if name not in present]
    for kind, other in (("x", "y"), ("y", "x")):
        if f"{kind}_validation" in present and f"{other}_validation" not in present:
            missing.append(f"{other}_validation")
    if not missing:
        return
    listed = ", ".join(names[:12]) + (", …" if len(names) > 12 else "") if names else "nothing"
    fix = ""
    if any(re.fullmatch(r"arr_\d+", name) for name in names):
        fix = "; name the arrays when you save them: numpy.savez(path, x_train=x_train, …)"
    elif {"x_test", "y_test"} <= set(missing) and names:
        fix = "; set some images aside as x_test and y_test, which are not used for training"
    raise StudyError(f"it contains no {missing[0]}, but {listed}; it must contain {', '.join(ARRAYS)}{fix}")


def _count_labels(arrays: Mapping[str, Array], part: str) -> int:
    y = arrays[f"y_{part}"]
    return len(y) if y.ndim else 0
