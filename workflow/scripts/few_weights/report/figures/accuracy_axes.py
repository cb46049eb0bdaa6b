"""Accuracy against parameters: the scales, and what is drawn on them.

Accuracies stand on an axis of equal steps in log(1 - accuracy): each step up cuts the errors by the same
factor, so that 97 and 98 % lie as clearly apart as 90 and 93 %, and a network that learned nothing (10 %)
still has its place. The axis is labelled in plain accuracies. They are those on the images that choose: held
out of training where a study holds some out, else the test images; every figure says which.
"""

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator

from few_weights.analysis.seeds import has_collapsed, has_diverged, selection_of
from few_weights.report import wording
from few_weights.report.figures import style
from few_weights.report.figures.label_placement import Ground

#: Labels of the accuracy axis, the most telling first; those that would crowd the others are left out.
ACCURACY_TICKS = [0.9, 0.99, 0.999, 0.5, 0.95, 0.98, 0.995, 0.8, 0.1, 0.97, 0.998, 0.7, 0.96, 0.94, 0.985]


ACCURACY_TICKS += [0.92, 0.85, 0.975, 0.965, 0.9995, 0.9999, 0.3, 0.6, 0.4, 0.2, 0]


def on_images(runs: pd.DataFrame) -> str:
    """The images that choose, which the accuracies of a figure are measured on, in words."""
    dataset, selection = runs["dataset"].iloc[0], selection_of(runs)
    examples = wording.count(runs[f"{selection}_examples"].max())
    if selection == "validation":
        return f"on the {examples} images of {dataset} held out of training"
    return f"on the {examples} test images of {dataset}"


def marks_note(models: pd.DataFrame, runs: pd.DataFrame) -> str:
    """What dots, line and bars are, and how many seeds stand behind them."""
    fewest, most = models["seeds"].min(), models["seeds"].max()
    crosses = " Crosses are runs that collapsed." if has_collapsed(runs).any() else ""
    crosses += " Plus signs are runs that diverged." if has_diverged(runs).any() else ""
    if most == 1:
        return f"One dot a run, n = 1 seed a width.{crosses}"
    n = f"n = {fewest}" if fewest == most else f"n = {fewest} to {most}"
    return (
        f"Dots are runs, the line their mean, whiskers its {wording.percent(0.95)} interval; {n} seeds a "
        f"width.{crosses}"
    )


def accuracy_scale(axes: Axes, accuracies, targets, runs: pd.DataFrame, labels: int = 13) -> None:
    """The vertical scale, its limits and at most about so many labels; `runs` have `selection_examples`."""
    # An accuracy of 1 has no place on a scale of errors: it stands just above the best mean below 1.
    examples_seen = runs["selection_examples"].max() * runs["seed"].nunique()
    perfect = min(0.5 / examples_seen, 0.5 * (1 - max(targets)))

    def errors(accuracy):
        error = 1 - np.asarray(accuracy, dtype=float)
        return -np.log10(np.where(error > 0, error, perfect))

    axes.set_yscale("function", functions=(errors, lambda y: 1 - 10.0 ** -np.asarray(y)))
    low, high = errors(min(accuracies)), errors(max(accuracies))
    room = max(0.12 * (high - low), 0.04)
    bottom, top = low - 2 * room, high + 1.6 * room
    axes.set_ylim(1 - 10**-bottom, 1 - 10**-top)
    whole = [1.0] if max(accuracies) == 1 else []
    ticks = [tick for tick in ACCURACY_TICKS if not whole or errors(tick) < errors(1.0)]
    ticks = spaced_ticks(targets, [*whole, *ticks], errors, bottom, top, labels)
    axes.yaxis.set_major_locator(FixedLocator(ticks))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: wording.percent(y)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="y", color=style.FAINT, linewidth=0.6, alpha=0.7)
    axes.set_axisbelow(True)
    axes.spines["left"].set_visible(False)


def scale_axes(axes: Axes, parameters, accuracies, targets, runs: pd.DataFrame) -> None:
    """Both scales, their limits and their labels."""
    accuracy_scale(axes, accuracies, targets, runs)
    low, high = np.log10(min(parameters)), np.log10(max(parameters))
    room = max(0.06 * (high - low), 0.12 if high > low else 0.4)
    axes.set_xscale("log")
    axes.set_xlim(10 ** (low - room), 10 ** (high + room))
    decades = range(int(low - room) - 1, int(high + room) + 2)
    steps = (1,) if high - low > 1.3 else (1, 2, 5)
    axes.xaxis.set_major_locator(FixedLocator([step * 10.0**decade for decade in decades for step in steps]))
    axes.xaxis.set_minor_locator(
        FixedLocator([step * 10.0**decade for decade in decades for step in range(2, 10)])
    )
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,.0f}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.tick_params(which="minor", length=2)
    axes.set_xlabel("trainable parameters (log scale)", fontsize=style.SMALL_SIZE + 0.4)


def spaced_ticks(targets, candidates, errors, bottom: float, top: float, labels: int) -> list[float]:
    """The targets and as many of the candidates as fit between them."""
    chosen: list[float] = []
    for accuracy in [*targets, *candidates]:
        y = errors(accuracy)
        apart = min((abs(y - errors(other)) for other in chosen), default=np.inf)
        if accuracy in targets or (
            bottom + 0.03 * (top - bottom) <= y <= top and apart > (top - bottom) / labels
        ):
            chosen.append(accuracy)
    return sorted(set(chosen))


def draw_targets(axes: Axes, ground: Ground, targets) -> None:
    """A dashed line a target, named at whichever end, above or below, is the least crowded."""
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
        best = min(texts, key=lambda text: ground.crowding(text.get_window_extent(ground.renderer)))
        for text in texts:
            if text is not best:
                text.remove()
        ground.avoid_text(best)
    for target in targets:
        ground.avoid_level(target)


def draw_curve(axes: Axes, ground: Ground, models: pd.DataFrame, runs: pd.DataFrame, colour: str) -> None:
    """The line through the means, their intervals, and a dot a run."""
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
    usual = (26, 1) if several.empty else (13, 0.45)
    for its_runs, marker, edge, (size, alpha) in (
        (runs[~collapsed & ~diverged], "o", 0, usual),
        (runs[collapsed], "x", 1.2, usual),
        (runs[diverged], "+", 1.2, (60, 1)),
    ):
        sns.scatterplot(
            data=its_runs,
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
        )
    axes.set(ylabel="")
    axes.set_xlabel("trainable parameters (log scale)", fontsize=style.SMALL_SIZE + 0.4)
    ground.avoid_line(models["parameters"], models["selection_accuracy"])
    ground.avoid_points(runs["parameters"], runs["selection_accuracy"])
    for model in several.itertuples():
        ground.avoid_line((model.parameters, model.parameters), (model.low, model.high))


def draw_breakpoints(axes: Axes, ground: Ground, reached: pd.DataFrame, colour: str) -> None:
    """A ring around each breakpoint."""
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
    ground.avoid_points(reached["parameters"], reached["selection_accuracy"], radius=7)


def draw_published(axes: Axes, ground: Ground, points: list[tuple[int, float]], label: str) -> None:
    """What others published, as (parameters, test accuracy): hollow diamonds."""
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
    ground.avoid_points(parameters, accuracies)
