"""Colours, fonts and sizes of the figures and the report.

Figures are saved so that the same input gives the same bytes: no dates, no versions, no random ids.
"""

import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

import matplotlib as mpl
import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.typing import RcKeyType

#: Warm for perceptrons, cool for convolutional networks; they differ with any kind of colour vision.
COLOURS = {"mlp": "#b8430c", "pooled_mlp": "#bd8600", "cnn": "#0a66a8", "vgg": "#00876c"}

#: For a user's own architectures.
SPARE_COLOURS = ["#b0568c", "#7a5c3a", "#6a51a3", "#4d4d4d", "#8a9a1b", "#4b9fd5"]

INK, MUTED, FAINT = "#1b1f24", "#5b636d", "#d9dde2"


#: Inches. Narrow, so that 10-point text can still be read on a phone; on a desktop the page enlarges it.
WIDTH, CURVE_HEIGHT = 5.7, 4.5

#: More marks than this are drawn as pixels even in an SVG, where each takes some hundred bytes of the report.
MOST_SHAPES = 300

#: Pixels per inch of a PNG, and of what is drawn as pixels in an SVG.
RESOLUTION = 200

#: Font sizes in points.
TITLE_SIZE, TEXT_SIZE, SMALL_SIZE, SMALLEST_SIZE = 12.5, 10, 8.8, 8.6


def colours(architectures: Iterable[str]) -> dict[str, str]:
    """Architecture -> colour; a user's own get the spare colours, in the order of their names."""
    names = list(dict.fromkeys(architectures))
    unknown = sorted(name for name in names if name not in COLOURS)
    further = max(0, len(unknown) - len(SPARE_COLOURS))
    spare = list(SPARE_COLOURS)
    if further:
        import seaborn as sns  # takes a second to import, and most figures do without

        spare += sns.husl_palette(further, l=0.5).as_hex()
    assigned = COLOURS | dict(zip(unknown, spare, strict=False))
    return {name: assigned[name] for name in names}


def layer_shades(colour: str, number: int) -> list[tuple[float, float, float]]:
    """One shade of a colour per layer, from pale to full, as (red, green, blue) in [0, 1]."""
    depths = np.linspace(0.25, 1, number) if number > 1 else np.ones(1)
    red, green, blue = to_rgb(colour)
    return [(1 - d * (1 - red), 1 - d * (1 - green), 1 - d * (1 - blue)) for d in depths.tolist()]


def luminance(rgb: tuple[float, float, float]) -> float:
    """The brightness of a colour, from 0 (black) to 1 (white); weights of ITU-R BT.601."""
    return float(np.dot(rgb, (0.299, 0.587, 0.114)))


@contextmanager
def figure_style() -> Iterator[None]:
    """Apply Matplotlib's settings while a figure is drawn or saved."""
    settings: dict[RcKeyType, Any] = {
        # The font that comes with Matplotlib, so that every machine draws the same.
        "font.family": "DejaVu Sans",
        "font.size": TEXT_SIZE,
        "text.color": INK,
        # As in seaborn's style "ticks", without the second that importing it takes.
        "lines.solid_capstyle": "round",
        "patch.edgecolor": "white",
        "patch.force_edgecolor": True,
        "grid.color": "0.8",
        "axes.axisbelow": True,
        "axes.edgecolor": "#8a929b",
        "axes.labelcolor": MUTED,
        "axes.linewidth": 0.8,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "xtick.color": "#8a929b",
        "ytick.color": "#8a929b",
        "xtick.labelcolor": MUTED,
        "ytick.labelcolor": MUTED,
        "xtick.labelsize": SMALL_SIZE + 0.4,
        "ytick.labelsize": SMALL_SIZE + 0.4,
        "figure.facecolor": "white",
        "savefig.facecolor": "white",
        "svg.fonttype": "path",
        "svg.hashsalt": "few-weights",
        # A dollar sign in a name or a message is just a dollar sign.
        "text.parse_math": False,
    }
    with mpl.rc_context(settings):
        yield


def figure_bytes(figure: Figure, kind: Literal["svg", "png"], title: str) -> bytes:
    """The figure as the bytes of an "svg" or "png" file; a screen reader reads out its `title`."""
    metadata: dict[str, dict[str, Any]] = {
        "svg": {"Date": None, "Creator": None, "Format": None, "Type": None, "Title": title},
        "png": {"Software": None, "Title": title},
    }
    buffer = io.BytesIO()
    with figure_style():
        figure.savefig(buffer, format=kind, dpi=RESOLUTION, metadata=metadata[kind])
    return buffer.getvalue()
