"""Galleries of images or weights: small pictures in rows."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from few_weights.report.figures import style
from few_weights.report.figures.layout import new_figure, write_title

#: How many pictures a figure shows at most, and how many there are in a row.
MOST, COLUMNS = 30, 6

#: A picture with more pixels along a side is shrunk; one that is more times as long as wide is stretched to a
#: square.
LARGEST_SIDE, LONGEST_SHAPE = 128, 4

#: A picture, (rows, columns) or (rows, columns, channels), and the options of `imshow` for it.
Picture = tuple[NDArray[Any], dict[str, Any]]


def shown_image(image: NDArray[np.uint8], ink: bool) -> Picture:
    """An image (rows, columns, channels) as `imshow` takes it, and its options for that.

    One channel is drawn in grey, three in colours; of four the first three, of any other number the mean.
    With `ink` bright pixels are drawn dark on white, as if written on paper.
    """
    channels = image.shape[-1]
    if channels in (3, 4):
        return shrunk(image[..., :3]).round().astype(np.uint8), {}
    grey = image[..., 0] if channels == 1 else image.mean(axis=-1)
    return shrunk(grey), {"cmap": "gray_r" if ink else "gray", "vmin": 0, "vmax": 255}


def image_note(image_shape: tuple[int, ...]) -> str:
    """How images of shape (rows, columns, channels) are changed to be shown; empty where they are not."""
    rows, columns, channels = image_shape
    note = ""
    if channels == 4:
        note += " Of the four channels the first three are shown, as red, green and blue."
    elif channels not in (1, 3):
        note += f" Shown in grey: the mean over the {channels} channels."
    return note + (" Stretched." if rows != columns and is_stretched((rows, columns)) else "")


def is_stretched(shape: tuple[int, ...]) -> bool:
    """Whether a picture of shape (rows, columns) fills its square: squares do, and long strips must."""
    rows, columns = shape[:2]
    return rows == columns or max(rows, columns) > LONGEST_SHAPE * min(rows, columns)


def shrunk(picture: NDArray[Any]) -> NDArray[Any]:
    """A picture (rows, columns, …) with at most LARGEST_SIDE pixels per side: means over blocks of pixels."""
    for axis in (0, 1):
        size = picture.shape[axis]
        if size > LARGEST_SIDE:
            starts = np.linspace(0, size, LARGEST_SIDE, endpoint=False).astype(int)
            counts = np.diff([*starts, size]).reshape(
                [-1 if other == axis else 1 for other in range(picture.ndim)]
            )
            picture = np.add.reduceat(picture.astype(float), starts, axis=axis) / counts
    return picture


def draw_gallery(
    pictures: Sequence[Picture],
    title: str,
    note: str,
    captions: Sequence[str] = (),
    counts: Sequence[str] = (),
) -> tuple[Figure, str]:
    """Pictures in rows of COLUMNS, with a caption and a count below each if given; and the title."""
    with style.figure_style():
        columns = min(COLUMNS, max(len(pictures), 3))
        rows = -(-len(pictures) // columns)
        cell = 0.95 * style.WIDTH / COLUMNS
        below = 0.24 if captions else 0.08
        figure = new_figure(2.0)
        height = 2.0 * (1 - write_title(figure, title, note)) + rows * (cell + below) + 0.05
        figure.set_figheight(height)
        top = write_title(figure, title, note)
        for number, (picture, options) in enumerate(pictures):
            row, column = divmod(number, columns)
            left = 0.025 + column * cell / style.WIDTH
            bottom = top - (row * (cell + below) + cell * 0.94) / height
            axes = figure.add_axes((left, bottom, 0.94 * cell / style.WIDTH, 0.94 * cell / height))
            show_picture(axes, picture, options)
            if captions:
                below_picture: dict[str, Any] = {
                    "transform": axes.transAxes,
                    "va": "top",
                    "fontsize": style.SMALL_SIZE,
                }
                axes.text(0, -0.05, captions[number], fontweight="bold", **below_picture)
                axes.text(1, -0.05, counts[number], ha="right", color=style.MUTED, **below_picture)
    return figure, title


def show_picture(axes: Axes, picture: NDArray[Any], options: dict[str, Any]) -> None:
    """Draw a picture as large as fits into the axes."""
    # With "none" an SVG holds one pixel for each pixel of the picture, which browsers enlarge without blur.
    axes.imshow(
        picture,
        interpolation="none",
        aspect="auto" if is_stretched(picture.shape) else "equal",
        **options,
    )
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set(visible=True, color=style.FAINT)
