"""Axes of accuracy against parameters, and what figures draw on them: curves, breakpoints and targets.

The accuracy axis has equal steps in log(1 - accuracy): each step up divides the errors by the same factor, so
that 97 and 98 % are as far apart as 90 and 93 %, and a network that learned nothing (10 %) is still shown.
Its labels are plain accuracies. They are measured on the selection images: those held out of training where a
study holds some out, otherwise the test images; every figure says which.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator
from numpy.typing import ArrayLike, NDArray

from few_weights.analysis.divergence import has_collapsed, has_diverged
from few_weights.analysis.rows import rows
from few_weights.analysis.seeds import selection_of
from few_weights.data.names import display_name
from few_weights.report import wording
from few_weights.report.figures import style
from few_weights.report.figures.label_placer import LabelPlacer

#: Labels of the accuracy axis, the most useful first; those too close to earlier ones are left out.
ACCURACY_TICKS = [0.9, 0.99, 0.999, 0.5, 0.95, 0.98, 0.995, 0.8, 0.1, 0.97, 0.998, 0.7, 0.96, 0.94, 0.985]
ACCURACY_TICKS += [0.92, 0.85, 0.975, 0.965, 0.9995, 0.9999, 0.3, 0.6, 0.4, 0.2, 0]


def on_images(runs: pd.DataFrame) -> str:
    """Which images a figure's accuracies are measured on: "on the 10,000 test images of MNIST"."""
    dataset, selection = display_name(runs["dataset"].iloc[0]), selection_of(runs)
    examples = wording.count(runs[f"{selection}_examples"].max())
    if selection == "validation":
        return f"on the {examples} images of {dataset} held out of training"
    return f"on the {examples} test images of {dataset}"


def symbols_note(models: pd.DataFrame, runs: pd.DataFrame, certainty: bool = False) -> str:
    """What dots, line and whiskers show, and how many seeds there are; `certainty` if seeds were added."""
    fewest, most = models["seeds"].min(), models["seeds"].max()
    crosses = " Crosses are runs that collapsed." if has_collapsed(runs).any() else ""
    crosses += " Plus signs are runs that diverged." if has_diverged(runs).any() else ""
    if most == 1:
        return f"One dot per run, n = 1 seed per width.{crosses}"
    n = f"n = {fewest}" if fewest == most else f"n = {fewest} to {most}"
    interval = "interval at any number of seeds" if certainty else f"{wording.percent(0.95)} interval"
    return f"Dots are runs, the line their mean, whiskers its {interval}; {n} seeds per width.{crosses}"


class ErrorScale:
    """From an accuracy to its position on the axis, -log10(1 - accuracy), and back.

    An accuracy of 1 would be infinitely far up: it is placed just above the best mean below 1.
    """

    def __init__(self, targets: Sequence[float], runs: pd.DataFrame) -> None:
        examples = runs["selection_examples"].max() * runs["seed"].nunique()
        self.smallest_error = min(0.5 / examples, 0.5 * (1 - max(targets)))

    def position(self, accuracy: ArrayLike) -> NDArray[np.float64]:
        """Position on the axis, of the shape of `accuracy`."""
        error = 1 - np.asarray(accuracy, dtype=float)
        position: NDArray[np.float64] = -np.log10(np.where(error > 0, error, self.smallest_error))
        return position

    def accuracy(self, position: ArrayLike) -> NDArray[np.float64]:
        """Accuracy at a position, of the shape of `position`."""
        accuracy: NDArray[np.float64] = 1 - 10.0 ** -np.asarray(position)
        return accuracy


