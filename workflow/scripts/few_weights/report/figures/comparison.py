"""The figure that compares all architectures: the weights that each needs, and accuracy against weights."""

from collections.abc import Mapping, Sequence
from string import ascii_lowercase

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from few_weights.analysis.divergence import has_diverged
from few_weights.analysis.published import RECORDS, Record
from few_weights.analysis.rows import by_architecture, rows
from few_weights.analysis.seeds import (
    first_target,
    interval_error,
    model_means,
    models_with_intervals,
    with_selection,
)
from few_weights.data.names import display_name
from few_weights.report import wording
from few_weights.report.certainty_text import (
    has_certainty,
    has_range,
    is_range,
    range_of,
    times_as_many,
)
from few_weights.report.figures import style
from few_weights.report.figures.accuracy_axes import (
    draw_breakpoints,
    draw_curve,
    draw_published,
    draw_targets,
    on_images,
    scale_axes,
    symbols_note,
)
from few_weights.report.figures.inputs import FigureInputs
from few_weights.report.figures.label_placer import Label, LabelPlacer
from few_weights.report.figures.layout import (
    axes_position,
    fit_bar_labels,
    fit_names,
    new_figure,
    write_title,
)


def plot_comparison(
    runs: pd.DataFrame, breakpoints: pd.DataFrame, records: Sequence[Record] = ()
) -> tuple[Figure, str]:
    """All architectures in one figure; and its title.

    At the top, the weights that each needs for the first target, as bars from zero; below, accuracy against
    weights, with published records as hollow diamonds. A letter leads from each diamond to its caveat at the
    bottom.

    Args:
        runs: runs.csv.
        breakpoints: breakpoints.csv.
        records: published networks to show; none by default.
    """
    colours = style.colours(runs["architecture"])
    runs = with_selection(runs)
    first = first_target(breakpoints)
    title = comparison_title(runs, breakpoints)

    with style.figure_style():
        bars_height = 0.36 * len(first) + 0.1
        captions_height = 0.18 * len(records) + 0.1 if records else 0
        figure = new_figure(style.CURVE_HEIGHT + bars_height + 0.75 + captions_height)
        note = comparison_note(runs, models_with_intervals(runs, interval_error(first)), first)
        if records:
            note += " Diamonds: published by others, on the test images (see below)."
        top = write_title(figure, title, note)
        height = figure.get_figheight()
        left, bottom, width, _ = axes_position(figure, top)
        bottom += captions_height / height
        bars = figure.add_axes((left, top - bars_height / height, width, bars_height / height))
        draw_bars(bars, first, runs, colours)

        axes = figure.add_axes((left, bottom, width, top - bottom - (bars_height + 0.35) / height))
        draw_curves(axes, runs, breakpoints, records, colours)
        write_captions(figure, records)
    return figure, title


def comparison_title(runs: pd.DataFrame, breakpoints: pd.DataFrame) -> str:
    """The title: how few weights are enough, and how many times as many the largest breakpoint needs."""
    first = first_target(breakpoints)
    target, dataset = wording.percent(first["target"].iloc[0]), display_name(runs["dataset"].iloc[0])
    reached = first[first["reached"]].sort_values("parameters", kind="stable")
    if reached.empty:
        return f"On {dataset}, no network tried reaches {target}"
    fewest, most = reached.iloc[0], reached.iloc[-1]
    title = f"On {dataset}, {wording.count(fewest['parameters'])} weights of {fewest['architecture']} "
    title += f"{'may be' if is_range(fewest) else 'are'} enough for {target}"
    if len(reached) == 1:
        return title
    ratio = times_as_many(most, fewest["parameters"])
    return f"{title}; {most['architecture']} needs {ratio} times as many"


def comparison_note(runs: pd.DataFrame, models: pd.DataFrame, first: pd.DataFrame) -> str:
    """The note below the title: what bars, dots and lines show."""
    target = wording.percent(first["target"].iloc[0])
    note = f"Bars: the weights of the smallest model that reaches {target}. Accuracy {on_images(runs)}."
    return f"{note} {symbols_note(models, runs, has_certainty(first))}"


