"""The figure of the weights of the smallest sufficient network's first layer."""

from collections.abc import Mapping

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from few_weights.analysis.rows import rows
from few_weights.plan.runs import Run
from few_weights.report import wording
from few_weights.report.figures.gallery import MOST, draw_gallery, shrunk
from few_weights.report.figures.inputs import FigureInputs
from few_weights.report.figures.smallest_network import SmallestNetwork, choose_network

#: An array of weights.
Weights = NDArray[np.floating]


def shape_before_weights(layers: pd.DataFrame, run: Run, image_shape: tuple[int, ...]) -> tuple[int, ...]:
    """The input shape of a run's first layer with weights: that of the images, or of what pooling gives."""
    model_layers = layers[(layers["architecture"] == run.architecture) & (layers["width"] == run.width)]
    shape = image_shape
    for layer in rows(model_layers.sort_values("position")):
        if layer.parameters:
            break
        sizes = str(layer.output_shape).split("x")
        # A size may be open ("None"), and a layer may have several outputs.
        if len(sizes) == 3 and all(size.isdigit() for size in sizes):
            shape = tuple(int(size) for size in sizes)
    return shape


def layer_types(layers: pd.DataFrame, run: Run) -> dict[str, str]:
    """Layer name -> class, for a run's network; empty for a layers.csv without the names of layers."""
    model_layers = layers[(layers["architecture"] == run.architecture) & (layers["width"] == run.width)]
    return (
        dict(zip(model_layers["layer"], model_layers["type"], strict=True)) if "layer" in model_layers else {}
    )


def first_kernels(
    weights: Mapping[str, Weights], input_shape: tuple[int, ...], types: Mapping[str, str] | None = None
) -> tuple[list[Weights], str]:
    """A picture for each unit of the first layer with a kernel, and what it shows ("5 × 5 pixels").

    Args:
        weights: "layer/variable" -> array, in the order of the layers.
        input_shape: the shape of that layer's input before it is flattened: (rows, columns, channels), or any
            other shape, for which units are drawn as a single row of weights.
        types: layer name -> class; by default a layer is of the class that its name says.

    Returns:
        One array per unit, (rows, columns), and a description. Both are empty for a network whose weights are
        all lists of numbers, such as scales and biases.
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


def first_kernel(weights: Mapping[str, Weights]) -> tuple[str, Weights | None]:
    """The first array of weights with a unit in each step along its last axis, and its name.

    Kernels and embeddings come before any other array of two dimensions or more, such as the slopes of PReLU.
    """
    arrays = [(name, array) for name, array in weights.items() if array.ndim > 1 and array.size]
    kernels = [(name, array) for name, array in arrays if "kernel" in name or "embeddings" in name]
    return next(iter(kernels or arrays), ("", None))


def plot_first_layer(
    network: SmallestNetwork,
    weights: Mapping[str, Weights],
    input_shape: tuple[int, ...],
    types: Mapping[str, str] | None = None,
) -> tuple[Figure, str]:
    """The weights of each unit of the first layer as a picture; and the title.

    Args:
        network: the run that is shown.
        weights, input_shape, types: as for `first_kernels`.
    """
    kernels, what = first_kernels(weights, input_shape, types)
    if not kernels:
        title = f"The weights of {network.model} cannot be drawn as pictures"
        return draw_gallery([], title, "They are lists of numbers, such as scales and biases.")
    finite = [np.nan_to_num(kernel, nan=0.0, posinf=0.0, neginf=0.0) for kernel in kernels]
    broken = sum(not np.isfinite(kernel).all() for kernel in kernels)
    # The largest weights first: those of a dead unit are nearly zero.
    order = sorted(range(len(kernels)), key=lambda unit: -np.abs(finite[unit]).sum())
    units = wording.plural(len(kernels), "unit")
    title = f"First-layer weights of {network.model}: {units}, each of {what}"
    note = "Orange: positive weights, purple: negative, near zero: white. "
    if broken:
        note += f"Grey: weights that are not finite numbers, in {wording.plural(broken, 'unit')}. "
    if len(kernels) > MOST:
        note += f"The {MOST} units with the largest weights are shown. "
    note += f"Seed {network.run.seed}; all units on one scale."
    largest = float(max(np.abs(kernel).max() for kernel in finite)) or 1.0
    colours = matplotlib.colormaps["PuOr_r"].with_extremes(bad="#9aa1a9")
    scale = {"cmap": colours, "vmin": -largest, "vmax": largest}
    pictures = [(np.ma.masked_invalid(shrunk(kernels[unit])), scale) for unit in order[:MOST]]
    return draw_gallery(pictures, title, note)


def draw(inputs: FigureInputs) -> tuple[Figure, str]:
    """The figure and its title, from the files that it is drawn from."""
    network = choose_network(inputs.runs, inputs.breakpoints)
    shape = shape_before_weights(inputs.layers, network.run, inputs.images.image_shape)
    types = layer_types(inputs.layers, network.run)
    return plot_first_layer(network, inputs.weights(network.run), shape, types)
