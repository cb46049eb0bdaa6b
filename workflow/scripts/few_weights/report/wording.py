"""Numbers and names as the figures and the report write them."""

import math

import pandas as pd

KINDS = {
    "mlp": "perceptron",
    "pooled_mlp": "perceptron on the pooled image",
    "cnn": "convolutional network",
    "vgg": "convolutional network",
}


def named(architecture: str) -> str:
    """The architecture as a sentence speaks of it: "the perceptron mlp"; a user's own by its name alone."""
    return f"the {KINDS[architecture]} {architecture}" if architecture in KINDS else architecture


def short(architecture: str) -> str:
    """A name that fits into a figure: a long one without its middle."""
    return architecture if len(architecture) <= 24 else f"{architecture[:14]}…{architecture[-9:]}"


def percent(share: float, digits: int | None = None) -> str:
    """0.9748 as "97.48 %", in one piece; without `digits` as short as can be: 0.97 as "97 %"."""
    value = 100 * share
    number = f"{value:.{digits}f}" if digits is not None else f"{round(value, 6):g}"
    return f"{number}\N{NO-BREAK SPACE}%"


def accuracy(value: float, examples: float) -> str:
    """An accuracy with the decimals that a test set of this size can tell apart: 10,000 images, two."""
    digits = max(0, math.ceil(math.log10(examples) - 2 - 1e-9))
    return percent(value, min(digits, 3))


def count(number: float) -> str:
    """26506 as "26,506"."""
    return f"{int(round(number)):,}"


def times(ratio: float) -> str:
    """A ratio as people say it: "28", "2.7", "1,287"; one decimal below ten."""
    return f"{ratio:,.1f}" if ratio < 9.95 else count(ratio)


def plural(number: int, noun: str) -> str:
    """1 and "seed" as "1 seed", 3 as "3 seeds"."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def enumeration(words: list[str]) -> str:
    """["a", "b", "c"] as "a, b and c"."""
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)


def duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} seconds"
    minutes = seconds / 60
    return f"{minutes:.0f} minutes" if minutes < 90 else f"{minutes / 60:.1f} hours"


def distinct(column: pd.Series) -> str:
    """A column's values, each once, without the ".0" of whole numbers beside empty cells."""
    values = column.dropna().unique()
    return (
        enumeration([f"{value:g}" if isinstance(value, float) else str(value) for value in values])
        or "unknown"
    )
