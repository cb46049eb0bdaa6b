"""What people look at: the data, and of the smallest sufficient network its mistakes and its first layer."""

from collections.abc import Mapping
from dataclasses import dataclass

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from few_weights import style
from few_weights.datasets import Dataset
from few_weights.models import has_diverged, summarise_models
from few_weights.plotting import first_target, new_figure, with_selection, write_title
from few_weights.runs import Run

#: How many pictures a figure shows at most, and how many stand in a row.
MOST, COLUMNS = 30, 6

#: Of a data set: how many classes are shown with images, how many images of each, and the names of its parts.
MOST_CLASSES, SAMPLES = 10, 12
PARTS = {"train": "training", "validation": "held-out", "test": "test"}

#: Pixels along a side above which a picture is shrunk, and how many times as wide as high it may be (or the
#: other way round) to keep its shape.
LARGEST_SIDE, LONGEST_SHAPE = 128, 4


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
        model = models.loc[models["deciding_accuracy"].idxmax()]
    else:
        model = reached.iloc[0]
    name, width = str(model["architecture"]), int(model["width"])
    its_runs = with_selection(runs[(runs["architecture"] == name) & (runs["width"] == width)])
    distance = (its_runs["selection_accuracy"] - its_runs["selection_accuracy"].mean()).abs()
    # Rounded, so that the order decides between seeds equally far away, not the last bit. One that
    # diverged has little to show.
    ordered = its_runs.assign(distance=distance.round(9), diverged=has_diverged(its_runs))
    seed = ordered.sort_values(["diverged", "distance", "seed"])["seed"].iloc[0]
    return Exhibit(Run(name, width, int(seed)), not reached.empty)


def confusions(labels: np.ndarray, predictions: np.ndarray) -> pd.DataFrame:
    """What is taken for what: truth, guess, times, and `image`, the first one. The commonest come first."""
    wrong = np.flatnonzero(labels != predictions)
    table = pd.DataFrame({"truth": labels[wrong], "guess": predictions[wrong], "image": wrong})
    table = table.groupby(["truth", "guess"]).agg(times=("image", "size"), image=("image", "first"))
    return table.reset_index().sort_values(
        ["times", "truth", "guess"], ascending=[False, True, True], ignore_index=True
    )


def shown_image(image: np.ndarray, ink: bool) -> tuple[np.ndarray, dict]:
    """An image (rows, columns, channels) as `imshow` takes it, and its options for that.

    One channel is drawn in grey, three in colours; of four the first three, of any other number the mean.
    With `ink` bright pixels are dark on white, as digits are that were written on paper.
    """
    channels = image.shape[-1]
    if channels in (3, 4):
        return shrunk(image[..., :3]).round().astype(np.uint8), {}
    grey = image[..., 0] if channels == 1 else image.mean(axis=-1)
    return shrunk(grey), {"cmap": "gray_r" if ink else "gray", "vmin": 0, "vmax": 255}


def image_note(image_shape: tuple[int, int, int]) -> str:
    """How images of this shape are shown, where that is not simply as they are; in sentences."""
    rows, columns, channels = image_shape
    note = ""
    if channels == 4:
        note += " Of the four channels the first three are shown, as red, green and blue."
    elif channels not in (1, 3):
        note += f" Shown in grey: the mean over the {channels} channels."
    return note + (" Stretched." if rows != columns and is_stretched((rows, columns)) else "")


def is_stretched(shape: tuple[int, ...]) -> bool:
    """Whether a picture fills its square whatever its shape: a square does, and a strip has to."""
    rows, columns = shape[:2]
    return rows == columns or max(rows, columns) > LONGEST_SHAPE * min(rows, columns)


def shrunk(picture: np.ndarray) -> np.ndarray:
    """A picture (rows, columns, …) of at most LARGEST_SIDE a side: means over blocks of pixels."""
    for axis in (0, 1):
        size = picture.shape[axis]
        if size > LARGEST_SIDE:
            starts = np.linspace(0, size, LARGEST_SIDE, endpoint=False).astype(int)
            counts = np.diff([*starts, size]).reshape(
                [-1 if place == axis else 1 for place in range(picture.ndim)]
            )
            picture = np.add.reduceat(picture.astype(float), starts, axis=axis) / counts
    return picture


