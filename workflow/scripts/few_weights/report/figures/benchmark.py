"""The figure of the engine's speed compared with plain Keras."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from few_weights.analysis.rows import rows
from few_weights.report.figures import style
from few_weights.report.figures.layout import new_figure, write_title


def plot_benchmark(table: pd.DataFrame, machine: Mapping[str, str]) -> tuple[Figure, str]:
    """How many times faster than plain Keras each model trains, with the range over rounds; and the title.

    Args:
        table: one row per model: architecture, width, optimizer, rounds, and keras_ratio with its _min and
            _max.
        machine: "cpu" and "keras", what was measured on.
    """
    colours = style.colours(table["architecture"])
    mean = float(np.exp(np.log(table["keras_ratio"]).mean()))
    best = table["keras_ratio"].max()
    title = f"An epoch is {mean:.1f} times as fast as plain Keras, {best:.0f} times at best"
    note = (
        f"Geometric mean over {len(table)} models. Bars: medians of {table['rounds'].min()} alternating "
        f"rounds, one thread each; lines: their range. {machine['cpu']}, {machine['keras']}."
    )
    if (table["optimizer"] == "full_matrix_adam").any():
        note += " Where this workflow uses full_matrix_adam, Keras uses Adam."
    with style.figure_style():
        height = 0.2 * len(table) + 1.9
        figure = new_figure(height)
        top = write_title(figure, title, note)
        axes = figure.add_axes((0.29, 0.55 / height, 0.63, top - 0.6 / height))
        for position, row in enumerate(rows(table)):
            axes.barh(position, row.keras_ratio, color=colours[row.architecture], height=0.75)
            axes.plot([row.keras_ratio_min, row.keras_ratio_max], [position] * 2, color=style.INK, lw=1)
            end = max(row.keras_ratio_max, row.keras_ratio)
            axes.text(end * 1.05, position, f"{row.keras_ratio:.1f}", va="center", fontsize=style.SMALL_SIZE)
        axes.axvline(1, color=style.INK, lw=0.8)
        axes.set(
            yticks=range(len(table)),
            yticklabels=table["architecture"] + " " + table["width"].astype(str),
            xlabel="seconds per epoch: plain Keras / this workflow",
            xscale="log",
            xlim=(0.8, table["keras_ratio_max"].max() * 1.4),
            ylim=(len(table) - 0.4, -0.6),
        )
        axes.xaxis.set_major_formatter(FuncFormatter(lambda ratio, _: f"{ratio:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xticks([1, 2, 5, 10, 20, 50])
        axes.tick_params(axis="y", length=0)
    return figure, title
