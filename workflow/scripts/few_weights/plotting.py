"""The study's figures: functions from its tables to Matplotlib figures. Nothing here reads or writes a file.

Accuracies stand on an axis of equal steps in log(1 - accuracy): each step up cuts the errors by the same
factor, so that 97 and 98 % lie as clearly apart as 90 and 93 %, and a network that learned nothing (10 %)
still has its place. The axis is labelled in plain accuracies. They are those on the images that choose: held
out of training where a study holds some out, else the test images; every figure says which.
"""

import textwrap
from collections.abc import Sequence
from string import ascii_lowercase

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator

from few_weights import style
from few_weights.intervals import t_interval
from few_weights.labels import Ground, Label
from few_weights.models import has_collapsed, has_diverged, selection_of, summarise_models
from few_weights.records import Record

#: Labels of the accuracy axis, the most telling first; those that would crowd the others are left out.
ACCURACY_TICKS = [0.9, 0.99, 0.999, 0.5, 0.95, 0.98, 0.995, 0.8, 0.1, 0.97, 0.998, 0.7, 0.96, 0.94, 0.985]
ACCURACY_TICKS += [0.92, 0.85, 0.975, 0.965, 0.9995, 0.9999, 0.3, 0.6, 0.4, 0.2, 0]


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
            name = style.short(architecture)
            ground.place(Label(name, points, colour, style.TEXT_SIZE, "bold", towards=90))
        for letter, point in zip(ascii_lowercase, published, strict=False):
            ground.place(Label(letter, [point], style.MUTED, style.SMALL_SIZE, towards=0))
        write_captions(figure, records)
    return figure, message


def plot_weights(layers: pd.DataFrame, runs: pd.DataFrame, breakpoints: pd.DataFrame) -> tuple[Figure, str]:
    """The share of the weights in each layer, at each architecture's widest and at its breakpoint."""
    colours = style.colours(runs["architecture"])
    first = first_target(breakpoints)
    rows = weight_rows(layers, first)
    message = weights_message(rows, first)

    with style.figure_style():
        architectures = list(dict.fromkeys(row["architecture"] for row in rows))
        body = 0.46 * len(rows) + 0.34 * len(architectures)
        figure = new_figure(body + 1.6)
        target = style.percent(first["target"].iloc[0])
        note = f"Share of all weights by layer: at the widest and at the breakpoint for {target}. "
        note += "Paler to darker: from the image to the classes."
        top = write_title(figure, message, note)
        height = body + 0.35 + (1 - top) * figure.get_figheight()
        figure.set_figheight(height)
        top = write_title(figure, message, note)
        axes = figure.add_axes((0.21, 0.3 / height, 0.76, top - 0.3 / height))
        draw_weights(axes, rows, colours)
    return figure, message


# What the figures say in words


def curve_message(architecture: str, breakpoints: pd.DataFrame) -> str:
    row = breakpoints.iloc[0]
    target = style.percent(row["target"])
    if not row["reached"]:
        return f"{architecture}: no width tried reaches {target}"
    return f"{architecture}: {style.count(row['parameters'])} weights are enough for {target}"


def comparison_message(runs: pd.DataFrame, breakpoints: pd.DataFrame) -> str:
    first = first_target(breakpoints)
    target, dataset = style.percent(first["target"].iloc[0]), runs["dataset"].iloc[0]
    reached = first[first["reached"]].sort_values("parameters", kind="stable")
    if reached.empty:
        return f"On {dataset}, no network tried reaches {target}"
    fewest, most = reached.iloc[0], reached.iloc[-1]
    message = f"On {dataset}, {style.count(fewest['parameters'])} weights of {fewest['architecture']} "
    message += f"are enough for {target}"
    if len(reached) == 1:
        return message
    ratio = style.times(most["parameters"] / fewest["parameters"])
    return f"{message}; {most['architecture']} needs {ratio} times as many"


def weights_message(rows: list[dict], first: pd.DataFrame) -> str:
    at_breakpoint = [row for row in rows if row["is_breakpoint"]]
    where = "At the breakpoint"
    if not at_breakpoint:
        where, at_breakpoint = "At full size", rows
    peaks = sorted((max(row["shares"]), row["architecture"]) for row in at_breakpoint)
    (least, spread), (most, heavy) = peaks[0], peaks[-1]
    message = f"{where}, one layer holds {style.percent(most, 0)} of the weights of {heavy}"
    return message if len(peaks) == 1 else f"{message} and {style.percent(least, 0)} of those of {spread}"


def curve_note(runs: pd.DataFrame, models: pd.DataFrame) -> str:
    return f"Accuracy {on_images(runs)} after the last epoch. {marks_note(models, runs)}"


def comparison_note(runs: pd.DataFrame, models: pd.DataFrame, first: pd.DataFrame) -> str:
    target = style.percent(first["target"].iloc[0])
    note = f"Bars: the weights of the smallest model that reaches {target}. Accuracy {on_images(runs)}."
    return f"{note} {marks_note(models, runs)}"