def plot_mistakes(
    exhibit: Exhibit, images: np.ndarray, labels: np.ndarray, predictions: np.ndarray, ink: bool = True
) -> tuple[Figure, str]:
    """A gallery of test images that the network gets wrong, one of each confusion; and its message.

    Args:
        images: uint8, (examples, rows, columns, channels).
        labels: the true classes, (examples,).
        predictions: the network's guesses, (examples,).
        ink: whether grey images are drawn dark on white.
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
        note += image_note(images.shape[1:])
    shown = table.head(MOST)
    captions = [f"{row.truth} → {row.guess}" for row in shown.itertuples()]
    counts = [f"{row.times}×" for row in shown.itertuples()]
    pictures = [shown_image(images[row.image], ink) for row in shown.itertuples()]
    return _gallery(pictures, message, note, captions, counts)


def shape_before_weights(layers: pd.DataFrame, run: Run, image_shape: tuple[int, ...]) -> tuple[int, ...]:
    """What the first layer with weights sees: the image, or what pooling left of it."""
    its_layers = layers[(layers["architecture"] == run.architecture) & (layers["width"] == run.width)]
    shape = image_shape
    for layer in its_layers.sort_values("position").itertuples():
        if layer.parameters:
            break
        sizes = str(layer.output_shape).split("x")
        # A size may be open ("None"), and a layer may have several outputs.
        if len(sizes) == 3 and all(size.isdigit() for size in sizes):
            shape = tuple(int(size) for size in sizes)
    return shape


def layer_types(layers: pd.DataFrame, run: Run) -> dict[str, str]:
    """Layer -> its class, for a run's network; empty for a layers.csv without the names of layers."""
    its_layers = layers[(layers["architecture"] == run.architecture) & (layers["width"] == run.width)]
    return dict(zip(its_layers["layer"], its_layers["type"], strict=True)) if "layer" in its_layers else {}


def first_kernels(
    weights: Mapping[str, np.ndarray], input_shape: tuple[int, ...], types: Mapping[str, str] | None = None
) -> tuple[list, str]:
    """A picture for each unit of the first layer with a kernel, and what a picture is, in words.

    Args:
        weights: "layer/variable" -> array, in the order of the layers.
        input_shape: what goes into that layer before anything flattens it: (rows, columns, channels), or any
            other shape, where units are drawn as a single row of weights.
        types: layer -> its class; by default a layer is what its name says.

    Both are empty for a network whose weights are all lists of numbers, such as scales and biases.
    """
    name, kernel = first_kernel(weights)
    if kernel is None:
        return [], ""
    layer, _, variable = name.partition("/")
    kind = (types or {}).get(layer, layer).lower()
    if kernel.ndim > 2 and "transpose" in kind:  # (…, units, channels in)
        kernel = np.swapaxes(kernel, -1, -2)
    if kernel.ndim > 2 and "depthwise" in kind + variable:  # each filter sees one channel
        kernel = kernel.reshape(*kernel.shape[:-2], 1, -1)
    units = np.moveaxis(kernel, -1, 0)
    if kernel.ndim == 2 and len(input_shape) == 3 and np.prod(input_shape) == kernel.shape[0]:
        units = units.reshape(-1, *input_shape)
    is_convolution = kernel.ndim == 4 or (kernel.ndim in (3, 5) and "conv" in kind)
    if units.ndim == 2 or (kernel.ndim != 2 and not is_convolution):
        units = units.reshape(len(units), 1, -1)
        return list(units), f"{units.shape[-1]} inputs"
    channels = units.shape[-1]
    if kernel.ndim == 3:  # positions, channels in, filters
        picture = f"{units.shape[1]} positions" + (f" × {channels} channels" if channels > 1 else "")
        return list(units), picture
    means = [f"{units.shape[1]} slices"] if kernel.ndim == 5 else []
    means += [f"{channels} channels"] if channels > 1 else []
    units = units.mean(axis=-1)
    units = units.mean(axis=1) if kernel.ndim == 5 else units
    what = f"{units.shape[1]} × {units.shape[2]} pixels"
    return list(units), what + (f", the mean over {' and '.join(means)}" if means else "")


def first_kernel(weights: Mapping[str, np.ndarray]) -> tuple[str, np.ndarray | None]:
    """The first array of weights with a unit in each step along its last axis, and its name.

    Kernels and embeddings come before any other array of two dimensions or more, such as the slopes of PReLU.
    """
    arrays = [(name, array) for name, array in weights.items() if array.ndim > 1 and array.size]
    kernels = [(name, array) for name, array in arrays if "kernel" in name or "embeddings" in name]
    return next(iter(kernels or arrays), ("", None))


