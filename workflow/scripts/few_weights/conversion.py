"""From the arrays that people have to the four uint8 arrays that networks are trained on.

What goes in is named by `roles`: images of any number type and labels of any kind, in a training part, a test
part and perhaps a validation part. What comes out is x_train, y_train, x_test and y_test, and a sentence for
everything that was done. An array whose meaning is not certain is refused with the fix that fits it.
"""

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from few_weights.datasets import ARRAYS, PARTS
from few_weights.errors import StudyError

#: Predictions and labels are bytes.
MOST_CLASSES = 256

#: Elements that are looked at together, so that large images need no second copy in another type.
CHUNK = 1 << 22

#: Floats that reach no further leave fewer than 16 levels of grey, most of them rounding.
DARKEST_FLOATS = 16 / 255

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
    images = _convert_shapes(images, counts, sentences)
    for part in parts:
        shape, count = arrays[f"y_{part}"].shape, len(images[f"x_{part}"])
        if len(shape) == 2 and shape[0] != count == shape[1]:
            raise StudyError(
                f"y_{part} has the shape {shape}, with the images along the last axis; write y_{part}.T"
            )
    labels = _convert_labels({f"y_{part}": arrays[f"y_{part}"] for part in parts}, sentences)
    for part in parts:
        x, y = images[f"x_{part}"], labels[f"y_{part}"]
        if len(x) != len(y):
            raise StudyError(f"it has {len(x)} images in x_{part} and {len(y)} labels in y_{part}")
    images = _convert_values(images, sentences)
    for part in parts:
        _require_different(f"x_{part}", images[f"x_{part}"])
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


# Shapes


def _convert_shapes(
    images: Mapping[str, np.ndarray], counts: Mapping[str, int], sentences: list[str]
) -> dict[str, np.ndarray]:
    """Images as (examples, rows, columns) or (examples, rows, columns, channels)."""
    for name, array in images.items():
        _require_numbers(name, array)
        count = counts[name.partition("_")[2]]
        if array.ndim < 2 or 0 in array.shape:
            raise StudyError(
                f"{name} has the shape {array.shape}; "
                "images must be (examples, rows, columns) or (examples, rows, columns, channels)"
            )
        if len(array) != count and array.ndim > 2 and array.shape[-1] == count:
            raise StudyError(
                f"{name} has the shape {array.shape}, with the images along the last axis; "
                f"write np.moveaxis({name}, -1, 0)"
            )
    first, *_ = images
    shapes = {name: array.shape[1:] for name, array in images.items()}
    if len({shape[:2] + ((1,) if len(shape) == 2 else shape[2:]) for shape in shapes.values()}) == 1:
        # (28, 28) and (28, 28, 1) are the same
        images = {name: array.reshape(len(array), *shapes[first]) for name, array in images.items()}
    for name, shape in shapes.items():
        if images[name].shape[1:] != shapes[first]:
            raise StudyError(
                f"the images of {first} are {shapes[first]}, those of {name} {shape}; all must be of one size"
            )
    rearrange, sentence = _layout(first, images[first].shape)
    if rearrange is None:
        return dict(images)
    sentences.append(sentence)
    return {name: rearrange(array) for name, array in images.items()}


