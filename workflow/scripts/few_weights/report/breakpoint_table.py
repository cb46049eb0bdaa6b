"""The page's table of breakpoints, next to the article's where it has one."""

from dataclasses import dataclass

import pandas as pd

from few_weights.analysis.divergence import has_diverged
from few_weights.analysis.rows import Row, rows
from few_weights.analysis.seeds import models_with_intervals, with_selection
from few_weights.report import wording
from few_weights.report.certainty_text import range_of
from few_weights.report.figures import style


@dataclass(frozen=True)
class Breakpoint:
    """A breakpoint as text; `range` are the widths that may be the answer, with `certainty`."""

    width: int
    range: str
    parameters: str
    accuracy: str
    interval: str
    test_accuracy: str
    seeds: int
    compression: str
    baseline: str


@dataclass(frozen=True)
class PublishedBreakpoint:
    """The article's breakpoint as text."""

    width: int
    parameters: str
    accuracy: str
    compression: str


@dataclass(frozen=True)
class BreakpointRow:
    """A row of the table: an architecture and a target, with the breakpoints where there are any.

    `best` is the accuracy of the best width, and `best_note` says so; `remark` compares with the article.
    """

    architecture: str
    colour: str
    target: str
    here: Breakpoint | None
    best: str
    best_note: str
    article: PublishedBreakpoint | None
    remark: str


def breakpoint_rows(breakpoints: pd.DataFrame, runs: pd.DataFrame) -> list[BreakpointRow]:
    """The rows of the table, in the order of breakpoints.csv."""
    all_models = models_with_intervals(runs)
    examples = runs["test_examples"].max()
    selection_examples = with_selection(runs)["selection_examples"].max()
    colours = style.colours(runs["architecture"])
    table = []
    for row in rows(breakpoints):
        models = all_models[all_models["architecture"] == row.architecture]
        best = wording.accuracy(models["deciding_accuracy"].max(), selection_examples)
        all_diverged = has_diverged(runs[runs["architecture"] == row.architecture]).all()
        table.append(
            BreakpointRow(
                architecture=row.architecture,
                colour=colours[row.architecture],
                target=wording.percent(row.target),
                here=_breakpoint(row, selection_examples, examples) if row.reached else None,
                best="–" if all_diverged else best,
                best_note="every run diverged" if all_diverged else "the best width tried",
                article=_published(row, examples),
                remark=remark(row, models, examples),
            )
        )
    return table


def _breakpoint(row: Row, selection_examples: int, test_examples: int) -> Breakpoint:
    return Breakpoint(
        width=row.width,
        range=_range(row),
        parameters=wording.count(row.parameters),
        accuracy=wording.accuracy(row.selection_accuracy, selection_examples),
        interval=wording.interval(row.selection_low, row.selection_high, selection_examples),
        test_accuracy=wording.accuracy(row.test_accuracy, test_examples),
        seeds=row.seeds,
        compression=wording.times(row.compression),
        baseline=f"{row.baseline_architecture} {row.baseline_width}",
    )


def _range(row: Row) -> str:
    if not hasattr(row, "level"):
        return ""
    return "certain" if row.certain else range_of(row, "width")


def _published(row: Row, test_examples: int) -> PublishedBreakpoint | None:
    if pd.isna(row.article_parameters):
        return None
    return PublishedBreakpoint(
        width=row.article_width,
        parameters=wording.count(row.article_parameters),
        accuracy=wording.accuracy(row.article_test_accuracy, test_examples),
        compression=wording.times(row.article_compression),
    )


def remark(row: Row, models: pd.DataFrame, examples: int) -> str:
    """Whether a breakpoint is the article's and, if not, why; empty where the article has none.

    Args:
        row: a row of breakpoints.csv.
        models: the architecture's models with their mean accuracies (`models_with_intervals`).
        examples: how many test images there are, which sets the decimals.
    """
    if pd.isna(row.article_parameters):
        return ""
    if row.reached and row.width == row.article_width:
        return "The same width as in the article."
    with_its_width = models[models["width"] == row.article_width]
    if with_its_width.empty:
        return f"The article's width {row.article_width} is not in this study."
    model = with_its_width.iloc[0]
    measured = wording.accuracy(model["selection_accuracy"], examples)
    if row.selection == "validation":
        measured += " on the held-out images"
    seeds = wording.plural(model["seeds"], "seed")
    by = f"in the mean over {seeds}" if model["seeds"] > 1 else "with one seed"
    target = wording.percent(row.target)
    if model["selection_accuracy"] < row.target:
        published = wording.accuracy(row.article_test_accuracy, examples)
        outcome = (
            f"so the breakpoint moves to width {row.width}"
            if row.reached
            else "and no other width reaches it"
        )
        return (
            f"The article's width {row.article_width} misses {target} here {by} ({measured}; in the article "
            f"{published}), {outcome}."
        )
    return f"A smaller model than the article's is enough here {by}."