def plot_first_layer(
    exhibit: Exhibit,
    weights: Mapping[str, np.ndarray],
    input_shape: tuple[int, ...],
    types: Mapping[str, str] | None = None,
) -> tuple[Figure, str]:
    """The weights of each unit of the first layer as a picture; and the message.

    The arguments are those of `first_kernels`.
    """
    kernels, what = first_kernels(weights, input_shape, types)
    if not kernels:
        message = f"The weights of {exhibit.model} are no pictures"
        return _gallery([], message, "They are lists of numbers, such as scales and biases.", None, None)
    finite = [np.nan_to_num(kernel, nan=0.0, posinf=0.0, neginf=0.0) for kernel in kernels]
    broken = sum(not np.isfinite(kernel).all() for kernel in kernels)
    # The heaviest first: a unit that died has hardly any weights.
    order = sorted(range(len(kernels)), key=lambda unit: -np.abs(finite[unit]).sum())
    units = style.plural(len(kernels), "unit")
    message = f"What the first layer of {exhibit.model} looks for: {units}, each of {what}"
    note = "Orange weights speak for a bright pixel, purple ones against it, white ones do not care. "
    if broken:
        note += f"Grey are weights that are not finite numbers, in {style.plural(broken, 'unit')}. "
    if len(kernels) > MOST:
        note += f"The {MOST} heaviest are shown. "
    note += f"Seed {exhibit.run.seed}, all on one scale."
    reach = float(max(np.abs(kernel).max() for kernel in finite)) or 1.0
    colours = matplotlib.colormaps["PuOr_r"].with_extremes(bad="#9aa1a9")
    scale = {"cmap": colours, "vmin": -reach, "vmax": reach}
    pictures = [(np.ma.masked_invalid(shrunk(kernels[unit])), scale) for unit in order[:MOST]]
    return _gallery(pictures, message, note, None, None)


def plot_data(name: str, dataset: Dataset, summary: Mapping) -> tuple[Figure, str]:
    """A data set to look at: some images of each class, and a bar a class for each part; and the message.

    Args:
        summary: what `datasets.summarise` says of the data set.
    """
    classes, parts = summary["classes"], summary["parts"]
    parts = {part: facts for part, facts in parts.items() if facts["examples"]}
    counts = [f"{style.count(facts['examples'])} {PARTS[part]}" for part, facts in parts.items()]
    shape = " × ".join(map(str, summary["image_shape"][: 2 if summary["image_shape"][2] == 1 else 3]))
    counts = " and ".join([", ".join(counts[:-1]), counts[-1]]) if len(counts) > 1 else counts[0]
    message = f"{name}: {counts} images of {shape} in {classes} classes"
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
        height = 2.0 * (1 - write_title(figure, message, note)) + len(rows) * cell + len(parts) * panel + 0.6
        figure.set_figheight(height)
        top = write_title(figure, message, note)
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
    return figure, message


def _gallery(pictures: list[tuple], message: str, note: str, captions, counts) -> tuple[Figure, str]:
    """Pictures, each with its options for `imshow`, in rows of COLUMNS; captions and counts below them."""
    with style.figure_style():
        columns = min(COLUMNS, max(len(pictures), 3))
        rows = -(-len(pictures) // columns)
        cell = 0.95 * style.WIDTH / COLUMNS
        below = 0.24 if captions else 0.08
        figure = new_figure(2.0)
        height = 2.0 * (1 - write_title(figure, message, note)) + rows * (cell + below) + 0.05
        figure.set_figheight(height)
        top = write_title(figure, message, note)
        for number, (picture, options) in enumerate(pictures):
            row, column = divmod(number, columns)
            left = 0.025 + column * cell / style.WIDTH
            bottom = top - (row * (cell + below) + cell * 0.94) / height
            axes = figure.add_axes((left, bottom, 0.94 * cell / style.WIDTH, 0.94 * cell / height))
            show_picture(axes, picture, options)
            if captions:
                below_picture = {"transform": axes.transAxes, "va": "top", "fontsize": style.SMALL_SIZE}
                axes.text(0, -0.05, captions[number], fontweight="bold", **below_picture)
                axes.text(1, -0.05, counts[number], ha="right", color=style.MUTED, **below_picture)
    return figure, message


def show_picture(axes: Axes, picture: np.ndarray, options: dict) -> None:
    """Draw a picture as large as fits into the axes."""
    # "none" keeps an SVG at one pixel a pixel, which the browser enlarges without a blur.
    aspect = "auto" if is_stretched(picture.shape) else "equal"
    axes.imshow(picture, interpolation="none", aspect=aspect, **options)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set(visible=True, color=style.FAINT)