def _layout(name: str, shape: tuple[int, ...]) -> tuple[Callable[[np.ndarray], np.ndarray] | None, str]:
    """What makes (examples, rows, columns[, channels]) of images of a shape, in code and in words."""
    match shape[1:]:
        case (pixels,):
            side = math.isqrt(pixels)
            if side > 1 and side * side == pixels:
                return (
                    lambda array: array.reshape(-1, side, side),
                    f"images: each row of {pixels} values is an image of {side} x {side}",
                )
            colour = math.isqrt(pixels // 3)
            if colour > 1 and 3 * colour * colour == pixels:
                raise StudyError(
                    f"{name} has the shape {shape}; say how its colours lie: "
                    f"{name}.reshape(-1, {colour}, {colour}, 3) where red, green and blue of a pixel stand "
                    f"together, {name}.reshape(-1, 3, {colour}, {colour}).transpose(0, 2, 3, 1) where all of "
                    "red comes first, as in CIFAR"
                )
            raise StudyError(
                f"{name} has the shape {shape}, and {pixels} is not the square of a whole number; "
                f"write {name}.reshape(-1, rows, columns)"
            )
        case (_, _):
            return None, ""
        case (channels, rows, columns) if (
            # One row and many channels may be a series in time, but seldom of as many steps as channels.
            channels <= 4 and min(rows, columns) > 4 and max(rows, columns) <= 4 * min(rows, columns)
        ):
            if rows == columns and channels in (1, 3):
                return (
                    lambda array: np.moveaxis(array, 1, -1),
                    f"images: channels moved from the first place to the last, {channels} x {rows} "
                    f"x {columns} "
                    f"is {rows} x {columns} x {channels}",
                )
            raise StudyError(
                f"{name} has the shape {shape}, which looks like channels first; they must come last: "
                f"np.moveaxis({name}, 1, -1)"
            )
        case (_, _, _):
            return None, ""
    raise StudyError(
        f"{name} has the shape {shape}; "
        "images must be (examples, rows, columns) or (examples, rows, columns, channels)"
    )


def _require_numbers(name: str, array: np.ndarray) -> None:
    kind = array.dtype.kind
    if kind in "buif":
        return
    if kind == "O":
        raise StudyError(
            f"{name} holds Python objects; write np.stack({name}), of images that are all of one size"
        )
    if kind in "US":
        raise StudyError(f"{name} holds texts such as {array.flat[0].item()!r}, not pixels; load the images")
    raise StudyError(f"{name} holds {array.dtype}; images must be numbers, at best uint8 from 0 to 255")


# Pixels


@dataclass(frozen=True)
class _Range:
    """What the values of an array are like."""

    low: float
    high: float
    whole: bool
    #: whether all are multiples of 257, as 8 bits spread over 16 are
    spread: bool


def _chunks(array: np.ndarray) -> Iterable[tuple[slice, np.ndarray]]:
    step = max(1, CHUNK // max(1, math.prod(array.shape[1:])))
    for first in range(0, len(array), step):
        yield (span := slice(first, first + step)), array[span]


def _range(name: str, array: np.ndarray) -> _Range:
    low, high, whole, spread, strange = math.inf, -math.inf, True, True, 0
    for _, chunk in _chunks(array):
        if array.dtype.kind == "f":
            strange += chunk.size - np.count_nonzero(np.isfinite(chunk))
            if strange:
                continue
            whole = whole and bool((chunk == np.rint(chunk)).all())
        low, high = min(low, chunk.min().item()), max(high, chunk.max().item())
        if array.dtype.kind != "b" and high > 255:
            spread = spread and whole and not (chunk % 257).any()
    if strange:
        raise StudyError(
            f"{name} holds {strange:,} values that are NaN or infinite; say what they should be, "
            f"such as np.nan_to_num({name}), or leave those images out"
        )
    return _Range(low, high, whole, spread)


def _convert_values(images: Mapping[str, np.ndarray], sentences: list[str]) -> dict[str, np.ndarray]:
    """Pixels as uint8, where 0 is black and 255 white."""
    ranges = {name: _range(name, array) for name, array in images.items()}
    high = max(r.high for r in ranges.values())
    whole = all(r.whole for r in ranges.values())
    for name, part in ranges.items():
        if part.low < (0 if whole else -0.5 / 255):
            raise StudyError(_below_zero(name, images[name].dtype, part))
        if part.low == part.high:
            raise StudyError(f"every pixel of {name} is {part.high:g}: there is nothing to see")
    if high > 1 + 0.5 / 255:
        _require_one_scale(ranges)
    if not whole:
        _require_levels(ranges, high)
    dtypes = ", ".join(dict.fromkeys(str(array.dtype) for array in images.values()))
    factor = 1.0
    if whole and high > 255:
        if not all(r.spread for r in ranges.values()):
            raise StudyError(
                f"{_extent(ranges)}, beyond 255; if {high:g} is white, write "
                f"(x * (255 / {high:g})).round().astype('uint8') of each x, or divide by what white is"
            )
        factor = 1 / 257
        done = "divided by 257, which loses nothing: 16 bits that held 8"
    elif whole and high <= 1:
        factor = 255.0
        done = "which hold only 0 and 1, multiplied by 255"
    elif whole:
        done = "whole numbers from 0 to 255: the same values as uint8"
    elif high <= 1 + 0.5 / 255:
        factor = 255.0
        done = "from 0 to 1, multiplied by 255"
    else:
        done = "from 0 to 255"
    converted, moved = {}, 0.0
    for name, array in images.items():
        if array.dtype == np.uint8 and factor == 1:
            converted[name] = array
            continue
        converted[name] = np.empty(array.shape, np.uint8)
        for span, chunk in _chunks(array):
            scaled = chunk * factor if chunk.dtype.itemsize > 4 else chunk.astype(np.float64) * factor
            rounded = np.rint(scaled)
            moved = max(moved, float(np.abs(scaled - rounded).max()))
            converted[name][span] = rounded
    if all(array.dtype == np.uint8 for array in images.values()) and factor == 1:
        return converted
    if not whole:
        precision = max(np.finfo(a.dtype).eps for a in images.values() if a.dtype.kind == "f")
        if factor == 255 and moved <= 255 * precision:
            done += "; all are multiples of 1/255, so nothing is lost"
        else:
            done += (
                f" and rounded to whole numbers, which moved values by up to {moved / 255:.2g} of the range"
            )
    sentences.append(f"images: {dtypes} {done}")
    return converted


def _extent(ranges: Mapping[str, _Range]) -> str:
    low, high = min(r.low for r in ranges.values()), max(r.high for r in ranges.values())
    names = " and ".join(ranges) if len(ranges) < 3 else ", ".join(ranges)
    return f"{names} {'goes' if len(ranges) == 1 else 'go'} from {low:.4g} to {high:.4g}"


def _below_zero(name: str, dtype: np.dtype, values: _Range) -> str:
    """What to write where black is not 0."""
    if dtype == np.int8:
        fix = f"if -128 is black, write ({name}.astype('int16') + 128).astype('uint8')"
    elif values.low >= -0.5 and values.high <= 0.5:
        fix = f"if -0.5 is black and 0.5 white, write {name} + 0.5"
    elif values.low >= -1 and values.high <= 1:
        fix = f"if -1 is black and 1 white, write ({name} + 1) / 2"
    elif values.low > -129 and values.high <= 128 and values.high - values.low > 64:
        fix = f"if -128 is black, write ({name} + 128).clip(0, 255)"
    else:
        fix = (
            "they seem to be standardised: give the images as they were before, or undo it "
            f"({name} * deviation + mean, with the numbers that were used)"
        )
    return f"{_extent({name: values})}; images must lie in 0 to 1 or in 0 to 255; {fix}"


def _require_levels(ranges: Mapping[str, _Range], high: float) -> None:
    """Refuse fractions that are neither from 0 to 1 nor from 0 to 255."""
    if high < DARKEST_FLOATS:
        raise StudyError(
            f"{_extent(ranges)}, where white should be 1; it seems that they were divided by 255 twice: "
            f"multiply each x by 255, or divide it by {high:.4g} if that is white"
        )
    if 1 + 0.5 / 255 < high < 128 or high >= 255.5:
        raise StudyError(
            f"{_extent(ranges)} in fractions; images must lie in 0 to 1 or in 0 to 255; "
            f"if {high:.4g} is white, divide each x by {high:.4g}"
        )


def _require_one_scale(ranges: Mapping[str, _Range]) -> None:
    """Refuse parts of which one lies in 0 to 1 and another in 0 to 255."""
    small = [name for name, r in ranges.items() if r.high <= 1 + 0.5 / 255]
    if small:
        large, values = max(ranges.items(), key=lambda item: item[1].high)
        raise StudyError(
            f"{small[0]} reaches {ranges[small[0]].high:.4g} and {large} {values.high:.4g}; "
            "divide both by 255, or neither"
        )


def _require_different(name: str, images: np.ndarray) -> None:
    if len(images) > 1 and not any((chunk != images[0]).any() for _, chunk in _chunks(images)):
        raise StudyError(f"all images of {name} are the same")


# Labels


def _convert_labels(labels: Mapping[str, np.ndarray], sentences: list[str]) -> dict[str, np.ndarray]:
    """Labels as uint8 of shape (examples,), the numbers of their classes from 0."""
    notes: dict[str, list[str]] = {}
    plain = {name: _one_label_per_image(name, array, notes) for name, array in labels.items()}
    sentences += [f"labels: {', '.join(names)} {note}" for note, names in notes.items()]
    texts = [name for name, array in plain.items() if array.dtype.kind == "U"]
    if texts and len(texts) < len(plain):
        other = next(name for name in plain if name not in texts)
        raise StudyError(f"{texts[0]} holds texts and {other} numbers; both must hold the same labels")
    trained = np.unique(np.concatenate([array for name, array in plain.items() if name != "y_test"]))
    known = _sorted_texts(trained) if texts else _whole_range(trained)
    if len(known) < 2:
        raise StudyError(f"every training image has the label {known[0]}; there must be two classes or more")
    if len(known) > MOST_CLASSES:
        raise StudyError(
            f"y_train holds {len(known)} different labels; there may be {MOST_CLASSES} classes at most"
        )
    strange = np.setdiff1d(plain["y_test"], trained)
    if strange.size:
        raise StudyError(f"y_test has the label {_shown(strange[0])}, which no training image has")
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


def _shown(label: np.generic) -> str:
    return repr(label.item()) if label.dtype.kind == "U" else str(label)


def _sorted_texts(texts: np.ndarray) -> list[str]:
    """In the order of the alphabet, or of the numbers where all are whole numbers."""
    texts = texts.tolist()
    if all(re.fullmatch(r"[+-]?\d+", text) for text in texts):
        return sorted(texts, key=lambda text: (int(text), text))
    return texts


def _whole_range(distinct: np.ndarray) -> list[int]:
    """The labels from the smallest to the largest, where no number between them is left out.

    Raises:
        StudyError: one of them is negative, or one between them has no training image.
    """
    low, high = int(distinct[0]), int(distinct[-1])
    renumber = (
        "classes, y_train = np.unique(y_train, return_inverse=True), and np.searchsorted(classes, y_test)"
    )
    if low < 0:
        raise StudyError(
            f"y_train has labels from {low} to {high}; if {low} marks images without a label, leave "
            "those out, "
            f"else number the classes from 0: {renumber}"
        )
    if len(distinct) < high - low + 1:
        missing = int(distinct[np.argmax(np.diff(distinct) > 1)]) + 1
        raise StudyError(
            f"y_train has labels from {low} to {high}, but none is {missing}; "
            f"if that class does not exist, number the others anew: {renumber}"
        )
    return distinct.tolist()


def _one_label_per_image(name: str, array: np.ndarray, notes: dict[str, list[str]]) -> np.ndarray:
    """One whole number (int64) or text per image."""

    def note(text: str) -> None:
        notes.setdefault(text, []).append(name)

    shape = array.shape
    if not array.ndim or not array.size:
        raise StudyError(f"{name} has the shape {shape}; it must hold one label per image")
    if array.dtype.kind == "O":
        raise StudyError(
            f"{name} holds Python objects; write {name}.astype(str) for texts, .astype(int) for numbers"
        )
    if array.dtype.kind not in "buifUS":
        raise StudyError(f"{name} holds {array.dtype}; labels must be whole numbers or texts")
    if array.ndim > 1:
        array = array.reshape(len(array), *(size for size in shape[1:] if size != 1))
        if array.ndim == 1:
            note(f"of shape (n, {', '.join(map(str, shape[1:]))}), taken as one label per image")
    if array.ndim == 2:
        return _from_one_hot(name, array, note)
    if array.ndim > 2:
        raise StudyError(f"{name} has the shape {shape}; it must hold one label per image")
    if array.dtype.kind == "S":
        array = np.char.decode(array, "utf-8", "replace")
    if array.dtype.kind == "U":
        if empty := np.count_nonzero(np.char.strip(array) == ""):
            raise StudyError(
                f"{name} holds {empty:,} empty texts; give those images a label or leave them out"
            )
        return array
    if array.dtype.kind == "b":
        note("of bool: False is class 0, True is class 1")
    if array.dtype.kind == "f":
        if strange := np.count_nonzero(~np.isfinite(array)):
            raise StudyError(
                f"{name} holds {strange:,} values that are NaN or infinite; leave those images out"
            )
        if (array != np.rint(array)).any():
            example = array[array != np.rint(array)][0]
            raise StudyError(
                f"{name} holds {array.dtype} such as {example:.4g}; labels must be whole numbers or texts, "
                "one for each class"
            )
        note(f"of {array.dtype}, all whole numbers")
    if abs(float(array.min())) > 2**53 or float(array.max()) > 2**53:
        raise StudyError(
            f"{name} goes from {array.min()} to {array.max()}; labels must be the numbers of classes"
        )
    return array.astype(np.int64)


def _from_one_hot(name: str, array: np.ndarray, note: Callable[[str], None]) -> np.ndarray:
    if array.dtype.kind in "US":
        raise StudyError(f"{name} has the shape {array.shape}; it must hold one label per image")
    if not np.isin(array, (0, 1)).all():
        if array.dtype.kind == "f" and np.allclose(array.sum(axis=1), 1, atol=1e-3):
            raise StudyError(
                f"{name} holds shares of several classes for an image; "
                f"np.argmax({name}, axis=1) takes the largest of each"
            )
        raise StudyError(
            f"{name} has the shape {array.shape} and is not one-hot; it must hold one label per image, "
            f"such as one of its columns: {name}[:, 0]"
        )
    marks = array.sum(axis=1, dtype=np.int64)
    if (marks != 1).any():
        image = int(np.argmax(marks != 1))
        raise StudyError(
            f"{name} has the shape {array.shape} and marks {marks[image]} classes for image {image}; "
            "each image must belong to one class: choose one, or leave such images out"
        )
    note(f"one-hot of {array.shape[1]} columns, taken by argmax(axis=1)")
    return array.argmax(axis=1)
