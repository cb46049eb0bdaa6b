"""The page's table of how certain each breakpoint is: intervals, bootstrap and McNemar's test."""

from collections.abc import Mapping

import pandas as pd

from few_weights.analysis.rows import Row, rows
from few_weights.report import wording
from few_weights.report.certainty_text import has_certainty, range_of
from few_weights.report.text_table import TextTable

#: Widths that are the breakpoint in a smaller share of bootstrap samples are left out (but in bootstrap.csv).
SMALLEST_SHARE = 0.005


def certainty_table(
    breakpoints: pd.DataFrame, runs: pd.DataFrame, tables: Mapping[str, pd.DataFrame]
) -> TextTable:
    """Each breakpoint that was reached, with its intervals.

    Args:
        breakpoints: breakpoints.csv.
        runs: runs.csv.
        tables: "bootstrap" and "neighbours", the tables of those names; each adds a column if it is there.
    """
    bootstrap, neighbours = tables.get("bootstrap"), tables.get("neighbours")
    headings = ["Architecture", "Target", "Width", "Selection mean", "95 % interval", "Certain"]
    if certain_seeds := has_certainty(breakpoints):
        headings[-2:] = ["Interval", "Certain", "Range"]
    headings += ["Seeds that reach it"]
    headings += ["Bootstrap over seeds"] if bootstrap is not None else []
    headings += ["McNemar’s test against the next smaller"] if neighbours is not None else []
    headings += ["Larger models below the target"]
    texts = []
    for row in rows(breakpoints[breakpoints["reached"]]):
        examples = int(runs[f"{row.selection}_examples"].max())
        share = f"{row.reaching} of {row.seeds}"
        share += f" ({100 * row.share_low:.0f} to {wording.percent(row.share_high, 0)})"
        cells = [
            row.architecture,
            wording.percent(row.target),
            str(row.width),
            wording.accuracy(row.selection_accuracy, examples),
            wording.interval(row.selection_low, row.selection_high, examples) or "–",
            "yes" if row.certain else "no",
            *([range_of(row, "width")] if certain_seeds else []),
            share,
        ]
        cells += [_bootstrap(bootstrap, row)] if bootstrap is not None else []
        cells += [_mcnemar(neighbours, row)] if neighbours is not None else []
        texts.append([*cells, str(row.larger_missing)])
    return TextTable(headings, texts)


def _bootstrap(bootstrap: pd.DataFrame, breakpoint: Row) -> str:
    """ "23: 76 %, 24: 24 %": how often each width is the breakpoint, the most frequent first."""
    samples = bootstrap[
        (bootstrap["architecture"] == breakpoint.architecture) & (bootstrap["target"] == breakpoint.target)
    ].sort_values("times", ascending=False, kind="stable")
    widths = [
        f"{'none' if pd.isna(row.width) else row.width}:{wording.NO_BREAK}{wording.percent(row.share, 0)}"
        for row in rows(samples)
        if row.share >= SMALLEST_SHARE
    ]
    return ", ".join(widths) or "–"


def _mcnemar(neighbours: pd.DataFrame, breakpoint: Row) -> str:
    """ "width 22, p = 0.040": the next smaller model, and the corrected p-value over all seeds."""
    tests = neighbours[
        (neighbours["architecture"] == breakpoint.architecture)
        & (neighbours["width"] == breakpoint.width)
        & neighbours["seed"].isna()
    ]
    if tests.empty:
        return "no smaller one to compare with"
    test = tests.iloc[0]
    p = "p < 0.001" if test["p_holm"] < 0.001 else f"p = {test['p_holm']:.3f}"
    return f"width {test['smaller_width']}, {p.replace(' ', wording.NO_BREAK)}"
