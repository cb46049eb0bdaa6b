"""The figure of learning curves: accuracy after each epoch, around each breakpoint."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from few_weights.analysis.divergence import has_diverged
from few_weights.analysis.rows import rows
from few_weights.analysis.seeds import first_target, has_several_seeds, selection_of, with_selection
from few_weights.report import wording
from few_weights.report.figures import style
from few_weights.report.figures.accuracy_axes import on_images, scale_accuracy_axis
from few_weights.report.figures.inputs import FigureInputs
from few_weights.report.figures.layout import fit_names, new_figure, write_title

#: Panels in a row, and the height of a panel in inches.
COLUMNS, PANEL_HEIGHT = 2, 2.1

#: Characters of a tick's label that fit to the left of a panel.
LONG_TICK = 6


class LineEnd(NamedTuple):
    """The end of a model's line, in data coordinates; ordered by accuracy."""

    accuracy: float
    epoch: int
    width: int
    is_breakpoint: bool


def neighbourhood(runs: pd.DataFrame, breakpoints: pd.DataFrame, architecture: str) -> list[int]:
    """The widths around an architecture's breakpoint for the first target, by parameters.

    They are the next smaller, the breakpoint and the next larger, if they were trained; without a breakpoint
    the three largest.
    """
    group = runs[runs["architecture"] == architecture]
    widths = list(group.groupby("width")["parameters"].first().sort_values(kind="stable").index)
    point = first_target(breakpoints).set_index("architecture").loc[architecture]
    if not point["reached"]:
        return widths[-3:]
    index = widths.index(point["width"])
    return widths[max(0, index - 1) : index + 2]


def plot_learning(history: pd.DataFrame, runs: pd.DataFrame, breakpoints: pd.DataFrame) -> tuple[Figure, str]:
    """Accuracy after each epoch around each breakpoint, one panel per architecture; and the title.

    Args:
        history: history.csv.
        runs: runs.csv.
        breakpoints: breakpoints.csv.
    """
    history = extend_diverged(history, runs)
    architectures = list(dict.fromkeys(breakpoints["architecture"]))
    colours = style.colours(runs["architecture"])
    target = first_target(breakpoints)["target"].iloc[0]
    accuracy = f"{selection_of(runs)}_accuracy"
    runs = with_selection(runs)
    chosen = pd.concat(
        history[
            (history["architecture"] == name) & history["width"].isin(neighbourhood(runs, breakpoints, name))
        ]
        for name in architectures
    )
    title = learning_title(history, runs, breakpoints, accuracy)
    note = learning_note(runs, target)

    with style.figure_style():
        columns = min(COLUMNS, len(architectures))
        panels = -(-len(architectures) // columns)
        figure = new_figure(panels * PANEL_HEIGHT + 1.4)
        top = write_title(figure, title, note)
        inch = 1 / figure.get_figheight()
        height = (top - 0.5 * inch) / panels
        width = 0.9 / columns
        accuracies = [*chosen[accuracy], target]
        for number, name in enumerate(architectures):
            row, column = divmod(number, columns)
            bottom = top - (row + 1) * height + 0.2 * inch
            axes = figure.add_axes((0.1 + column * width, bottom, width - 0.03, height - 0.5 * inch))
            scale_accuracy_axis(axes, accuracies, [target], runs, most_labels=7)
            of_architecture = chosen[chosen["architecture"] == name]
            point = first_target(breakpoints).set_index("architecture").loc[name]
            widths = neighbourhood(runs, breakpoints, name)
            draw_panel(axes, of_architecture, accuracy, widths, point, colours[name])
            axes.axhline(target, color=style.INK, linewidth=0.9, linestyle=(0, (4, 3)), zorder=1)
            axes.set_title(
                wording.short(name),
                loc="left",
                fontsize=style.TEXT_SIZE,
                fontweight="bold",
                color=colours[name],
            )
            if column:
                axes.set_yticklabels([])
            elif max(len(wording.percent(tick)) for tick in axes.get_yticks()) > LONG_TICK:
                fit_names(axes, margin=0.01)
            if number + columns >= len(architectures):
                axes.set_xlabel("epoch", fontsize=style.SMALL_SIZE)
    return figure, title


def learning_note(runs: pd.DataFrame, target: float) -> str:
    """The note below the title: what the lines show."""
    note = (
        f"Accuracy {on_images(runs)} after each epoch: the breakpoint (bold), the next smaller (paler) and "
        "the next larger width."
    )
    if has_several_seeds(runs):
        note += " Lines are means over seeds, faint lines single runs."
    if has_diverged(runs).any():
        note += " A plus sign marks where a run diverged; its last accuracy counts until the end."
    return f"{note} Dashed: the target, {wording.percent(target)}."


def extend_diverged(history: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
    """The history with the column `diverged`: whether a run diverged in that epoch.

    The last accuracies of such a run are repeated up to its planned end, because they are what counts in the
    means of the other tables.
    """
    diverged = runs[has_diverged(runs)]
    history = history.assign(diverged=False)
    parts = [history]
    for run in rows(diverged):
        own = history["architecture"].eq(run.architecture) & history["width"].eq(run.width)
        own &= history["seed"].eq(run.seed)
        last = own & (history["epoch"] == run.diverged_in_epoch)
        history.loc[last, "diverged"] = True
        end = history[last].assign(diverged=False)
        parts += [end.assign(epoch=epoch) for epoch in range(run.diverged_in_epoch + 1, run.epochs + 1)]
    return pd.concat(parts, ignore_index=True) if len(parts) > 1 else history


def draw_panel(
    axes: Axes, history: pd.DataFrame, accuracy: str, widths: Sequence[int], point: pd.Series, colour: str
) -> None:
    """Draw one architecture's panel: each width's mean over seeds, named at its end, and faintly every seed.

    Args:
        axes: the panel.
        history: the architecture's rows of history.csv, extended by `extend_diverged`.
        accuracy: the column to draw.
        widths: the widths to draw, from the smallest.
        point: the architecture's row of breakpoints.csv for the first target.
        colour: the architecture's colour.
    """
    shades = style.layer_shades(colour, len(widths))
    ends = []
    for width, shade in zip(widths, shades, strict=True):
        of_width = history[history["width"] == width]
        is_breakpoint = bool(point["reached"] and width == point["width"])
        by_epoch = of_width.pivot(index="epoch", columns="seed", values=accuracy).astype(float)
        diverged = of_width[of_width["diverged"]]
        if not diverged.empty:
            axes.plot(diverged["epoch"], diverged[accuracy], color=shade, linestyle="none", marker="+")
        if by_epoch.shape[1] > 1:
            as_pixels = by_epoch.size > style.MOST_SHAPES
            for seed in by_epoch:
                axes.plot(
                    by_epoch.index,
                    by_epoch[seed],
                    color=shade,
                    linewidth=0.6,
                    alpha=0.35,
                    rasterized=as_pixels,
                )
        mean = by_epoch.mean(axis=1)
        axes.plot(
            mean.index,
            mean,
            color=shade,
            linewidth=2.2 if is_breakpoint else 1.3,
            marker="o",
            markersize=3 if len(mean) < 8 else 0,
            label=f"width {width}",
        )
        ends.append(LineEnd(mean.iloc[-1], mean.index[-1], width, is_breakpoint))
    axes.set_xlim(history["epoch"].min() - 0.3, history["epoch"].max() * 1.16 + 0.2)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6, min_n_ticks=1))
    name_ends(axes, ends)


