"""Conversion of images of any layout and range to uint8 of shape (examples, rows, columns, channels)."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from few_weights.data.datasets import Array, Bytes
from few_weights.errors import StudyError

#: The number of values that are processed together, so that no full copy in another type is needed.
CHUNK = 1 << 22

#: Fractions with a maximum below this would become fewer than 16 levels of grey, mostly by rounding.
DARKEST_FLOATS = 16 / 255


def convert_shapes(
    images: Mapping[str, Array], counts: Mapping[str, int], sentences: list[str]
) -> dict[str, Array]:
    """Images as (examples, rows, columns) or (examples, rows, columns, channels).

    Args:
        images: the images of each part, by name.
        counts: the number of labels of each part.
        sentences: what was converted is appended here.

    Raises:
        StudyError: the shape is wrong or could mean two things.
    """
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
        # (28, 28) and (28, 28, 1) are the same size
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


def _layout(name: str, shape: tuple[int, ...]) -> tuple[Callable[[Array], Array] | None, str]:
    """A function that converts images of a shape to (examples, rows, columns[, channels]), and a sentence."""
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
                    f"{name} has the shape {shape}; the order of its colours is unclear: "
                    f"write {name}.reshape(-1, {colour}, {colour}, 3) if red, green and blue of a pixel are "
                    f"together, {name}.reshape(-1, 3, {colour}, {colour}).transpose(0, 2, 3, 1) if all of "
                    "red comes first, as in CIFAR"
                )
            raise StudyError(
                f"{name} has the shape {shape}, and {pixels} is not the square of a whole number; "
                f"write {name}.reshape(-1, rows, columns)"
            )
        case (_, _):
            return None, ""
        case (channels, rows, columns) if (
            # Few rows and many columns are rather a time series than an image with channels first.
            channels <= 4 and min(rows, columns) > 4 and max(rows, columns) <= 4 * min(rows, columns)
        ):
            if rows == columns and channels in (1, 3):
                return (
                    lambda array: np.moveaxis(array, 1, -1),
                    f"images: channels moved from the first axis to the last, {channels} x {rows} x "
                    f"{columns} is {rows} x {columns} x {channels}",
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


def _require_numbers(name: str, array: Array) -> None:
    """Refuse images that are not numbers."""
    kind = array.dtype.kind
    if kind in "buif":
        return
    if kind == "O":
        raise StudyError(
            f"{name} contains Python objects; write np.stack({name}), of images that are all of one size"
        )
    if kind in "US":
        raise StudyError(
            f"{name} contains texts such as {array.flat[0].item()!r}, not pixels; load the images"
        )
    raise StudyError(f"{name} contains {array.dtype}; images must be numbers, preferably uint8 from 0 to 255")


@dataclass(frozen=True)
class _Range:
    """The range of an array's values.

    `whole`: all are whole numbers; `times_257`: all are multiples of 257, as when 8 bits are scaled to 16.
    """

    low: float
    high: float
    whole: bool
    times_257: bool


def _chunks(array: Array) -> Iterable[tuple[slice, Array]]:
    step = max(1, CHUNK // max(1, math.prod(array.shape[1:])))
    for first in range(0, len(array), step):
        yield (span := slice(first, first + step)), array[span]


def _range(name: str, array: Array) -> _Range:
    low, high, whole, times_257, not_finite = math.inf, -math.inf, True, True, 0
    for _, chunk in _chunks(array):
        if array.dtype.kind == "f":
            not_finite += chunk.size - int(np.count_nonzero(np.isfinite(chunk)))
            if not_finite:
                continue
            whole = whole and bool((chunk == np.rint(chunk)).all())
        low, high = min(low, chunk.min().item()), max(high, chunk.max().item())
        # Also for values up to 255: those next to them may have 16 bits.
        if times_257 := times_257 and whole:
            times_257 = not (chunk % 257 if array.dtype.itemsize > 1 else chunk).any()
    if not_finite:
        raise StudyError(
            f"{name} contains {not_finite:,} values that are NaN or infinite; replace them, "
            f"for example with np.nan_to_num({name}), or leave those images out"
        )
    return _Range(low, high, whole, times_257)


def convert_values(images: Mapping[str, Array], sentences: list[str]) -> dict[str, Bytes]:
    """Images with pixels as uint8, where 0 is black and 255 white.

    Args:
        images: the images of each part, by name.
        sentences: what was converted is appended here.

    Raises:
        StudyError: the range of the pixels could mean two things.
    """
    ranges = {name: _range(name, array) for name, array in images.items()}
    high = max(r.high for r in ranges.values())
    whole = all(r.whole for r in ranges.values())
    for name, part in ranges.items():
        if part.low < (0 if whole else -0.5 / 255):
            raise StudyError(_below_zero(name, images[name].dtype, part))
        if part.low == part.high:
            raise StudyError(f"every pixel of {name} is {part.high:g}: the images are empty")
    if high > 1 + 0.5 / 255:
        _require_one_scale(ranges)
    if not whole:
        _require_levels(ranges, high)
    dtypes = ", ".join(dict.fromkeys(str(array.dtype) for array in images.values()))
    factor, done = _scale(ranges, high, whole)
    converted, moved = {}, 0.0
    for name, array in images.items():
        if array.dtype == np.uint8 and factor == 1:
            converted[name] = array
        else:
            converted[name], rounding = _scaled(array, factor)
            moved = max(moved, rounding)
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


def _scale(ranges: Mapping[str, _Range], high: float, whole: bool) -> tuple[float, str]:
    """The factor from values to 0 to 255, and a description of the conversion."""
    if whole and high > 255:
        if not all(r.times_257 for r in ranges.values()):
            raise StudyError(
                f"{_extent(ranges)}, beyond 255; if {high:g} is white, write "
                f"(x * (255 / {high:g})).round().astype('uint8') of each x, or divide by the value of white"
            )
        return 1 / 257, "divided by 257, which loses nothing: 8 bits had been scaled to 16"
    if whole and high <= 1:
        return 255.0, "with only the values 0 and 1, multiplied by 255"
    if whole:
        return 1.0, "whole numbers from 0 to 255: the same values as uint8"
    if high <= 1 + 0.5 / 255:
        return 255.0, "from 0 to 1, multiplied by 255"
    return 1.0, "from 0 to 255"


def _scaled(array: Array, factor: float) -> tuple[Bytes, float]:
    """An array multiplied by a factor and rounded to uint8, and the largest change by rounding."""
    converted, moved = np.empty(array.shape, np.uint8), 0.0
    for span, chunk in _chunks(array):
        scaled = chunk * factor if chunk.dtype.itemsize > 4 else chunk.astype(np.float64) * factor
        rounded = np.rint(scaled)
        moved = max(moved, float(np.abs(scaled - rounded).max()))
        converted[span] = rounded
    return converted, moved


def _extent(ranges: Mapping[str, _Range]) -> str:
    low, high = min(r.low for r in ranges.values()), max(r.high for r in ranges.values())
    names = " and ".join(ranges) if len(ranges) < 3 else ", ".join(ranges)
    return f"{names} {'goes' if len(ranges) == 1 else 'go'} from {low:.4g} to {high:.4g}"


def _below_zero(name: str, dtype: np.dtype[Any], values: _Range) -> str:
    """The message for images with negative values, in which black is not 0."""
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
            "they seem to be standardised: use the images from before that step, or undo it "
            f"({name} * deviation + mean, with the values that were used)"
        )
    return f"{_extent({name: values})}; images must lie in 0 to 1 or in 0 to 255; {fix}"


def _require_levels(ranges: Mapping[str, _Range], high: float) -> None:
    """Refuse fractions that are neither from 0 to 1 nor from 0 to 255."""
    if high < DARKEST_FLOATS:
        raise StudyError(
            f"{_extent(ranges)}, where white should be 1; they were probably divided by 255 twice: "
            f"multiply each x by 255, or divide it by {high:.4g} if that is white"
        )
    if 1 + 0.5 / 255 < high < 128 or high >= 255.5:
        raise StudyError(
            f"{_extent(ranges)} in fractions; images must lie in 0 to 1 or in 0 to 255; "
            f"if {high:.4g} is white, divide each x by {high:.4g}"
        )


def _require_one_scale(ranges: Mapping[str, _Range]) -> None:
    """Refuse parts on two scales: in 0 to 1, in 0 to 255, or beyond."""
    small = [name for name, r in ranges.items() if r.high <= 1 + 0.5 / 255]
    if small:
        large, values = max(ranges.items(), key=lambda item: item[1].high)
        raise StudyError(
            f"{small[0]} reaches {ranges[small[0]].high:.4g} and {large} {values.high:.4g}; "
            "divide both by 255, or neither"
        )
    bytes_ = [name for name, r in ranges.items() if r.high <= 255]
    name, values = max(ranges.items(), key=lambda item: item[1].high)
    if bytes_ and values.high > 255:
        raise StudyError(
            f"{bytes_[0]} reaches {ranges[bytes_[0]].high:.4g} and {name} {values.high:.4g}; "
            f"scale {name} to 255, too: if {values.high:g} is white, write "
            f"({name} * (255 / {values.high:g})).round().astype('uint8')"
        )


def require_different(name: str, images: Array) -> None:
    """Refuse images that are all the same."""
    if len(images) > 1 and not any((chunk != images[0]).any() for _, chunk in _chunks(images)):
        raise StudyError(f"all images of {name} are the same")