def draw_bars(axes: Axes, first: pd.DataFrame, runs: pd.DataFrame, colours: Mapping[str, str]) -> None:
    """Draw a bar for the weights that each architecture needs, the longest on top; or that it needs more."""
    # Those that miss the target come first: they need more than what was tried.
    order = first.sort_values("parameters", ascending=False, na_position="first", kind="stable")
    longest = order["parameters"].max() if order["reached"].any() else 1
    examples = runs["selection_examples"].max()
    for y, row in enumerate(rows(order)):
        colour = colours[row.architecture]
        if row.reached:
            axes.barh(y, row.parameters, height=0.56, color=colour, label=row.architecture)
            width = str(row.width)
            if has_range(order[order["architecture"] == row.architecture]):
                width += f"; {range_of(row, 'width')} possible"
            text, x = f"{wording.count(row.parameters)} (width {width})", row.parameters
        else:
            group = runs[runs["architecture"] == row.architecture]
            best = wording.accuracy(model_means(group)["deciding_accuracy"].max(), examples)
            outcome = "every run diverged" if has_diverged(group).all() else f"best {best}"
            text, x = f"not reached; {outcome}", 0
        axes.annotate(
            text, (x, y), xytext=(5, 0), textcoords="offset points", va="center", fontsize=style.TEXT_SIZE
        )
    architectures = list(order["architecture"])
    names = [wording.short(architecture) for architecture in architectures]
    axes.set_yticks(range(len(order)), names, fontsize=style.TEXT_SIZE, fontweight="bold")
    for label, architecture in zip(axes.get_yticklabels(), architectures, strict=True):
        label.set_color(colours[architecture])
    axes.set_xlim(0, 1.42 * longest)
    axes.set_ylim(len(order) - 0.5, -0.5)
    fit_names(axes)
    fit_bar_labels(axes)
    axes.tick_params(axis="y", length=0)
    axes.xaxis.set_visible(False)
    axes.spines["bottom"].set_visible(False)


def draw_curves(
    axes: Axes,
    runs: pd.DataFrame,
    breakpoints: pd.DataFrame,
    records: Sequence[Record],
    colours: Mapping[str, str],
) -> None:
    """Draw accuracy against weights of all architectures, with breakpoints, targets and published records."""
    targets = sorted(breakpoints["target"].unique())
    published = [(record.parameters, record.test_accuracy) for record in records]
    parameters = [*runs["parameters"], *(parameters for parameters, _ in published)]
    accuracies = [*runs["selection_accuracy"], *targets, *(accuracy for _, accuracy in published)]
    scale_axes(axes, parameters, accuracies, targets, runs)
    placer = LabelPlacer(axes)
    draw_published(axes, placer, published, "published")
    lines = []
    for architecture, group in by_architecture(runs):
        models = models_with_intervals(group, interval_error(breakpoints))
        draw_curve(axes, placer, models, group, colours[architecture])
        reached = breakpoints[(breakpoints["architecture"] == architecture) & breakpoints["reached"]]
        draw_breakpoints(axes, placer, reached, colours[architecture])
        largest_first = models.iloc[::-1]
        points = zip(largest_first["parameters"], largest_first["selection_accuracy"], strict=True)
        lines.append((architecture, list(points)))
    draw_targets(axes, placer, targets)
    # The line that ends farthest to the right has the least space for its name.
    for architecture, anchors in sorted(lines, key=lambda line: line[1][0], reverse=True):
        colour = colours[architecture]
        name = wording.short(architecture)
        placer.add_label(Label(name, anchors, colour, style.TEXT_SIZE, "bold", direction=90))
    for letter, point in zip(ascii_lowercase, published, strict=False):
        placer.add_label(Label(letter, [point], style.MUTED, style.SMALL_SIZE, direction=0))


def write_captions(figure: Figure, records: Sequence[Record]) -> None:
    """Write one line per record at the bottom, with its caveat."""
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
    """The figure and its title, from the files that it is drawn from."""
    return plot_comparison(inputs.runs, inputs.breakpoints, RECORDS.get(inputs.published_for, ()))