def scale_accuracy_axis(
    axes: Axes,
    accuracies: Sequence[float],
    targets: Sequence[float],
    runs: pd.DataFrame,
    most_labels: int = 13,
) -> None:
    """Set the scale, the limits and the labels of the vertical axis.

    Args:
        axes: the axes.
        accuracies: everything that must fit.
        targets: accuracies that are always labelled.
        runs: runs with `selection_examples` (`with_selection`).
        most_labels: about how many labels there are at most.
    """
    scale = ErrorScale(targets, runs)
    axes.set_yscale("function", functions=(scale.position, scale.accuracy))
    low, high = float(scale.position(min(accuracies))), float(scale.position(max(accuracies)))
    margin = max(0.12 * (high - low), 0.04)
    bottom, top = low - 2 * margin, high + 1.6 * margin
    axes.set_ylim(1 - 10**-bottom, 1 - 10**-top)
    perfect = [1.0] if max(accuracies) == 1 else []
    ticks = [tick for tick in ACCURACY_TICKS if not perfect or scale.position(tick) < scale.position(1.0)]
    ticks = spaced_ticks(targets, [*perfect, *ticks], scale, bottom, top, most_labels)
    axes.yaxis.set_major_locator(FixedLocator(ticks))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: wording.percent(y)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="y", color=style.FAINT, linewidth=0.6, alpha=0.7)
    axes.set_axisbelow(True)
    axes.spines["left"].set_visible(False)


def scale_axes(
    axes: Axes,
    parameters: Sequence[float],
    accuracies: Sequence[float],
    targets: Sequence[float],
    runs: pd.DataFrame,
) -> None:
    """Set the scales, the limits and the labels of both axes, so that all parameters and accuracies fit."""
    scale_accuracy_axis(axes, accuracies, targets, runs)
    low, high = np.log10(min(parameters)), np.log10(max(parameters))
    margin = max(0.06 * (high - low), 0.12 if high > low else 0.4)
    axes.set_xscale("log")
    axes.set_xlim(10 ** (low - margin), 10 ** (high + margin))
    decades = range(int(low - margin) - 1, int(high + margin) + 2)
    steps = (1,) if high - low > 1.3 else (1, 2, 5)
    axes.xaxis.set_major_locator(FixedLocator([step * 10.0**decade for decade in decades for step in steps]))
    axes.xaxis.set_minor_locator(
        FixedLocator([step * 10.0**decade for decade in decades for step in range(2, 10)])
    )
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,.0f}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.tick_params(which="minor", length=2)
    axes.set_xlabel("trainable parameters (log scale)", fontsize=style.SMALL_SIZE + 0.4)


def spaced_ticks(
    targets: Sequence[float],
    candidates: Iterable[float],
    scale: ErrorScale,
    bottom: float,
    top: float,
    most_labels: int,
) -> list[float]:
    """The targets and as many candidates as fit; `bottom` and `top` are positions on the scale."""
    ticks: list[float] = []
    for accuracy in [*targets, *candidates]:
        y = scale.position(accuracy)
        distance = min((abs(y - scale.position(other)) for other in ticks), default=np.inf)
        in_view = bottom + 0.03 * (top - bottom) <= y <= top
        if accuracy in targets or (in_view and distance > (top - bottom) / most_labels):
            ticks.append(accuracy)
    return sorted(set(ticks))


def draw_targets(axes: Axes, placer: LabelPlacer, targets: Sequence[float]) -> None:
    """Draw a dashed line for each target, and its name where it is least crowded, left or right."""
    for target in targets:
        axes.axhline(target, color=style.INK, linewidth=0.9, linestyle=(0, (4, 3)), zorder=1, label="target")
        texts = [
            axes.annotate(
                "target",
                (x, target),
                xycoords=axes.get_yaxis_transform(),
                xytext=(0, 2.5 if va == "bottom" else -3),
                textcoords="offset points",
                ha=ha,
                va=va,
                fontsize=style.SMALL_SIZE,
                color=style.INK,
            )
            for x, ha in ((0.005, "left"), (0.995, "right"))
            for va in ("bottom", "top")
        ]
        best = min(texts, key=lambda text: placer.crowding(text.get_window_extent(placer.renderer)))
        for text in texts:
            if text is not best:
                text.remove()
        placer.avoid_text(best)
    for target in targets:
        placer.avoid_horizontal_line(target)


