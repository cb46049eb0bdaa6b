"""The figure of one architecture's curve: accuracy against parameters, with its breakpoints."""

import pandas as pd
from matplotlib.figure import Figure

from few_weights.analysis.rows import Row, rows
from few_weights.analysis.seeds import (
    interval_error,
    models_with_intervals,
    selection_of,
    with_selection,
)
from few_weights.report import wording
from few_weights.report.certainty_text import has_certainty, has_range, range_of
from few_weights.report.figures import style
from few_weights.report.figures.accuracy_axes import (
    draw_breakpoints,
    draw_curve,
    draw_published,
    draw_ranges,
    draw_targets,
    on_images,
    scale_axes,
    symbols_note,
)
from few_weights.report.figures.inputs import FigureInputs
from few_weights.report.figures.label_placer import Label, LabelPlacer
from few_weights.report.figures.layout import axes_position, new_figure, write_title


def plot_curve(runs: pd.DataFrame, breakpoints: pd.DataFrame, architecture: str) -> tuple[Figure, str]:
    """Accuracy against parameters for one architecture, with rings around its breakpoints; and the title.

    Args:
        runs: runs.csv.
        breakpoints: breakpoints.csv.
        architecture: the one to draw.
    """
    colour = style.colours(runs["architecture"])[architecture]
    runs = with_selection(runs[runs["architecture"] == architecture])
    breakpoints = breakpoints[breakpoints["architecture"] == architecture]
    models = models_with_intervals(runs, interval_error(breakpoints))
    reached = breakpoints[breakpoints["reached"]]
    title = curve_title(architecture, breakpoints)

    with style.figure_style():
        figure = new_figure(style.CURVE_HEIGHT)
        top = write_title(figure, title, curve_note(runs, models, breakpoints))
        axes = figure.add_axes(axes_position(figure, top))
        targets = sorted(breakpoints["target"].unique())
        article = breakpoints.dropna(subset=["article_parameters"])
        accuracies = [*runs["selection_accuracy"], *targets, *article["article_test_accuracy"]]
        scale_axes(axes, [*runs["parameters"], *article["article_parameters"]], accuracies, targets, runs)
        placer = LabelPlacer(axes)
        draw_curve(axes, placer, models, runs, colour)
        draw_breakpoints(axes, placer, reached, colour)
        if has_certainty(breakpoints):
            draw_ranges(axes, placer, breakpoints, colour)
        draw_targets(axes, placer, targets)
        points = zip(article["article_parameters"], article["article_test_accuracy"], strict=True)
        draw_published(axes, placer, list(points), "article")

        examples = runs["selection_examples"].max()
        for row in rows(article):
            placer.add_label(article_label(row, runs))
        for _, of_width in reached.groupby(["width", "parameters"]):
            placer.add_label(breakpoint_label(of_width, examples, colour))
        for model in rows(models.iloc[::-1]):
            if model.width not in set(reached["width"]):
                placer.add_label(width_label(model, in_full=model.Index == models.index[-1]))
    return figure, title


def curve_title(architecture: str, breakpoints: pd.DataFrame) -> str:
    """The title: how many weights are enough for the first target."""
    row = breakpoints.iloc[0]
    target = wording.percent(row["target"])
    if has_range(breakpoints.iloc[:1]):
        return f"{architecture}: {range_of(row, 'parameters')} weights are needed for {target}"
    if not row["reached"]:
        return f"{architecture}: no width tried reaches {target}"
    return f"{architecture}: {wording.count(row['parameters'])} weights are enough for {target}"


def curve_note(runs: pd.DataFrame, models: pd.DataFrame, breakpoints: pd.DataFrame) -> str:
    """The note below the title: which accuracy, and what dots and lines show."""
    note = f"Accuracy {on_images(runs)} after the last epoch. "
    note += symbols_note(models, runs, has_certainty(breakpoints))
    return f"{note} The bar on the target: where the answer lies." if has_range(breakpoints) else note


def breakpoint_label(breakpoints: pd.DataFrame, examples: int, colour: str) -> Label:
    """The label of one width that is the breakpoint for one or several targets."""
    row = breakpoints.iloc[0]
    targets = " and ".join(wording.percent(target) for target in breakpoints["target"])
    text = f"{wording.count(row['parameters'])} weights, width {row['width']}\n"
    text += f"{wording.accuracy(row['selection_accuracy'], examples)} (target {targets})"
    if row["compression"] >= 1.05:
        baseline = f"{wording.short(row['baseline_architecture'])} {row['baseline_width']}"
        text += f"\n{wording.times(row['compression'])} times fewer than {baseline}"
    point = (row["parameters"], row["selection_accuracy"])
    return Label(text, [point], colour, style.TEXT_SIZE, direction=-50)


def article_label(row: Row, runs: pd.DataFrame) -> Label:
    """The label of the article's breakpoint."""
    name = "article" if selection_of(runs) == "test" else "article, on the test images"
    accuracy = wording.accuracy(row.article_test_accuracy, runs["test_examples"].max())
    text = f"{name}: width {row.article_width}, {accuracy}"
    point = (row.article_parameters, row.article_test_accuracy)
    return Label(text, [point], style.MUTED, style.SMALL_SIZE, direction=170)


def width_label(model: Row, in_full: bool) -> Label:
    """The label of another model: "width 8", or "8" if not `in_full`, which may be left out."""
    text = f"width {model.width}" if in_full else f"{model.width}"
    point = (model.parameters, model.selection_accuracy)
    return Label(text, [point], style.MUTED, style.SMALL_SIZE, direction=100, optional=not in_full)


def draw(inputs: FigureInputs) -> tuple[Figure, str]:
    """The figure and its title, from the files that it is drawn from."""
    return plot_curve(inputs.runs, inputs.breakpoints, inputs.architecture)
