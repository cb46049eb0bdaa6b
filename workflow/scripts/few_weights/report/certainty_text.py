"""What is certain, in words, for a study with `certainty`."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from few_weights.analysis.rows import rows
from few_weights.report import wording
from few_weights.report.wording import enumeration


@dataclass(frozen=True)
class CertaintyFacts:
    """How certain a study wanted to be, as text: the columns of breakpoints.csv with the same names."""

    level: str
    collapse: str
    guard_seeds: str
    alpha: str


def has_certainty(breakpoints: pd.DataFrame) -> bool:
    """Whether breakpoints.csv is that of a study with `certainty`."""
    return "level" in breakpoints


def has_range(breakpoints: pd.DataFrame) -> bool:
    """Whether one of the answers is a range of widths."""
    if not has_certainty(breakpoints):
        return False
    low, high = breakpoints["range_low_width"], breakpoints["range_high_width"]
    return bool((low.notna() & (low != high).fillna(True)).any())


def range_of(row: Any, unit: str) -> str:
    """The range that holds an answer: "26 to 28", "26 or more" or "28".

    Args:
        row: a row of breakpoints.csv in which a width may reach the target.
        unit: "width" or "parameters".
    """
    low, high = getattr(row, f"range_low_{unit}"), getattr(row, f"range_high_{unit}")
    if pd.isna(high):
        return f"{wording.count(low)} or more"
    return wording.count(low) if low == high else f"{wording.count(low)} to {wording.count(high)}"


def is_range(row: pd.Series) -> bool:
    """Whether the answer in a row of breakpoints.csv is a range of widths."""
    return has_range(row.to_frame().T)


def times_as_many(row: pd.Series, parameters: int) -> str:
    """How many times `parameters` an answer needs, as text: "25", "23 to 28" or "at least 23".

    Args:
        row: a row of breakpoints.csv in which the target is reached.
        parameters: what it is compared with.
    """
    if not is_range(row):
        return wording.times(row["parameters"] / parameters)
    low, high = (row[f"range_{end}_parameters"] / parameters for end in ("low", "high"))
    return (
        f"at least {wording.times(low)}"
        if pd.isna(high)
        else f"{wording.times(low)} to {wording.times(high)}"
    )


def certainty_facts(breakpoints: pd.DataFrame) -> CertaintyFacts | None:
    """How certain the study wanted to be; None for one without `certainty`."""
    if not has_certainty(breakpoints):
        return None
    first = breakpoints.iloc[0]
    return CertaintyFacts(
        level=wording.percent(first["level"]),
        collapse=wording.percent(first["collapse"]),
        guard_seeds=wording.plural(int(first["guard_seeds"]), "seed"),
        alpha=f"{first['alpha']:.2g}",
    )


def certainty_sentences(breakpoints: pd.DataFrame) -> Iterable[str]:
    """What is certain, one sentence per target; none without `certainty`."""
    if not has_certainty(breakpoints):
        return
    for target in breakpoints["target"].unique():
        of_target = breakpoints[breakpoints["target"] == target]
        parts = [f"{row.architecture} {_needs(row)}" for row in rows(of_target)]
        level, bar = wording.percent(of_target["level"].iloc[0]), wording.percent(target)
        yield (
            f"With {level} certainty for all answers together, and of the widths tried: for {bar}, "
            f"{enumeration(parts)}."
        )


def _needs(row: Any) -> str:
    if pd.isna(row.range_low_width):
        return "does not reach it"
    if pd.isna(row.range_high_width):
        return f"needs width {row.range_low_width} or more, if one is enough"
    if row.range_low_width == row.range_high_width:
        return f"needs width {row.range_low_width}"
    return f"needs a width from {row.range_low_width} to {row.range_high_width}"