def on_images(runs: pd.DataFrame) -> str:
    """The images that choose, which the accuracies of a figure are measured on, in words."""
    dataset, selection = runs["dataset"].iloc[0], selection_of(runs)
    examples = style.count(runs[f"{selection}_examples"].max())
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
        f"Dots are runs, the line their mean, whiskers its {style.percent(0.95)} interval; {n} seeds a "
        f"width.{crosses}"
    )


def breakpoint_label(rows: pd.DataFrame, parameters: int, width: int, examples: int, colour: str) -> Label:
    row = rows.iloc[0]
    targets = " and ".join(style.percent(target) for target in rows["target"])
    text = f"{style.count(parameters)} weights, width {width}\n"
    text += f"{style.accuracy(row['selection_accuracy'], examples)} (target {targets})"
    if row["compression"] >= 1.05:
        baseline = f"{style.short(row['baseline_architecture'])} {row['baseline_width']}"
        text += f"\n{style.times(row['compression'])} times fewer than {baseline}"
    point = (parameters, row["selection_accuracy"])
    return Label(text, [point], colour, style.TEXT_SIZE, towards=-50)


def article_label(row, runs: pd.DataFrame) -> Label:
    name = "article" if selection_of(runs) == "test" else "article, on the test images"
    accuracy = style.accuracy(row.article_test_accuracy, runs["test_examples"].max())
    text = f"{name}: width {row.article_width}, {accuracy}"
    point = (row.article_parameters, row.article_test_accuracy)
    return Label(text, [point], style.MUTED, style.SMALL_SIZE, towards=170)


def width_label(model, spelled: bool) -> Label:
    text = f"width {model.width}" if spelled else f"{model.width}"
    point = (model.parameters, model.selection_accuracy)
    return Label(text, [point], style.MUTED, style.SMALL_SIZE, towards=100, optional=not spelled)


# Tables


def with_selection(runs: pd.DataFrame) -> pd.DataFrame:
    """The runs with `selection_accuracy` and `selection_examples`: those of the images that choose."""
    images = selection_of(runs)
    return runs.assign(
        selection_accuracy=runs[f"{images}_accuracy"].astype(float),
        selection_examples=runs[f"{images}_examples"],
    )


def models_with_intervals(runs: pd.DataFrame) -> pd.DataFrame:
    """One row a model, by parameters: the mean over seeds on the images that choose and its 95 % interval
    (`low`, `high`), which is empty for a single seed."""
    runs = with_selection(runs)
    intervals = (
        runs.groupby(["architecture", "width"], sort=False)["selection_accuracy"].agg(list).map(t_interval)
    )
    intervals = intervals.apply(pd.Series).set_axis(["low", "high"], axis=1).reset_index()
    models = summarise_models(runs).merge(intervals, on=["architecture", "width"])
    return models.sort_values("parameters", kind="stable", ignore_index=True)


def first_target(breakpoints: pd.DataFrame) -> pd.DataFrame:
    """The rows of the study's first target: the one that headlines speak of."""
    return breakpoints[breakpoints["target"] == breakpoints["target"].iloc[0]]


def weight_rows(layers: pd.DataFrame, first: pd.DataFrame) -> list[dict]:
    """A row a bar: the widest model of each architecture and, where reached, its breakpoint."""
    rows = []
    for point in first.itertuples():
        its_layers = layers[layers["architecture"] == point.architecture]
        widest = its_layers["width"].max()
        widths = [widest]
        if point.reached and point.width != widest:
            widths.append(point.width)
        for width in widths:
            model = its_layers[its_layers["width"] == width].sort_values("position")
            model = model[model["parameters"] > 0]
            rows.append(
                {
                    "architecture": point.architecture,
                    "width": width,
                    "parameters": model["parameters"].sum(),
                    "is_breakpoint": bool(point.reached and width == point.width),
                    "reached": point.reached,
                    "layers": layer_names(model["type"]),
                    "shares": list(model["parameters"] / model["parameters"].sum()),
                }
            )
    return rows


def layer_names(types: pd.Series) -> list[str]:
    """Keras' classes in short, numbered where there are several; the last one is the output."""
    short = {
        "Conv2D": "conv",
        "Dense": "dense",
        "DepthwiseConv2D": "depthwise",
        "SeparableConv2D": "separable",
    }
    names = [short.get(kind, kind) for kind in types]
    names[-1] = "output"
    numbered = []
    for index, name in enumerate(names):
        several = names.count(name) > 1
        numbered.append(f"{name} {names[: index + 1].count(name)}" if several else name)
    return numbered


# Drawing


def new_figure(height: float) -> Figure:
    figure = Figure(figsize=(style.WIDTH, height))
    FigureCanvasAgg(figure)
    return figure


