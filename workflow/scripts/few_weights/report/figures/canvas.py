"""What every figure is drawn on: a title, a note, and room for names and numbers."""

import textwrap

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from few_weights.report.figures import style

# Drawing


def new_figure(height: float) -> Figure:
    figure = Figure(figsize=(style.WIDTH, height))
    FigureCanvasAgg(figure)
    return figure


def write_title(figure: Figure, message: str, note: str) -> float:
    """Title and note at the top left; the height, as a share of the figure, that is left below them."""
    figure.texts.clear()
    inch = 1 / figure.get_figheight()
    y = 1 - 0.14 * inch
    for text, characters, size, weight, colour in (
        (message, 51, style.TITLE_SIZE, "bold", style.INK),
        (note, 87, style.SMALL_SIZE, "normal", style.MUTED),
    ):
        lines = balanced_lines(text, characters)
        figure.text(
            0.025,
            y,
            "\n".join(lines),
            ha="left",
            va="top",
            fontsize=size,
            fontweight=weight,
            color=colour,
            linespacing=1.3,
        )
        y -= (len(lines) * size * 1.5 / 72 + 0.05) * inch
    return y - 0.1 * inch


def balanced_lines(text: str, characters: int) -> list[str]:
    """As few lines as fit, of about equal length: no single word on the last one."""
    lines = textwrap.wrap(text, characters)
    while characters > 1 and len(narrower := textwrap.wrap(text, characters - 1)) == len(lines):
        lines, characters = narrower, characters - 1
    return lines


def margins(figure: Figure, top: float) -> tuple[float, float, float, float]:
    """Where axes with labels left and below them go, in shares of the figure."""
    bottom = 0.58 / figure.get_figheight()
    return (0.125, bottom, 0.81, top - bottom)


def make_room_for_names(axes: Axes, margin: float = 0.02) -> None:
    """Move the left edge to the right until the longest name fits, with a margin as a share of the width."""
    renderer = axes.figure.canvas.get_renderer()
    overhang = margin - axes.get_tightbbox(renderer).x0 / axes.figure.bbox.width
    if overhang > 0:
        left, bottom, width, height = axes.get_position().bounds
        axes.set_position((left + overhang, bottom, width - overhang, height))


def make_room_for_numbers(axes: Axes) -> None:
    """Shorten the bars until the number behind each fits into the figure."""
    renderer, width = axes.figure.canvas.get_renderer(), axes.bbox.width
    extents = [(text.xy[0], text.get_window_extent(renderer)) for text in axes.texts]
    if max(extent.x1 for _, extent in extents) > axes.figure.bbox.width:
        left = axes.get_xlim()[1]
        for end, extent in extents:
            # A tenth is the least that a bar keeps.
            left = max(left, end * width / max(width - 1.1 * extent.width, 0.1 * width))
        axes.set_xlim(0, left)


def layer_shades(colour: str, number: int) -> list:
    """From a pale tint to the full colour, one shade a layer."""
    shades = np.linspace(0.25, 1, number) if number > 1 else [1.0]
    return [tuple(1 - depth * (1 - np.array(to_rgb(colour)))) for depth in shades]


def luminance(rgb) -> float:
    return float(np.dot(rgb, (0.299, 0.587, 0.114)))
