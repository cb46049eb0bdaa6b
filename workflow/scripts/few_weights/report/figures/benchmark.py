"""The figure of the engine's speed compared with plain Keras."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from few_weights.report.figures import style
from few_weights.report.figures.canvas import new_figure, write_title


def plot_benchmark(table: pd.DataFrame, machine: dict) -> tuple[Figure, str]:
    """How many times faster than plain Keras each model trains, with the range of its rounds."""
    colours = style.colours(table["architecture"])
    mean = float(np.exp(np.log(table["keras_ratio"]).mean()))
    best = table["keras_ratio"].max()
    message = f"An epoch is {mean:.1f} times as fast as plain Keras, {best:.0f} times at best"
    note = (
        f"Geometric mean over {len(table)} models. Bars: medians of {table['rounds'].min()} rounds in turn, "
        f"one thread each; lines: their range. {machine['cpu']}, {machine['keras']}."
    )
    with style.figure_style():
        height = 0.2 * len(table) + 1.9
        figure = new_figure(height)
        top = write_title(figure, message, note)
        axes = figure.add_axes((0.2, 0.55 / height, 0.72, top - 0.6 / height))
        for position, row in enumerate(table.itertuples()):
            axes.barh(position, row.keras_ratio, color=colours[row.architecture], height=0.75)
            axes.plot([row.keras_ratio_min, row.keras_ratio_max], [position] * 2, color=style.INK, lw=1)
            reach = max(row.keras_ratio_max, row.keras_ratio)
            axes.text(
                reach * 1.05, position, f"{row.keras_ratio:.1f}", va="center", fontsize=style.SMALL_SIZE
            )
        axes.axvline(1, color=style.INK, lw=0.8)
        axes.set(
            yticks=range(len(table)),
            yticklabels=table["architecture"] + " " + table["width"].astype(str),
            xlabel="plain Keras' seconds an epoch / ours",
            xscale="log",
            xlim=(0.8, table["keras_ratio_max"].max() * 1.4),
            ylim=(len(table) - 0.4, -0.6),
        )
        axes.xaxis.set_major_formatter(FuncFormatter(lambda ratio, _: f"{ratio:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xticks([1, 2, 5, 10, 20, 50])
        axes.tick_params(axis="y", length=0)
    return figure, message
