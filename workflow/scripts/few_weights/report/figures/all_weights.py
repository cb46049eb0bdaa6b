"""The figure of all weights of the smallest sufficient network, one square per weight."""

from collections.abc import Mapping
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from few_weights.report import wording
from few_weights.report.figures import style
from few_weights.report.figures.gallery import LARGEST_SIDE, shrunk
from few_weights.report.figures.inputs import FigureInputs
from few_weights.report.figures.layout import new_figure, write_title
from few_weights.report.figures.smallest_network import SmallestNetwork, choose_network

#: An array of weights.
Weights = NDArray[np.floating]

#: Inches: the largest side of a weight's square, the largest width of a picture, and height of all.
SQUARE, BREADTH, HEIGHT = 0.13, 5.4, 7.0

#: Inches: a picture's label above it, and the space below it.
LABEL, GAP = 0.19, 0.1

#: The most arrays that are drawn, and letters of their names; the largest and the last are chosen.
MOST_ARRAYS, MOST_LETTERS = 24, 45


def tiled(array: Weights) -> Weights:
    """An array as a picture (rows, columns), at least as wide as high; NaN between kernels.

    Kernels (rows, columns, channels, filters) stand in a grid of channels by filters, or side by side if
    there is one filter; those of 1 x 1, and dense layers, are a matrix; any other array keeps its last axis
    as the columns. A large picture is shrunk, and has nothing between the kernels.
    """
    values = np.nan_to_num(array.astype(float), nan=0.0, posinf=0.0, neginf=0.0)
    if array.ndim == 4 and array.shape[:2] != (1, 1):
        if array.shape[3] == 1:
            values = np.swapaxes(values, 2, 3)
        rows, columns, channels, filters = values.shape
        gap = int(max((rows + 1) * channels, (columns + 1) * filters) <= LARGEST_SIDE)
        values = np.pad(values, [(0, gap), (0, gap), (0, 0), (0, 0)], constant_values=np.nan)
        grid = values.transpose(2, 0, 3, 1).reshape(channels * (rows + gap), filters * (columns + gap))
        values = grid[: len(grid) - gap, : grid.shape[1] - gap]
    else:
        values = values.reshape(-1, array.shape[-1] if array.ndim else 1)
    return shrunk(values.T if values.shape[0] > values.shape[1] else values)


def plot_all_weights(network: SmallestNetwork, weights: Mapping[str, Weights]) -> tuple[Figure, str]:
    """Every weight of a network as a square in a colour, one picture per array; and the title.

    Args:
        network: the run that is shown.
        weights: "layer/variable" -> array, in the order of the layers.
    """
    arrays = {name: array for name, array in weights.items() if array.size}
    count = sum(array.size for array in arrays.values())
    title = f"All {wording.count(count)} weights of {network.model}"
    note = (
        "One square per weight: orange positive, purple negative, near zero white; a scale for each array. "
    )
    if len(arrays) > MOST_ARRAYS:
        largest = sorted(arrays, key=lambda name: -arrays[name].size)[:MOST_ARRAYS]
        arrays = {name: array for name, array in arrays.items() if name in largest}
        note += f"The {MOST_ARRAYS} largest arrays are shown. "
    pictures = {name: tiled(array) for name, array in arrays.items()}
    if any(picture.size < arrays[name].size for name, picture in pictures.items()):
        note += "Large arrays are drawn as means over neighbouring weights. "
    if not all(np.isfinite(array).all() for array in arrays.values()):
        note += "Weights that are not finite numbers are white, too. "
    note += f"Seed {network.run.seed}."
    with style.figure_style():
        widest = max((picture.shape[1] for picture in pictures.values()), default=1)
        high = sum(picture.shape[0] for picture in pictures.values()) or 1
        square = min(SQUARE, BREADTH / widest, HEIGHT / high)
        figure = new_figure(2.0)
        heights = [picture.shape[0] * square + LABEL + GAP for picture in pictures.values()]
        height = 2.0 * (1 - write_title(figure, title, note)) + sum(heights) + GAP
        figure.set_figheight(height)
        top = write_title(figure, title, note)
        left = (1 - BREADTH / style.WIDTH) / 2
        for (name, picture), taken in zip(pictures.items(), heights, strict=True):
            shape = " × ".join(map(str, arrays[name].shape)) or "1"
            layer = "/".join(name.split("/")[-2:])
            label = f"{layer if len(layer) <= MOST_LETTERS else f'…{layer[-MOST_LETTERS:]}'}: {shape}"
            figure.text(left, top, label, va="top", fontsize=style.SMALLEST_SIZE, color=style.MUTED)
            size = (picture.shape[1] * square / style.WIDTH, picture.shape[0] * square / height)
            _draw_picture(figure.add_axes((left, top - LABEL / height - size[1], *size)), picture)
            top -= taken / height
    return figure, title


def _draw_picture(axes: Axes, picture: Weights) -> None:
    largest = float(np.nanmax(np.abs(picture))) or 1.0
    colours = matplotlib.colormaps["PuOr_r"].with_extremes(bad="white")
    scale: dict[str, Any] = {"cmap": colours, "vmin": -largest, "vmax": largest}
    axes.imshow(np.ma.masked_invalid(picture), interpolation="none", aspect="auto", **scale)
    axes.set(xticks=[], yticks=[])
    # Kernels stand apart; anything else gets a frame, because white is a weight, too.
    axes.spines[:].set(visible=not np.isnan(picture).any(), color=style.FAINT)


def draw(inputs: FigureInputs) -> tuple[Figure, str]:
    """The figure and its title, from the files that it is drawn from."""
    network = choose_network(inputs.runs, inputs.breakpoints)
    return plot_all_weights(network, inputs.weights(network.run))
