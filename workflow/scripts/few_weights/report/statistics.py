"""How sure the answer is, for the report: the study's statistical tables as headings and rows of text."""

from collections.abc import Iterable, Mapping

import pandas as pd

from few_weights.analysis.seeds import selection_of
from few_weights.report import wording

#: Headings of a table, and the text of its rows.
Text = tuple[list[str], list[list[str]]]


def sureness(breakpoints: pd.DataFrame, runs: pd.DataFrame, others: Mapping[str, pd.DataFrame]) -> Text:
    """Each breakpoint with its intervals; `others` are bootstrap.csv and neighbours.csv by name, if there."""
    headings = ["Architecture", "Target", "Width", "Mean that chose", "95 % interval", "Certain"]
    headings += ["Seeds that reach it"]
    headings += ["Had the seeds been others"] if "bootstrap" in others else []
    headings += ["Against the next smaller"] if "neighbours" in others else []
    headings += ["Larger ones that miss it"]
    rows = []
    for point in breakpoints[breakpoints["reached"]].itertuples():
        examples = _examples(runs, point.selection)
        share = f"{point.reaching} of {point.seeds}"
        share += f" ({wording.percent(point.share_low, 0)} to {wording.percent(point.share_high, 0)})"
        rows.append(
            [
                point.architecture,
                wording.percent(point.target),
                str(point.width),
                wording.accuracy(point.selection_accuracy, examples),
                _interval(point.selection_low, point.selection_high, examples),
                "yes" if point.certain else "no",
                share,
                *([_bootstrap(others["bootstrap"], point)] if "bootstrap" in others else []),
                *([_neighbour(others["neighbours"], point)] if "neighbours" in others else []),
                str(point.larger_missing),
            ]
        )
    return headings, rows


def _examples(runs: pd.DataFrame, images: str) -> int:
    return int(runs[f"{images}_examples"].max())


def _interval(low: float, high: float, examples: int) -> str:
    if pd.isna(low):
        return "–"
    return f"{wording.accuracy(low, examples)} to {wording.accuracy(high, examples)}"


def _bootstrap(bootstrap: pd.DataFrame, point) -> str:
    """ "23: 76 %, 24: 24 %", the widths that would have been the answer, the most frequent first.

    Those that would round to 0 % are left to bootstrap.csv.
    """
    its_rows = bootstrap[
        (bootstrap["architecture"] == point.architecture) & (bootstrap["target"] == point.target)
    ].sort_values("times", ascending=False, kind="stable")
    return (
        ", ".join(
            f"{'none' if pd.isna(row.width) else row.width}: {wording.percent(row.share, 0)}"
            for row in its_rows.itertuples()
            if row.share >= 0.005
        )
        or "–"
    )


def _neighbour(neighbours: pd.DataFrame, point) -> str:
    """Which model is the next smaller, and the corrected p-value over all seeds."""
    its_rows = neighbours[
        (neighbours["architecture"] == point.architecture)
        & (neighbours["width"] == point.width)
        & neighbours["seed"].isna()
    ]
    if its_rows.empty:
        return "none smaller was tried"
    row = its_rows.iloc[0]
    p = "p < 0.001" if row["p_holm"] < 0.001 else f"p = {row['p_holm']:.3f}"
    return f"width {row['smaller_width']}, {p}"


def by_target(targets: pd.DataFrame, architectures: Iterable[str]) -> Text:
    """targets.csv: the weights of each architecture's breakpoint, a row a target."""
    rows = [
        [
            wording.percent(target),
            *(
                str(cell) if isinstance(cell, str) and not cell.isdigit() else wording.count(float(cell))
                for cell in cells
            ),
        ]
        for target, *cells in targets.itertuples(index=False, name=None)
    ]
    return ["Target", *architectures], rows


def ownership(pareto: pd.DataFrame, runs: pd.DataFrame) -> Text:
    """pareto.csv: which architecture owns which range of parameters."""
    headings = [
        "Architecture",
        "Width",
        "Best from",
        "to",
        "Bytes",
        "FLOPs an image",
        "Mean that chose",
        "Test",
    ]
    examples, tested = _examples(runs, selection_of(runs)), _examples(runs, "test")
    rows = [
        [
            row.architecture,
            str(row.width),
            wording.count(row.from_parameters),
            "any" if pd.isna(row.to_parameters) else wording.count(row.to_parameters),
            wording.count(row.weight_bytes),
            wording.count(row.flops_per_image),
            wording.accuracy(row.selection_accuracy, examples),
            wording.accuracy(row.test_accuracy, tested),
        ]
        for row in pareto.itertuples()
    ]
    return headings, rows


def all_models(models: pd.DataFrame) -> Text:
    """models.csv in short: each model's size and what its seeds reach on the test images."""
    headings = ["Architecture", "Width", "Weights", "Bytes", "FLOPs an image", "Seeds", "Collapsed"]
    # Tables from before runs could diverge do not say so.
    diverged = "diverged" in models and models["diverged"].any()
    headings += ["Diverged"] if diverged else []
    headings += ["Mean", "Standard deviation", "95 % interval"]
    rows = [
        [
            row.architecture,
            str(row.width),
            wording.count(row.parameters),
            wording.count(row.weight_bytes),
            wording.count(row.flops_per_image),
            str(row.seeds),
            str(row.collapsed),
            *([str(row.diverged)] if diverged else []),
            wording.accuracy(row.test_accuracy, row.test_examples),
            "–" if pd.isna(row.test_accuracy_sd) else wording.percent(row.test_accuracy_sd, 2),
            _interval(row.test_accuracy_low, row.test_accuracy_high, row.test_examples),
        ]
        for row in models.itertuples()
    ]
    return headings, rows


def by_rule(counts: pd.DataFrame) -> Text:
    """counts.csv without the names of what is not trained: each model's weights by every rule of counting."""
    headings = [
        "Architecture",
        "Width",
        "Trainable",
        "Of these not 0",
        "Counted at each use",
        "Not trained",
        "Bytes",
    ]
    rows = [
        [
            row.architecture,
            str(row.width),
            wording.count(row.trainable),
            # A mean over seeds.
            f"{row.non_zero:,.1f}",
            wording.count(row.at_each_use),
            wording.count(row.non_trainable),
            wording.count(row.bytes),
        ]
        for row in counts.itertuples()
    ]
    return headings, rows


def search_path(search: pd.DataFrame) -> Text:
    """search.csv: each round's judgement, in order."""
    rows = [
        [row.architecture, wording.percent(row.target), str(row.round), row.message]
        for row in search.sort_values(["architecture", "target", "round"], kind="stable").itertuples()
    ]
    return ["Architecture", "Target", "Round", "Judgement"], rows
