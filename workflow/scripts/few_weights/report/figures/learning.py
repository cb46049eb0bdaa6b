"""How the networks around each breakpoint learned: history.csv to a figure."""

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from few_weights.analysis.seeds import first_target, has_diverged, selection_of, with_selection
from few_weights.report import wording
from few_weights.report.figures import style
from few_weights.report.figures.accuracy_axes import accuracy_scale, on_images
from few_weights.report.figures.canvas import layer_shades, make_room_for_names, new_figure, write_title
from few_weights.report.figures.inputs import FigureInputs

COLUMNS = 2


PANEL_HEIGHT = 2.1


#: Characters of a tick's label that fit to the left of a panel.
LONG_TICK = 6


def neighbourhood(runs: pd.DataFrame, breakpoints: pd.DataFrame, architecture: str) -> list[int]:
    """The widths around an architecture's first breakpoint, by parameters: the next smaller, itself, the next
    larger, as far as they were trained; without a breakpoint the three largest."""
    its_runs = runs[runs["architecture"] == architecture]
    widths = list(its_runs.groupby("width")["parameters"].first().sort_values(kind="stable").index)
    point = first_target(breakpoints).set_index("architecture").loc[architecture]
    if not point["reached"]:
        return widths[-3:]
    place = widths.index(point["width"])
    return widths[max(0, place - 1) : place + 2]


def plot_learning(history: pd.DataFrame, runs: pd.DataFrame, breakpoints: pd.DataFrame) -> tuple[Figure, str]:
    """Accuracy after each epoch around each breakpoint, a panel an architecture; and the message."""
    history = carried_on(history, runs)
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
    message = learning_message(history, runs, breakpoints, accuracy)
    note = (
        f"Accuracy {on_images(runs)}, after each epoch: the breakpoint (bold) between its neighbours, paler "
        "is smaller."
    )
    if runs["seed"].nunique() > 1:
        note += " Lines are means over seeds, the faint ones single runs."
    if has_diverged(runs).any():
        note += " A plus sign is where a run diverged; from there on its accuracy stays."
    note += f" Dashed: the target, {wording.percent(target)}."

    with style.figure_style():
        columns = min(COLUMNS, len(architectures))
        panels = -(-len(architectures) // columns)
        figure = new_figure(panels * PANEL_HEIGHT + 1.4)
        top = write_title(figure, message, note)
        inch = 1 / figure.get_figheight()
        height = (top - 0.5 * inch) / panels
        width = 0.9 / columns
        shown = [*chosen[accuracy], target]
        for number, name in enumerate(architectures):
            row, column = divmod(number, columns)
            bottom = top - (row + 1) * height + 0.2 * inch
            axes = figure.add_axes((0.1 + column * width, bottom, width - 0.03, height - 0.5 * inch))
            accuracy_scale(axes, shown, [target], runs, labels=7)
            its_history = chosen[chosen["architecture"] == name]
            point = first_target(breakpoints).set_index("architecture").loc[name]
            widths = neighbourhood(runs, breakpoints, name)
            draw_panel(axes, its_history, accuracy, widths, point, colours[name])
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
                make_room_for_names(axes, margin=0.01)
            if number + columns >= len(architectures):
                axes.set_xlabel("epoch", fontsize=style.SMALL_SIZE)
    return figure, message


def carried_on(history: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
    """The history with `diverged`, whether a run diverged in that epoch.

    The last accuracies of such a run are repeated up to its planned end, because its last network is what
    counts in the means of the other tables.
    """
    diverged = runs[has_diverged(runs)]
    history = history.assign(diverged=False)
    parts = [history]
    for run in diverged.itertuples():
        own = history["architecture"].eq(run.architecture) & history["width"].eq(run.width)
        own &= history["seed"].eq(run.seed)
        last = own & (history["epoch"] == run.diverged_in_epoch)
        history.loc[last, "diverged"] = True
        end = history[last].assign(diverged=False)
        parts += [end.assign(epoch=epoch) for epoch in range(run.diverged_in_epoch + 1, run.epochs + 1)]
    return pd.concat(parts, ignore_index=True) if len(parts) > 1 else history


def draw_panel(axes, history: pd.DataFrame, accuracy: str, widths: list[int], point, colour: str) -> None:
    """One architecture: each width's mean over seeds, every seed faintly behind it, a name at its end."""
    shades = layer_shades(colour, len(widths))
    ends = []
    for width, shade in zip(widths, shades, strict=True):
        its_history = history[history["width"] == width]
        is_breakpoint = bool(point["reached"] and width == point["width"])
        by_epoch = its_history.pivot(index="epoch", columns="seed", values=accuracy).astype(float)
        diverged = its_history[its_history["diverged"]]
        if not diverged.empty:
            axes.plot(diverged["epoch"], diverged[accuracy], color=shade, linestyle="none", marker="+")
        if by_epoch.shape[1] > 1:
            for seed in by_epoch:
                axes.plot(by_epoch.index, by_epoch[seed], color=shade, linewidth=0.6, alpha=0.35)
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
        ends.append((mean.iloc[-1], mean.index[-1], width, is_breakpoint))
    axes.set_xlim(history["epoch"].min() - 0.3, history["epoch"].max() * 1.16 + 0.2)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6, min_n_ticks=1))
    name_ends(axes, ends)


def name_ends(axes, ends: list[tuple]) -> None:
    """The width behind the end of each line, pushed apart where lines end together."""
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


def learning_message(
    history: pd.DataFrame, runs: pd.DataFrame, breakpoints: pd.DataFrame, accuracy: str
) -> str:
    """When the smallest sufficient model first stood at the target."""
    first = first_target(breakpoints)
    target = wording.percent(first["target"].iloc[0])
    reached = first[first["reached"]].sort_values("parameters", kind="stable")
    if reached.empty:
        return f"No network tried stands at {target} after its last epoch"
    point = reached.iloc[0]
    of_model = history[
        (history["architecture"] == point["architecture"]) & (history["width"] == point["width"])
    ]
    means = of_model.groupby("epoch")[accuracy].mean()
    epoch = means.index[means >= point["target"]].min()
    name = f"{point['architecture']} of width {point['width']}"
    if pd.isna(epoch):  # a mean of rounded accuracies may lie a hair below the exact one
        epoch = means.index.max()
    return f"{name} first reaches {target} after epoch {epoch} of {means.index.max()}"


def draw(inputs: FigureInputs) -> tuple[Figure, str]:
    """The figure, and its message."""
    return plot_learning(inputs.history, inputs.runs, inputs.breakpoints)
