"""Numbers and names as the figures and the report write them."""

import math

import pandas as pd

NO_BREAK = "\N{NO-BREAK SPACE}"

#: What the built-in architectures are.
KINDS = {
    "mlp": "perceptron",
    "pooled_mlp": "perceptron on the pooled image",
    "cnn": "convolutional network",
    "vgg": "convolutional network",
}


def named(architecture: str) -> str:
    """An architecture's name in a sentence: "the perceptron mlp"; for a user's own one only the name."""
    return f"the {KINDS[architecture]} {architecture}" if architecture in KINDS else architecture


def short(architecture: str) -> str:
    """A name that fits into a figure: a long one loses its middle."""
    return architecture if len(architecture) <= 24 else f"{architecture[:14]}…{architecture[-9:]}"


def percent(share: float, digits: int | None = None) -> str:
    """0.9748 as "97.48 %", without a line break; if `digits` is None, with as few decimals as needed."""
    value = 100 * share
    number = f"{value:.{digits}f}" if digits is not None else f"{round(value, 6):g}"
    return f"{number}{NO_BREAK}%"


def accuracy(value: float, examples: float) -> str:
    """An accuracy with the decimals that so many images can tell apart: two for 10,000 images."""
    digits = max(0, math.ceil(math.log10(examples) - 2 - 1e-9))
    return percent(value, min(digits, 3))


def interval(low: float, high: float, examples: float) -> str:
    """The 95 % interval of an accuracy as "97.10 to 97.60 %"; empty for a single seed, which has none."""
    if pd.isna(low):
        return ""
    return f"{accuracy(low, examples).removesuffix(f'{NO_BREAK}%')} to {accuracy(high, examples)}"


def count(number: float) -> str:
    """26506 as "26,506"."""
    return f"{int(round(number)):,}"


def times(ratio: float) -> str:
    """A ratio with one decimal below ten and none above: "2.7", "28", "1,287"."""
    return f"{ratio:,.1f}" if ratio < 9.95 else count(ratio)


def plural(number: int, noun: str) -> str:
    """1 and "seed" as "1 seed", 3 as "3 seeds"."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def enumeration(items: list[str]) -> str:
    """["a", "b", "c"] as "a, b and c"."""
    return " and ".join([", ".join(items[:-1]), items[-1]]) if len(items) > 1 else "".join(items)


def duration(seconds: float) -> str:
    """A duration as "80 seconds", "45 minutes" or "2.5 hours"."""
    if seconds < 90:
        return f"{seconds:.0f} seconds"
    minutes = seconds / 60
    return f"{minutes:.0f} minutes" if minutes < 90 else f"{minutes / 60:.1f} hours"


def distinct(column: pd.Series) -> str:
    """A column's values, each once; whole numbers without the ".0" that empty cells in the column cause."""
    values = column.dropna().unique()
    return (
        enumeration([f"{value:g}" if isinstance(value, float) else str(value) for value in values])
        or "unknown"
    )
