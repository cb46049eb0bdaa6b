"""The figure of all architectures: the weights that each needs, and the curves behind them."""

from collections.abc import Sequence
from string import ascii_lowercase

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from few_weights.analysis.published import RECORDS, Record
from few_weights.analysis.seeds import (
    first_target,
    has_diverged,
    models_with_intervals,
    summarise_models,
    with_selection,
)
from few_weights.report import wording
from few_weights.report.figures import style
from few_weights.report.figures.accuracy_axes import (
    draw_breakpoints,
    draw_curve,
    draw_published,
    draw_targets,
    marks_note,
    on_images,
    scale_axes,
)
from few_weights.report.figures.canvas import (
    make_room_for_names,
    make_room_for_numbers,
    margins,
    new_figure,
    write_title,
)
from few_weights.report.figures.inputs import FigureInputs
from few_weights.report.figures.label_placement import Ground, Label


def plot_comparison(
    runs: pd.DataFrame, breakpoints: pd.DataFrame, records: Sequence[Record] = ()
) -> tuple[Figure, str]:
    """All architectures in one picture; and its message.

    Above, the weights each needs for the first target, as bars from zero; below, the curves behind them, with
    published records as hollow diamonds, each with a letter that stands before its caveat at the bottom.
    """
    colours = style.colours(runs["architecture"])
    runs = with_selection(runs)
    first = first_target(breakpoints)
    message = comparison_message(runs, breakpoints)

    with style.figure_style():
        bars_height = 0.36 * len(first) + 0.1
        captions_height = 0.18 * len(records) + 0.1 if records else 0
        figure = new_figure(style.CURVE_HEIGHT + bars_height + 0.75 + captions_height)
        note = comparison_note(runs, models_with_intervals(runs), first)
        if records:
            note += " Diamonds: published by others, on the test images; see below."
        top = write_title(figure, message, note)
        height = figure.get_figheight()
        left, bottom, width, _ = margins(figure, top)
        bottom += captions_height / height
        bars = figure.add_axes((left, top - bars_height / height, width, bars_height / height))
        draw_bars(bars, first, runs, colours)

        axes = figure.add_axes((left, bottom, width, top - bottom - (bars_height + 0.35) / height))
        targets = sorted(breakpoints["target"].unique())
        published = [(record.parameters, record.test_accuracy) for record in records]
        parameters = [*runs["parameters"], *(parameters for parameters, _ in published)]
        accuracies = [*runs["selection_accuracy"], *targets, *(accuracy for _, accuracy in published)]
        scale_axes(axes, parameters, accuracies, targets, runs)
        ground = Ground(axes)
        draw_published(axes, ground, published, "published")
        lines = []
        for architecture, its_runs in runs.groupby("architecture", sort=False):
            models = models_with_intervals(its_runs)
            draw_curve(axes, ground, models, its_runs, colours[architecture])
            its_breakpoints = breakpoints[
                (breakpoints["architecture"] == architecture) & breakpoints["reached"]
            ]
            draw_breakpoints(axes, ground, its_breakpoints, colours[architecture])
            widest_first = models[["parameters", "selection_accuracy"]].iloc[::-1]
            lines.append((architecture, list(widest_first.itertuples(index=False, name=None))))
        draw_targets(axes, ground, targets)
        # The line that ends farthest to the right has the least room for its name.
        for architecture, points in sorted(lines, key=lambda line: line[1][0], reverse=True):
            colour = colours[architecture]
            name = wording.short(architecture)
            ground.place(Label(name, points, colour, style.TEXT_SIZE, "bold", towards=90))
        for letter, point in zip(ascii_lowercase, published, strict=False):
            ground.place(Label(letter, [point], style.MUTED, style.SMALL_SIZE, towards=0))
        write_captions(figure, records)
    return figure, message


def comparison_message(runs: pd.DataFrame, breakpoints: pd.DataFrame) -> str:
    first = first_target(breakpoints)
    target, dataset = wording.percent(first["target"].iloc[0]), runs["dataset"].iloc[0]
    reached = first[first["reached"]].sort_values("parameters", kind="stable")
    if reached.empty:
        return f"On {dataset}, no network tried reaches {target}"
    fewest, most = reached.iloc[0], reached.iloc[-1]
    message = f"On {dataset}, {wording.count(fewest['parameters'])} weights of {fewest['architecture']} "
    message += f"are enough for {target}"
    if len(reached) == 1:
        return message
    ratio = wording.times(most["parameters"] / fewest["parameters"])
    return f"{message}; {most['architecture']} needs {ratio} times as many"


def comparison_note(runs: pd.DataFrame, models: pd.DataFrame, first: pd.DataFrame) -> str:
    target = wording.percent(first["target"].iloc[0])
    note = f"Bars: the weights of the smallest model that reaches {target}. Accuracy {on_images(runs)}."
    return f"{note} {marks_note(models, runs)}"


def draw_bars(axes: Axes, first: pd.DataFrame, runs: pd.DataFrame, colours: dict[str, str]) -> None:
    """The weights each architecture needs, the hungriest on top; one that misses the target says so."""
    # Those that miss the target come first: whatever they need is more than what was tried.
    order = first.sort_values("parameters", ascending=False, na_position="first", kind="stable")
    longest = order["parameters"].max() if order["reached"].any() else 1
    examples = runs["selection_examples"].max()
    for y, row in enumerate(order.itertuples()):
        colour = colours[row.architecture]
        if row.reached:
            axes.barh(y, row.parameters, height=0.56, color=colour, label=row.architecture)
            text, x = f"{wording.count(row.parameters)} (width {row.width})", row.parameters
        else:
            its_runs = runs[runs["architecture"] == row.architecture]
            best = summarise_models(its_runs)["deciding_accuracy"].max()
            best = (
                "every run diverged"
                if has_diverged(its_runs).all()
                else f"best {wording.accuracy(best, examples)}"
            )
            text, x = f"not reached; {best}", 0
        axes.annotate(
            text, (x, y), xytext=(5, 0), textcoords="offset points", va="center", fontsize=style.TEXT_SIZE
        )
    names = order["architecture"].map(wording.short)
    axes.set_yticks(range(len(order)), names, fontsize=style.TEXT_SIZE, fontweight="bold")
    for label, architecture in zip(axes.get_yticklabels(), order["architecture"], strict=True):
        label.set_color(colours[architecture])
    axes.set_xlim(0, 1.42 * longest)
    axes.set_ylim(len(order) - 0.5, -0.5)
    make_room_for_names(axes)
    make_room_for_numbers(axes)
    axes.tick_params(axis="y", length=0)
    axes.xaxis.set_visible(False)
    sns.despine(ax=axes, bottom=True)


def write_captions(figure: Figure, records: Sequence[Record]) -> None:
    """A line a record at the bottom: without its caveat a record says more than it may."""
    captions = [
        f"{letter}  {wording.count(record.parameters)} weights, {wording.percent(record.test_accuracy)}: "
        + record.caveat
        for letter, record in zip(ascii_lowercase, records, strict=False)
    ]
    figure.text(
        0.025,
        0.1 / figure.get_figheight(),
        "\n".join(captions),
        va="bottom",
        fontsize=style.SMALL_SIZE,
        color=style.MUTED,
        linespacing=1.4,
    )


def draw(inputs: FigureInputs) -> tuple[Figure, str]:
    """The figure, and its message."""
    return plot_comparison(inputs.runs, inputs.breakpoints, RECORDS.get(inputs.published_for, ()))
