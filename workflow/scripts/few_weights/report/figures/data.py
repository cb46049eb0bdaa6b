"""The figure of a user's own data: some images of each class, and how many there are."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from few_weights.data.datasets import Dataset, summarise
from few_weights.data.names import display_name
from few_weights.report import wording
from few_weights.report.figures import style
from few_weights.report.figures.gallery import image_note, show_picture, shown_image
from few_weights.report.figures.inputs import FigureInputs
from few_weights.report.figures.layout import new_figure, write_title

#: The parts of a data set, as the figure names them.
PARTS = {"train": "training", "validation": "held-out", "test": "test"}

#: How many classes are shown with images, and how many images of each.
MOST_CLASSES, SAMPLES = 10, 12


def plot_data(name: str, dataset: Dataset, summary: Mapping[str, Any]) -> tuple[Figure, str]:
    """Some images of each class of a data set, and for each part one bar per class; and the title.

    Args:
        name: name of the data set.
        dataset: its arrays.
        summary: what `datasets.summarise` returns for the data set.
    """
    classes, parts = summary["classes"], summary["parts"]
    parts = {part: facts for part, facts in parts.items() if facts["examples"]}
    counts = wording.enumeration(
        [f"{wording.count(facts['examples'])} {PARTS[part]}" for part, facts in parts.items()]
    )
    shape = " × ".join(map(str, summary["image_shape"][: 2 if summary["image_shape"][2] == 1 else 3]))
    title = f"{display_name(name)}: {counts} images of {shape} in {classes} classes"
    rows = np.linspace(0, classes - 1, min(classes, MOST_CLASSES)).round().astype(int)
    chosen = f" ({len(rows)} of {classes} classes)" if len(rows) < classes else ""
    note = f"One row per class, by its label{chosen}: its first {SAMPLES} training images. "
    note += "Below, one bar per class: how many images each part has of it. "
    note += f"The darkest pixel is {summary['darkest']:g}, the brightest {summary['brightest']:g}, "
    note += f"the mean {summary['mean']:.1f}."
    note += image_note(tuple(summary["image_shape"]))

    with style.figure_style():
        cell, panel = 0.9 * style.WIDTH / SAMPLES, 1.05
        figure = new_figure(2.0)
        height = 2.0 * (1 - write_title(figure, title, note)) + len(rows) * cell + len(parts) * panel + 0.6
        figure.set_figheight(height)
        top = write_title(figure, title, note)
        for row, label in enumerate(rows):
            bottom = top - (row + 0.96) * cell / height
            figure.text(
                0.06, bottom + 0.47 * cell / height, str(label), ha="center", va="center", fontweight="bold"
            )
            for column, index in enumerate(np.flatnonzero(dataset.y_train == label)[:SAMPLES]):
                left = 0.09 + column * cell / style.WIDTH
                axes = figure.add_axes((left, bottom, 0.94 * cell / style.WIDTH, 0.94 * cell / height))
                show_picture(axes, *shown_image(dataset.x_train[index], ink=False))
        top -= len(rows) * cell / height
        for number, (part, facts) in enumerate(parts.items()):
            bottom = top - ((number + 1) * panel + 0.05) / height
            axes = figure.add_axes((0.13, bottom, 0.84, (panel - 0.42) / height))
            axes.bar(range(classes), facts["per_class"], color=style.MUTED, width=0.8, label=part)
            axes.set_title(PARTS[part], loc="left", fontsize=style.SMALL_SIZE, pad=3)
            axes.set_xlim(-0.6, classes - 0.4)
            axes.set_ylim(0, 1.05 * max(facts["per_class"]))
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=min(classes, 12)))
            axes.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=3))
            axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:,.0f}"))
            if number < len(parts) - 1:
                axes.tick_params(axis="x", labelbottom=False)
        axes.set_xlabel("class", fontsize=style.SMALL_SIZE)
    return figure, title


def draw(inputs: FigureInputs) -> tuple[Figure, str]:
    """The figure and its title, from the files that it is drawn from."""
    return plot_data(inputs.dataset, inputs.images, summarise(inputs.images))
