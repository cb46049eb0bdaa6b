"""Images and weights as small pictures in rows."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from few_weights.report.figures import style
from few_weights.report.figures.canvas import new_figure, write_title

#: How many pictures a figure shows at most, and how many stand in a row.
MOST, COLUMNS = 30, 6


#: Pixels along a side above which a picture is shrunk, and how many times as wide as high it may be (or the
#: other way round) to keep its shape.
LARGEST_SIDE, LONGEST_SHAPE = 128, 4


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


def draw_gallery(pictures: list[tuple], message: str, note: str, captions, counts) -> tuple[Figure, str]:
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