def draw_curve(
    axes: Axes, placer: LabelPlacer, models: pd.DataFrame, runs: pd.DataFrame, colour: str
) -> None:
    """Draw the line through the means, their intervals, and one dot per run."""
    import seaborn as sns  # takes a second to import, and most figures do without

    sns.lineplot(
        data=models,
        x="parameters",
        y="selection_accuracy",
        color=colour,
        linewidth=1.5,
        ax=axes,
        label="mean",
        legend=False,
    )
    several = models.dropna(subset=["low"])
    axes.vlines(
        several["parameters"], several["low"], several["high"], color=colour, linewidth=1.1, alpha=0.8
    )
    collapsed, diverged = has_collapsed(runs), has_diverged(runs)
    size_and_alpha = (26, 1.0) if several.empty else (13, 0.45)
    for group, marker, edge, (size, alpha) in (
        (runs[~collapsed & ~diverged], "o", 0.0, size_and_alpha),
        (runs[collapsed], "x", 1.2, size_and_alpha),
        (runs[diverged], "+", 1.2, (60, 1.0)),
    ):
        sns.scatterplot(
            data=group,
            x="parameters",
            y="selection_accuracy",
            color=colour,
            marker=marker,
            s=size,
            alpha=alpha,
            linewidth=edge,
            ax=axes,
            zorder=3,
            legend=False,
            rasterized=len(group) > style.MOST_SHAPES,
        )
    axes.set(ylabel="")
    axes.set_xlabel("trainable parameters (log scale)", fontsize=style.SMALL_SIZE + 0.4)
    placer.avoid_line(models["parameters"], models["selection_accuracy"])
    placer.avoid_markers(runs["parameters"], runs["selection_accuracy"])
    for model in rows(several):
        placer.avoid_line((model.parameters, model.parameters), (model.low, model.high))


def draw_breakpoints(axes: Axes, placer: LabelPlacer, reached: pd.DataFrame, colour: str) -> None:
    """Draw a ring around each breakpoint."""
    axes.plot(
        reached["parameters"],
        reached["selection_accuracy"],
        linestyle="none",
        marker="o",
        markersize=11,
        markerfacecolor="white",
        markeredgecolor=colour,
        markeredgewidth=1.8,
        zorder=2.5,
        label="breakpoint",
    )
    placer.avoid_markers(reached["parameters"], reached["selection_accuracy"], radius=7)


def draw_ranges(axes: Axes, placer: LabelPlacer, breakpoints: pd.DataFrame, colour: str) -> None:
    """Draw a bar along each target's line over the range that holds the answer, where it is a range."""
    for row in rows(breakpoints):
        low, high = row.range_low_parameters, row.range_high_parameters
        if pd.isna(low) or (pd.notna(high) and low == high):
            continue
        # Without an upper end it goes on beyond the largest width tried.
        ends = (low, axes.get_xlim()[1] if pd.isna(high) else high)
        axes.plot(
            ends,
            (row.target, row.target),
            color=colour,
            linewidth=7,
            alpha=0.3,
            solid_capstyle="butt",
            zorder=1.5,
            label="range",
        )
        placer.avoid_line(ends, (row.target, row.target))


def draw_published(axes: Axes, placer: LabelPlacer, points: list[tuple[int, float]], label: str) -> None:
    """Draw what others published, (parameters, test accuracy), as hollow diamonds."""
    if not points:
        return
    parameters, accuracies = zip(*points, strict=True)
    axes.plot(
        parameters,
        accuracies,
        linestyle="none",
        marker="D",
        markersize=6,
        markerfacecolor="none",
        markeredgecolor=style.MUTED,
        zorder=5,
        label=label,
    )
    placer.avoid_markers(parameters, accuracies)
