"""The smallest sufficient network from near: what it gets wrong, and what its first layer looks for."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from few_weights import style
from few_weights.models import summarise_models
from few_weights.plotting import first_target, new_figure, with_selection, write_title
from few_weights.runs import Run

#: How many pictures a figure shows at most, and how many stand in a row.
MOST, COLUMNS = 30, 6


@dataclass(frozen=True)
class Exhibit:
    """The run that is shown."""

    run: Run
    #: Whether its model reaches the study's first target; where none does, it is the most accurate one.
    sufficient: bool

    @property
    def model(self) -> str:
        return f"{self.run.architecture} of width {self.run.width}"


def choose_exhibit(runs: pd.DataFrame, breakpoints: pd.DataFrame) -> Exhibit:
    """The smallest model of all that reaches the first target, at the seed that is closest to its mean."""
    reached = first_target(breakpoints)
    reached = reached[reached["reached"]].sort_values("parameters", kind="stable")
    if reached.empty:
        models = summarise_models(runs)
        model = models.loc[models["selection_accuracy"].idxmax()]
    else:
        model = reached.iloc[0]
    name, width = str(model["architecture"]), int(model["width"])
    its_runs = with_selection(runs[(runs["architecture"] == name) & (runs["width"] == width)])
    distance = (its_runs["selection_accuracy"] - its_runs["selection_accuracy"].mean()).abs()
    # Rounded, so that seeds equally far away are told apart by their order and not by the last bit.
    seed = its_runs.assign(distance=distance.round(9)).sort_values(["distance", "seed"])["seed"].iloc[0]
    return Exhibit(Run(name, width, int(seed)), not reached.empty)


def confusions(labels: np.ndarray, predictions: np.ndarray) -> pd.DataFrame:
    """What is taken for what: truth, guess, times, and `image`, the first one. The commonest come first."""
    wrong = np.flatnonzero(labels != predictions)
    table = pd.DataFrame({"truth": labels[wrong], "guess": predictions[wrong], "image": wrong})
    table = table.groupby(["truth", "guess"]).agg(times=("image", "size"), image=("image", "first"))
    return table.reset_index().sort_values(
        ["times", "truth", "guess"], ascending=[False, True, True], ignore_index=True
    )


def plot_mistakes(
    exhibit: Exhibit, images: np.ndarray, labels: np.ndarray, predictions: np.ndarray
) -> tuple[Figure, str]:
    """A gallery of test images that the network gets wrong, one of each confusion; and its message.

    Args:
        images: uint8, (examples, rows, columns, channels).
        labels: the true classes, (examples,).
        predictions: the network's guesses, (examples,).
    """
    table = confusions(labels, predictions)
    wrong, examples = int(table["times"].sum()), len(labels)
    message = f"{exhibit.model} gets {style.count(wrong)} of {style.count(examples)} test images wrong"
    if table.empty:
        note = "There is no mistake to show."
    else:
        most = table.iloc[0]
        note = f"Most often a {most['truth']} is taken for a {most['guess']}. "
        note += f"Shown are the {min(len(table), MOST)} commonest confusions" if len(table) > MOST else ""
        note += f"Shown are all {len(table)} kinds of confusion" if len(table) <= MOST else ""
        note += ", each by its first image: the truth → its guess, and how many are like it. "
        note += f"Seed {exhibit.run.seed}, the one closest to the mean."
    shown = table.head(MOST)
    captions = [f"{row.truth} → {row.guess}" for row in shown.itertuples()]
    counts = [f"{row.times}×" for row in shown.itertuples()]
    pictures = [images[row.image] for row in shown.itertuples()]
    return _gallery(pictures, message, note, captions, counts, {"cmap": "gray_r", "vmin": 0, "vmax": 255})


def shape_before_weights(layers: pd.DataFrame, run: Run, image_shape: tuple[int, ...]) -> tuple[int, ...]:
    """What the first layer with weights sees: the image, or what pooling left of it."""
    its_layers = layers[(layers["architecture"] == run.architecture) & (layers["width"] == run.width)]
    shape = image_shape
    for layer in its_layers.sort_values("position").itertuples():
        if layer.parameters:
            break
        sizes = tuple(int(size) for size in str(layer.output_shape).split("x"))
        shape = sizes if len(sizes) == 3 else shape
    return shape


def first_kernels(weights: Mapping[str, np.ndarray], input_shape: tuple[int, ...]) -> tuple[list, str]:
    """A picture for each unit of the first layer with weights, and what a picture is, in words.

    Args:
        weights: "layer/variable" -> array, in the order of the layers.
        input_shape: what goes into that layer before anything flattens it: (rows, columns, channels), or any
            other shape, where units are drawn as a single row of weights.
    """
    kernel = next(array for array in weights.values() if array.ndim > 1)
    if kernel.ndim == 4:  # rows, columns, channels in, filters
        rows, columns, channels = kernel.shape[:3]
        units = np.moveaxis(kernel, -1, 0)
        what = f"{rows} × {columns} pixels"
    else:
        units = kernel.reshape(-1, kernel.shape[-1]).T
        if len(input_shape) == 3 and np.prod(input_shape) == units.shape[1]:
            units = units.reshape(-1, *input_shape)
            what = f"{input_shape[0]} × {input_shape[1]} pixels"
        else:
            units = units[:, np.newaxis, :, np.newaxis]
            what = f"{kernel.shape[0]} inputs"
        channels = units.shape[-1]
    if channels > 1:
        what += f", the mean over {channels} channels"
    return list(units.mean(axis=-1)), what


def plot_first_layer(
    exhibit: Exhibit, weights: Mapping[str, np.ndarray], input_shape: tuple[int, ...]
) -> tuple[Figure, str]:
    """The weights of each unit of the first layer as a picture; and the message.

    The arguments are those of `first_kernels`.
    """
    kernels, what = first_kernels(weights, input_shape)
    # The heaviest first: a unit that died has hardly any weights.
    kernels.sort(key=lambda kernel: -np.abs(kernel).sum())
    units = style.plural(len(kernels), "unit")
    message = f"What the first layer of {exhibit.model} looks for: {units}, each of {what}"
    note = "Orange weights speak for a bright pixel, purple ones against it, white ones do not care. "
    if len(kernels) > MOST:
        note += f"The {MOST} heaviest are shown. "
    note += f"Seed {exhibit.run.seed}, all on one scale."
    reach = float(max(np.abs(kernel).max() for kernel in kernels)) or 1.0
    scale = {"cmap": "PuOr_r", "vmin": -reach, "vmax": reach}
    return _gallery(kernels[:MOST], message, note, None, None, scale)


def _gallery(pictures: list, message: str, note: str, captions, counts, scale: dict) -> tuple[Figure, str]:
    """Pictures in rows of COLUMNS; the caption, where there are some, below each with its count beside it."""
    with style.figure_style():
        columns = min(COLUMNS, max(len(pictures), 3))
        rows = -(-len(pictures) // columns)
        cell = 0.95 * style.WIDTH / COLUMNS
        below = 0.24 if captions else 0.08
        figure = new_figure(2.0)
        height = 2.0 * (1 - write_title(figure, message, note)) + rows * (cell + below) + 0.05
        figure.set_figheight(height)
        top = write_title(figure, message, note)
        for number, picture in enumerate(pictures):
            row, column = divmod(number, columns)
            left = 0.025 + column * cell / style.WIDTH
            bottom = top - (row * (cell + below) + cell * 0.94) / height
            axes = figure.add_axes((left, bottom, 0.94 * cell / style.WIDTH, 0.94 * cell / height))
            # "none" keeps an SVG at one pixel a pixel, which the browser enlarges without a blur.
            axes.imshow(picture, interpolation="none", aspect="auto", **scale)
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set(visible=True, color=style.FAINT)
            if captions:
                below_picture = {"transform": axes.transAxes, "va": "top", "fontsize": style.SMALL_SIZE}
                axes.text(0, -0.05, captions[number], fontweight="bold", **below_picture)
                axes.text(1, -0.05, counts[number], ha="right", color=style.MUTED, **below_picture)
    return figure, message
