"""The layout that all figures share: size, title and note, and margins that fit names and numbers."""

import textwrap

from matplotlib.axes import Axes
from matplotlib.backend_bases import RendererBase
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Annotation

from few_weights.report.figures import style

#: Characters that fit into a line of the title and of the note.
TITLE_CHARACTERS, NOTE_CHARACTERS = 51, 87


def new_figure(height: float) -> Figure:
    """An empty figure of the common width; the height is in inches."""
    figure = Figure(figsize=(style.WIDTH, height))
    FigureCanvasAgg(figure)
    return figure


def renderer_of(axes: Axes) -> RendererBase:
    """What measures text in the figure of these axes, which `new_figure` made."""
    canvas = axes.figure.canvas
    assert isinstance(canvas, FigureCanvasAgg)
    return canvas.get_renderer()  # type: ignore[no-untyped-call]  # Matplotlib does not annotate it


def write_title(figure: Figure, title: str, note: str) -> float:
    """Write title and note at the top left.

    Returns:
        The bottom of the note, as a share of the figure's height from its lower edge.
    """
    figure.texts.clear()
    inch = 1 / figure.get_figheight()
    y = 1 - 0.14 * inch
    for text, characters, size, weight, colour in (
        (title, TITLE_CHARACTERS, style.TITLE_SIZE, "bold", style.INK),
        (note, NOTE_CHARACTERS, style.SMALL_SIZE, "normal", style.MUTED),
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
    """As few lines of at most so many characters as possible, of about equal length."""
    lines = textwrap.wrap(text, characters)
    while characters > 1 and len(narrower := textwrap.wrap(text, characters - 1)) == len(lines):
        lines, characters = narrower, characters - 1
    return lines


def axes_position(figure: Figure, top: float) -> tuple[float, float, float, float]:
    """Left, bottom, width and height of axes with labels to their left and below, as shares of the figure."""
    bottom = 0.58 / figure.get_figheight()
    return (0.125, bottom, 0.81, top - bottom)


def fit_names(axes: Axes, margin: float = 0.02) -> None:
    """Move the left edge to the right until the longest name fits; the margin is a share of the width."""
    extent = axes.get_tightbbox(renderer_of(axes))
    overhang = margin - extent.x0 / axes.figure.bbox.width if extent else 0
    if overhang > 0:
        left, bottom, width, height = axes.get_position().bounds
        axes.set_position((left + overhang, bottom, width - overhang, height))


def fit_bar_labels(axes: Axes) -> None:
    """Shorten the bars until the annotation after each fits into the figure."""
    renderer, width = renderer_of(axes), axes.bbox.width
    labels = [text for text in axes.texts if isinstance(text, Annotation)]
    extents = [(label.xy[0], label.get_window_extent(renderer)) for label in labels]
    if max(extent.x1 for _, extent in extents) > axes.figure.bbox.width:
        limit = axes.get_xlim()[1]
        for end, extent in extents:
            # Each bar keeps at least a tenth of the width.
            limit = max(limit, end * width / max(width - 1.1 * extent.width, 0.1 * width))
        axes.set_xlim(0, limit)
