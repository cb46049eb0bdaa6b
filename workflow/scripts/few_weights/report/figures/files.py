"""Figures as files, one mechanism for all: a figure that cannot be drawn costs its place, not the report."""

import traceback
from collections.abc import Callable
from pathlib import Path

from matplotlib.figure import Figure

from few_weights.errors import StudyError
from few_weights.files import write_atomically
from few_weights.report.figures import style
from few_weights.report.figures.canvas import new_figure, write_title

#: How the title of a placeholder begins, by which the report knows it.
NOT_DRAWN = "This figure could not be drawn: "


#: Characters of a reason; the log has the rest.
LONGEST = 300


def write_figure(svg: Path | str, png: Path | str, draw: Callable[[], tuple[Figure, str]]) -> None:
    """Draw a figure and write it as SVG and PNG.

    Where `draw` or the drawing of its figure fails for a reason that is not the user's, the files hold a
    placeholder that says so, and the traceback goes to standard error.

    Args:
        draw: gives the figure and its message, which becomes the title of the files.

    Raises:
        StudyError, OSError: what `draw` reads is damaged or missing, or the files cannot be written.
    """
    try:
        contents = _rendered(*draw())
    except (StudyError, OSError):
        raise
    except Exception as error:  # whatever odd data or a bug leads to
        traceback.print_exc()
        contents = _rendered(*placeholder(error))
        print(f"{svg} is a placeholder")
    for path, content in zip((svg, png), contents, strict=True):
        write_atomically(path, content)


def placeholder(error: Exception) -> tuple[Figure, str]:
    """A figure that says why another is missing; and its message."""
    reason = " ".join(f"{type(error).__name__}: {error}".split()).removesuffix(": ")
    reason = reason if len(reason) <= LONGEST else reason[: LONGEST - 1] + "…"
    message = NOT_DRAWN + reason
    with style.figure_style():
        figure = new_figure(2.0)
        note = "The tables hold its numbers, and the log of the rule that draws it holds the traceback."
        height = 2.0 * (1 - write_title(figure, message, note))
        figure.set_figheight(height)
        write_title(figure, message, note)
    return figure, message


def _rendered(figure: Figure, message: str) -> tuple[bytes, bytes]:
    svg, png = (style.figure_bytes(figure, kind, message) for kind in ("svg", "png"))
    return svg, png