def write_title(figure: Figure, message: str, note: str) -> float:
    """Title and note at the top left; the height, as a share of the figure, that is left below them."""
    figure.texts.clear()
    inch = 1 / figure.get_figheight()
    y = 1 - 0.14 * inch
    for text, characters, size, weight, colour in (
        (message, 51, style.TITLE_SIZE, "bold", style.INK),
        (note, 87, style.SMALL_SIZE, "normal", style.MUTED),
    ):
        lines = balanced_lines(text, characters)
        figure.text(
            0.025,
            y,
            "\n".join(lines),
            ha="left",
            va="top",
            fontsize=size,
            fontweight=weight,
            color=colour,
            linespacing=1.3,
        )
        y -= (len(lines) * size * 1.5 / 72 + 0.05) * inch
    return y - 0.1 * inch


def write_captions(figure: Figure, records: Sequence[Record]) -> None:
    """A line a record at the bottom: without its caveat a record says more than it may."""
    captions = [
        f"{letter}  {style.count(record.parameters)} weights, {style.percent(record.test_accuracy)}: "
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


def balanced_lines(text: str, characters: int) -> list[str]:
    """As few lines as fit, of about equal length: no single word on the last one."""
    lines = textwrap.wrap(text, characters)
    while characters > 1 and len(narrower := textwrap.wrap(text, characters - 1)) == len(lines):
        lines, characters = narrower, characters - 1
    return lines


def margins(figure: Figure, top: float) -> tuple[float, float, float, float]:
    """Where axes with labels left and below them go, in shares of the figure."""
    bottom = 0.58 / figure.get_figheight()
    return (0.125, bottom, 0.81, top - bottom)


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
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: style.percent(y)))
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
            text, x = f"{style.count(row.parameters)} (width {row.width})", row.parameters
        else:
            its_runs = runs[runs["architecture"] == row.architecture]
            best = summarise_models(its_runs)["deciding_accuracy"].max()
            best = (
                "every run diverged"
                if has_diverged(its_runs).all()
                else f"best {style.accuracy(best, examples)}"
            )
            text, x = f"not reached; {best}", 0
        axes.annotate(
            text, (x, y), xytext=(5, 0), textcoords="offset points", va="center", fontsize=style.TEXT_SIZE
        )
    names = order["architecture"].map(style.short)
    axes.set_yticks(range(len(order)), names, fontsize=style.TEXT_SIZE, fontweight="bold")
    for label, architecture in zip(axes.get_yticklabels(), order["architecture"], strict=True):
        label.set_color(colours[architecture])
    axes.set_xlim(0, 1.42 * longest)
    axes.set_ylim(len(order) - 0.5, -0.5)
    make_room_for_names(axes)
    axes.tick_params(axis="y", length=0)
    axes.xaxis.set_visible(False)
    sns.despine(ax=axes, bottom=True)


def make_room_for_names(axes: Axes, margin: float = 0.02) -> None:
    """Move the left edge to the right until the longest name fits, with a margin as a share of the width."""
    renderer = axes.figure.canvas.get_renderer()
    overhang = margin - axes.get_tightbbox(renderer).x0 / axes.figure.bbox.width
    if overhang > 0:
        left, bottom, width, height = axes.get_position().bounds
        axes.set_position((left + overhang, bottom, width - overhang, height))


def draw_weights(axes: Axes, rows: list[dict], colours: dict[str, str]) -> None:
    """A bar of 100 % a model, cut by layer; the bars of one architecture stand together."""
    y, last = 0.0, None
    for row in rows:
        if row["architecture"] != last:
            y += 0.72 if last else 0.3
            axes.text(
                -0.003,
                y - 0.42,
                row["architecture"],
                fontsize=style.TEXT_SIZE,
                fontweight="bold",
                color=colours[row["architecture"]],
                va="bottom",
            )
            last = row["architecture"]
        start = 0.0
        shades = layer_shades(colours[row["architecture"]], len(row["shares"]))
        for name, share, shade in zip(row["layers"], row["shares"], shades, strict=True):
            axes.barh(y, share, left=start, height=0.74, color=shade, edgecolor="white", linewidth=0.8)
            text = f"{name} {style.percent(share, 0)}"
            if share > 0.0185 * len(text):
                ink = "white" if luminance(shade) < 0.42 else style.INK
                axes.text(start + share / 2, y, text, ha="center", va="center", fontsize=8.6, color=ink)
            start += share
        caption = f"width {row['width']}\n{style.count(row['parameters'])}"
        axes.text(-0.015, y, caption, ha="right", va="center", fontsize=style.SMALL_SIZE, color=style.MUTED)
        if not row["reached"]:
            axes.text(1, y - 0.42, "target not reached", ha="right", va="bottom", fontsize=style.SMALL_SIZE)
        y += 1
    axes.set_xlim(0, 1)
    axes.set_ylim(y - 0.4, -0.5)
    axes.axis("off")


def layer_shades(colour: str, number: int) -> list:
    """From a pale tint to the full colour, one shade a layer."""
    shades = np.linspace(0.25, 1, number) if number > 1 else [1.0]
    return [tuple(1 - depth * (1 - np.array(to_rgb(colour)))) for depth in shades]


def luminance(rgb) -> float:
    return float(np.dot(rgb, (0.299, 0.587, 0.114)))
