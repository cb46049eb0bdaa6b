"""How everything looks: colours, fonts, sizes and number formats of the figures and the report, in one place.

Figures are saved so that the same input gives the same bytes: no dates, no versions, no random ids.
"""

import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import matplotlib as mpl
import seaborn as sns
from matplotlib.figure import Figure

# Warm for perceptrons, cool for convolutional networks; told apart with any colour vision.
COLOURS = {"mlp": "#b8430c", "pooled_mlp": "#bd8600", "cnn": "#0a66a8", "vgg": "#00876c"}


SPARE_COLOURS = ["#b0568c", "#7a5c3a", "#6a51a3", "#4d4d4d", "#8a9a1b", "#4b9fd5"]


INK, MUTED, FAINT = "#1b1f24", "#5b636d", "#d9dde2"


#: Inches. Small on purpose: with 10-point text a figure stays readable on a phone and may grow on a desk.
WIDTH = 5.7


CURVE_HEIGHT = 4.5


TITLE_SIZE, TEXT_SIZE, SMALL_SIZE = 12.5, 10, 8.8


def colours(architectures: Iterable[str]) -> dict[str, str]:
    """A colour an architecture; those we do not know share the rest by name, whatever their order."""
    names = list(dict.fromkeys(architectures))
    unknown = sorted(name for name in names if name not in COLOURS)
    further = max(0, len(unknown) - len(SPARE_COLOURS))
    spare = SPARE_COLOURS + sns.husl_palette(further, l=0.5).as_hex()
    assigned = COLOURS | dict(zip(unknown, spare, strict=False))
    return {name: assigned[name] for name in names}


@contextmanager
def figure_style() -> Iterator[None]:
    """Matplotlib's settings while a figure is drawn or saved."""
    settings = sns.axes_style("ticks") | {
        # The one font that Matplotlib brings along, so that every machine draws the same.
        "font.family": "DejaVu Sans",
        "font.size": TEXT_SIZE,
        "text.color": INK,
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
        # A dollar sign in a name or a reason is a dollar sign.
        "text.parse_math": False,
    }
    with mpl.rc_context(settings):
        yield


def figure_bytes(figure: Figure, kind: str, title: str) -> bytes:
    """The figure as the bytes of an "svg" or "png" file; `title` is what a screen reader says of it."""
    unsigned = {
        "svg": {"Date": None, "Creator": None, "Format": None, "Type": None, "Title": title},
        "png": {"Software": None, "Title": title},
    }
    buffer = io.BytesIO()
    with figure_style():
        figure.savefig(buffer, format=kind, dpi=200 if kind == "png" else 72, metadata=unsigned[kind])
    return buffer.getvalue()
