"""The figure of the share of the weights in each layer."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from few_weights.analysis.seeds import first_target
from few_weights.report import wording
from few_weights.report.figures import style
from few_weights.report.figures.canvas import layer_shades, luminance, new_figure, write_title
from few_weights.report.figures.inputs import FigureInputs


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
        target = wording.percent(first["target"].iloc[0])
        note = f"Share of all weights by layer: at the widest and at the breakpoint for {target}. "
        note += "Paler to darker: from the image to the classes."
        top = write_title(figure, message, note)
        height = body + 0.35 + (1 - top) * figure.get_figheight()
        figure.set_figheight(height)
        top = write_title(figure, message, note)
        axes = figure.add_axes((0.21, 0.3 / height, 0.76, top - 0.3 / height))
        draw_weights(axes, rows, colours)
    return figure, message


def weights_message(rows: list[dict], first: pd.DataFrame) -> str:
    at_breakpoint = [row for row in rows if row["is_breakpoint"]]
    where = "At the breakpoint"
    if not at_breakpoint:
        where, at_breakpoint = "At full size", rows
    peaks = sorted((max(row["shares"]), row["architecture"]) for row in at_breakpoint)
    (least, spread), (most, heavy) = peaks[0], peaks[-1]
    message = f"{where}, one layer holds {wording.percent(most, 0)} of the weights of {heavy}"
    return message if len(peaks) == 1 else f"{message} and {wording.percent(least, 0)} of those of {spread}"


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
            text = f"{name} {wording.percent(share, 0)}"
            if share > 0.0185 * len(text):
                ink = "white" if luminance(shade) < 0.42 else style.INK
                axes.text(start + share / 2, y, text, ha="center", va="center", fontsize=8.6, color=ink)
            start += share
        caption = f"width {row['width']}\n{wording.count(row['parameters'])}"
        axes.text(-0.015, y, caption, ha="right", va="center", fontsize=style.SMALL_SIZE, color=style.MUTED)
        if not row["reached"]:
            axes.text(1, y - 0.42, "target not reached", ha="right", va="bottom", fontsize=style.SMALL_SIZE)
        y += 1
    axes.set_xlim(0, 1)
    axes.set_ylim(y - 0.4, -0.5)
    axes.axis("off")


def draw(inputs: FigureInputs) -> tuple[Figure, str]:
    """The figure, and its message."""
    return plot_weights(inputs.layers, inputs.runs, inputs.breakpoints)
