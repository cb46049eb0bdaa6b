"""From the arrays that people have to the four uint8 arrays that networks are trained on.

What goes in is named by `roles`: images of any number type and labels of any kind, in a training part, a test
part and perhaps a validation part. What comes out is x_train, y_train, x_test and y_test, and a sentence for
everything that was done. An array whose meaning is not certain is refused with the fix that fits it.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from few_weights.data.convert_images import convert_shapes, convert_values, require_different
from few_weights.data.convert_labels import convert_labels
from few_weights.data.datasets import ARRAYS, PARTS
from few_weights.errors import StudyError

_PART = {"train": "train(?:ing)?", "validation": "val(?:id(?:ation)?)?|dev", "test": "test(?:ing)?|t10k"}


_KIND = {"x": "x|images?|imgs?|data|features", "y": "y|labels?|targets?"}


_ROLES = {
    f"{kind}_{part}": re.compile(f"(?:(?:{k})[-_. ]?(?:{p})|(?:{p})[-_. ]?(?:{k}))")
    for kind, k in _KIND.items()
    for part, p in _PART.items()
}


@dataclass(frozen=True)
class Conversion:
    """Four uint8 arrays, what was done to get them, and how many validation images end the training part."""

    arrays: dict[str, np.ndarray]
    sentences: list[str]
    validation_examples: int


def roles(names: Iterable[str]) -> dict[str, str]:
    """Role -> the name that has it: `x_train` for x_train, X_train, train_images, trainX and the like.

    The roles are x and y of train, validation and test. Names that mean nothing are left out.

    Raises:
        StudyError: two names have the same role.
    """
    found: dict[str, str] = {}
    for name in sorted(names, key=lambda name: name not in _ROLES):  # the roles' own names first
        for role, pattern in _ROLES.items():
            if pattern.fullmatch(name.lower()) and found.get(role) != role:
                if role in found:
                    raise StudyError(
                        f"it holds both {found[role]} and {name}; name the one that counts {role}, "
                        "or leave the other out"
                    )
                found[role] = name
    return found


def described_roles(found: Mapping[str, str]) -> list[str]:
    """A sentence where names other than the roles' own were taken."""
    other = [f"{name} is {role}" for role, name in found.items() if name != role]
    return [f"names: {', '.join(other)}"] if other else []


def convert(arrays: Mapping[str, np.ndarray]) -> Conversion:
    """Make the four uint8 arrays of what a user has; arrays that are right already stay as they are.

    `arrays` holds x_train, y_train, x_test and y_test, and perhaps x_validation and y_validation, which are
    put behind the training images. Labels come out as the numbers of their classes, from 0.

    Raises:
        StudyError: an array is missing, or its meaning is not certain; the message names it and the fix.
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
    held = 0
    if "validation" in parts:
        held = len(labels["y_validation"])
        for kind in "xy":
            both = converted[f"{kind}_train"], converted.pop(f"{kind}_validation")
            converted[f"{kind}_train"] = np.concatenate(both)
        sentences.append(f"validation images: the {held:,} of the data are the last training images")
    return Conversion({name: converted[name] for name in ARRAYS}, sentences, held)


def require_roles(found: Iterable[str], names: Iterable[str]) -> None:
    """Refuse what lacks one of the four arrays; `names` is everything that there is.

    Raises:
        StudyError: the message says what is missing and what there is instead.
    """
    found, names = set(found), list(names)
    missing = [name for name in ARRAYS if name not in found]
    for kind, other in (("x", "y"), ("y", "x")):
        if f"{kind}_validation" in found and f"{other}_validation" not in found:
            missing.append(f"{other}_validation")
    if not missing:
        return
    listed = ", ".join(names[:12]) + (", …" if len(names) > 12 else "") if names else "nothing"
    fix = ""
    if any(re.fullmatch(r"arr_\d+", name) for name in names):
        fix = "; name the arrays when you save them: numpy.savez(path, x_train=x_train, …)"
    elif {"x_test", "y_test"} <= set(missing) and names:
        fix = "; set some images aside as x_test and y_test, which are not trained on"
    raise StudyError(f"it holds no {missing[0]}, but {listed}; it must hold {', '.join(ARRAYS)}{fix}")


def _count_labels(arrays: Mapping[str, np.ndarray], part: str) -> int:
    y = arrays[f"y_{part}"]
    return len(y) if y.ndim else 0
