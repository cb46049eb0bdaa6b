"""The figure of one architecture: accuracy against parameters, with its breakpoints."""

import pandas as pd
from matplotlib.figure import Figure

from few_weights.analysis.seeds import models_with_intervals, selection_of, with_selection
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
from few_weights.report.figures.canvas import margins, new_figure, write_title
from few_weights.report.figures.inputs import FigureInputs
from few_weights.report.figures.label_placement import Ground, Label


def plot_curve(runs: pd.DataFrame, breakpoints: pd.DataFrame, architecture: str) -> tuple[Figure, str]:
    """Accuracy against parameters for one architecture, its breakpoints marked; and the message."""
    colour = style.colours(runs["architecture"])[architecture]
    runs = with_selection(runs[runs["architecture"] == architecture])
    breakpoints = breakpoints[breakpoints["architecture"] == architecture]
    models = models_with_intervals(runs)
    reached = breakpoints[breakpoints["reached"]]
    message = curve_message(architecture, breakpoints)

    with style.figure_style():
        figure = new_figure(style.CURVE_HEIGHT)
        top = write_title(figure, message, curve_note(runs, models))
        axes = figure.add_axes(margins(figure, top))
        targets = sorted(breakpoints["target"].unique())
        article = breakpoints.dropna(subset=["article_parameters"])
        shown = [*runs["selection_accuracy"], *targets, *article["article_test_accuracy"]]
        scale_axes(axes, [*runs["parameters"], *article["article_parameters"]], shown, targets, runs)
        ground = Ground(axes)
        draw_curve(axes, ground, models, runs, colour)
        draw_breakpoints(axes, ground, reached, colour)
        draw_targets(axes, ground, targets)
        points = zip(article["article_parameters"], article["article_test_accuracy"], strict=True)
        draw_published(axes, ground, list(points), "article")

        examples = runs["selection_examples"].max()
        for row in article.itertuples():
            ground.place(article_label(row, runs))
        for (width, parameters), rows in reached.groupby(["width", "parameters"]):
            ground.place(breakpoint_label(rows, parameters, width, examples, colour))
        for model in models.iloc[::-1].itertuples():
            if model.width not in set(reached["width"]):
                ground.place(width_label(model, spelled=model.Index == models.index[-1]))
    return figure, message


# What the figures say in words


def curve_message(architecture: str, breakpoints: pd.DataFrame) -> str:
    row = breakpoints.iloc[0]
    target = wording.percent(row["target"])
    if not row["reached"]:
        return f"{architecture}: no width tried reaches {target}"
    return f"{architecture}: {wording.count(row['parameters'])} weights are enough for {target}"


def curve_note(runs: pd.DataFrame, models: pd.DataFrame) -> str:
    return f"Accuracy {on_images(runs)} after the last epoch. {marks_note(models, runs)}"


def breakpoint_label(rows: pd.DataFrame, parameters: int, width: int, examples: int, colour: str) -> Label:
    row = rows.iloc[0]
    targets = " and ".join(wording.percent(target) for target in rows["target"])
    text = f"{wording.count(parameters)} weights, width {width}\n"
    text += f"{wording.accuracy(row['selection_accuracy'], examples)} (target {targets})"
    if row["compression"] >= 1.05:
        baseline = f"{wording.short(row['baseline_architecture'])} {row['baseline_width']}"
        text += f"\n{wording.times(row['compression'])} times fewer than {baseline}"
    point = (parameters, row["selection_accuracy"])
    return Label(text, [point], colour, style.TEXT_SIZE, towards=-50)


def article_label(row, runs: pd.DataFrame) -> Label:
    name = "article" if selection_of(runs) == "test" else "article, on the test images"
    accuracy = wording.accuracy(row.article_test_accuracy, runs["test_examples"].max())
    text = f"{name}: width {row.article_width}, {accuracy}"
    point = (row.article_parameters, row.article_test_accuracy)
    return Label(text, [point], style.MUTED, style.SMALL_SIZE, towards=170)


def width_label(model, spelled: bool) -> Label:
    text = f"width {model.width}" if spelled else f"{model.width}"
    point = (model.parameters, model.selection_accuracy)
    return Label(text, [point], style.MUTED, style.SMALL_SIZE, towards=100, optional=not spelled)


def draw(inputs: FigureInputs) -> tuple[Figure, str]:
    """The figure, and its message."""
    return plot_curve(inputs.runs, inputs.breakpoints, inputs.architecture)
