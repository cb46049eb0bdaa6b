"""The figure of the share of the weights in each layer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from few_weights.analysis.rows import rows
from few_weights.analysis.seeds import first_target
from few_weights.report import wording
from few_weights.report.figures import style
from few_weights.report.figures.inputs import FigureInputs
from few_weights.report.figures.layout import new_figure, write_title


@dataclass(frozen=True)
class Bar:
    """A bar of the figure: one model, cut by layer.

    Attributes:
        architecture, width: the model.
        parameters: its trainable weights.
        is_breakpoint: whether it is the breakpoint for the first target.
        reached: whether its architecture reaches that target.
        layers: names of the layers that have weights, in order.
        shares: the share of all weights in each of these layers; they add up to 1.
    """

    architecture: str
    width: int
    parameters: int
    is_breakpoint: bool
    reached: bool
    layers: list[str]
    shares: list[float]


def plot_weights(layers: pd.DataFrame, runs: pd.DataFrame, breakpoints: pd.DataFrame) -> tuple[Figure, str]:
    """The share of the weights in each layer, of the widest models and the breakpoints; and the title.

    Args:
        layers: layers.csv.
        runs: runs.csv.
        breakpoints: breakpoints.csv.
    """
    colours = style.colours(runs["architecture"])
    first = first_target(breakpoints)
    bars = weight_bars(layers, first)
    title = weights_title(bars)

    with style.figure_style():
        architectures = list(dict.fromkeys(bar.architecture for bar in bars))
        body = 0.46 * len(bars) + 0.34 * len(architectures)
        figure = new_figure(body + 1.6)
        target = wording.percent(first["target"].iloc[0])
        note = f"Share of all weights by layer, for the widest model and for the breakpoint at {target}. "
        note += "Paler to darker: from the image to the classes."
        top = write_title(figure, title, note)
        height = body + 0.35 + (1 - top) * figure.get_figheight()
        figure.set_figheight(height)
        top = write_title(figure, title, note)
        axes = figure.add_axes((0.21, 0.3 / height, 0.76, top - 0.3 / height))
        draw_weights(axes, bars, colours)
    return figure, title


def weights_title(bars: Sequence[Bar]) -> str:
    """The title: the largest share of one layer, in the most and the least uneven of the breakpoints."""
    shown, where = [bar for bar in bars if bar.is_breakpoint], "At the breakpoint"
    if not shown:
        shown, where = list(bars), "At full size"
    largest_shares = sorted((max(bar.shares), bar.architecture) for bar in shown)
    (lowest, most_even), (highest, least_even) = largest_shares[0], largest_shares[-1]
    title = f"{where}, one layer holds {wording.percent(highest, 0)} of the weights of {least_even}"
    if len(largest_shares) == 1:
        return title
    return f"{title} and {wording.percent(lowest, 0)} of those of {most_even}"


def weight_bars(layers: pd.DataFrame, first: pd.DataFrame) -> list[Bar]:
    """The widest model of each architecture and, where the first target is reached, its breakpoint."""
    bars = []
    for breakpoint in rows(first):
        group = layers[layers["architecture"] == breakpoint.architecture]
        widest = group["width"].max()
        widths = [widest]
        if breakpoint.reached and breakpoint.width != widest:
            widths.append(breakpoint.width)
        for width in widths:
            model = group[group["width"] == width].sort_values("position")
            model = model[model["parameters"] > 0]
            bars.append(
                Bar(
                    architecture=breakpoint.architecture,
                    width=width,
                    parameters=model["parameters"].sum(),
                    is_breakpoint=bool(breakpoint.reached and width == breakpoint.width),
                    reached=breakpoint.reached,
                    layers=layer_names(model["type"]),
                    shares=list(model["parameters"] / model["parameters"].sum()),
                )
            )
    return bars


def layer_names(types: pd.Series) -> list[str]:
    """Short names of Keras classes, numbered where there are several; the last one is "output"."""
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


def draw_weights(axes: Axes, bars: Sequence[Bar], colours: Mapping[str, str]) -> None:
    """Draw a bar of 100 % per model, cut by layer, with the bars of one architecture together."""
    y, last = 0.0, ""
    for bar in bars:
        if bar.architecture != last:
            y += 0.72 if last else 0.3
            axes.text(
                -0.003,
                y - 0.42,
                bar.architecture,
                fontsize=style.TEXT_SIZE,
                fontweight="bold",
                color=colours[bar.architecture],
                va="bottom",
            )
            last = bar.architecture
        start = 0.0
        shades = style.layer_shades(colours[bar.architecture], len(bar.shares))
        for name, share, shade in zip(bar.layers, bar.shares, shades, strict=True):
            axes.barh(y, share, left=start, height=0.74, color=shade, edgecolor="white", linewidth=0.8)
            text = f"{name} {wording.percent(share, 0)}"
            if share > 0.0185 * len(text):
                ink = "white" if style.luminance(shade) < 0.42 else style.INK
                axes.text(
                    start + share / 2,
                    y,
                    text,
                    ha="center",
                    va="center",
                    fontsize=style.SMALLEST_SIZE,
                    color=ink,
                )
            start += share
        caption = f"width {bar.width}\n{wording.count(bar.parameters)}"
        axes.text(-0.015, y, caption, ha="right", va="center", fontsize=style.SMALL_SIZE, color=style.MUTED)
        if not bar.reached:
            axes.text(1, y - 0.42, "target not reached", ha="right", va="bottom", fontsize=style.SMALL_SIZE)
        y += 1
    axes.set_xlim(0, 1)
    axes.set_ylim(y - 0.4, -0.5)
    axes.axis("off")


def draw(inputs: FigureInputs) -> tuple[Figure, str]:
    """The figure and its title, from the files that it is drawn from."""
    return plot_weights(inputs.layers, inputs.runs, inputs.breakpoints)