def name_ends(axes: Axes, ends: Iterable[LineEnd]) -> None:
    """Write the width after the end of each line, moved apart where lines end close together."""
    to_pixels = axes.transData.transform
    gap = 1.15 * style.SMALL_SIZE * axes.figure.dpi / 72
    lowest = -float("inf")
    for accuracy, epoch, width, is_breakpoint in sorted(ends):
        y = to_pixels((epoch, accuracy))[1]
        lowest = max(y, lowest + gap)
        axes.annotate(
            str(width),
            (epoch, accuracy),
            xytext=(5, (lowest - y) * 72 / axes.figure.dpi),
            textcoords="offset points",
            va="center",
            fontsize=style.SMALL_SIZE,
            fontweight="bold" if is_breakpoint else "normal",
            color=style.INK if is_breakpoint else style.MUTED,
        )


def learning_title(
    history: pd.DataFrame, runs: pd.DataFrame, breakpoints: pd.DataFrame, accuracy: str
) -> str:
    """The title: after which epoch the smallest sufficient model first reached the target."""
    first = first_target(breakpoints)
    target = wording.percent(first["target"].iloc[0])
    reached = first[first["reached"]].sort_values("parameters", kind="stable")
    if reached.empty:
        return f"No network tried reaches {target} after its last epoch"
    point = reached.iloc[0]
    of_model = history[
        (history["architecture"] == point["architecture"]) & (history["width"] == point["width"])
    ]
    means = of_model.groupby("epoch")[accuracy].mean()
    epoch = means.index[means >= point["target"]].min()
    name = f"{point['architecture']} of width {point['width']}"
    if pd.isna(epoch):  # a mean of rounded accuracies may be slightly below the exact one
        epoch = means.index.max()
    return f"{name} first reaches {target} after epoch {epoch} of {means.index.max()}"


def draw(inputs: FigureInputs) -> tuple[Figure, str]:
    """The figure and its title, from the files that it is drawn from."""
    return plot_learning(inputs.history, inputs.runs, inputs.breakpoints)
