"""Writes every figure as SVG and PNG, or a placeholder that says why it could not be drawn."""

import traceback
from collections.abc import Callable
from pathlib import Path

from matplotlib.figure import Figure

from few_weights.errors import StudyError
from few_weights.files import write_atomically
from few_weights.report.figures import style
from few_weights.report.figures.layout import new_figure, write_title

#: How the title of a placeholder begins; the report recognises it by this.
NOT_DRAWN = "This figure could not be drawn: "

#: How many characters of a reason a placeholder shows; the log has the rest.
LONGEST = 300


def write_figure(svg: Path | str, png: Path | str, draw: Callable[[], tuple[Figure, str]]) -> None:
    """Draw a figure and write it as SVG and PNG.

    If `draw` or the rendering of its figure fails for a reason that the user cannot fix, the files hold a
    placeholder that says so, and the traceback goes to standard error.

    Args:
        svg, png: the files to write.
        draw: returns the figure and its title, which becomes the title of the files.

    Raises:
        StudyError, OSError: what `draw` reads is damaged or missing, or the files cannot be written.
    """
    try:
        contents = _rendered(*draw())
    except (StudyError, OSError):
        raise
    except Exception as error:  # any error that unusual data or a bug causes
        traceback.print_exc()
        contents = _rendered(*placeholder(error))
        print(f"{svg} is a placeholder")
    for path, content in zip((svg, png), contents, strict=True):
        write_atomically(path, content)


def placeholder(error: Exception) -> tuple[Figure, str]:
    """A figure that says why another could not be drawn; and its title."""
    reason = " ".join(f"{type(error).__name__}: {error}".split()).removesuffix(": ")
    reason = reason if len(reason) <= LONGEST else reason[: LONGEST - 1] + "…"
    title = NOT_DRAWN + reason
    with style.figure_style():
        figure = new_figure(2.0)
        note = "The tables hold its numbers, and the log of the rule that draws it holds the traceback."
        height = 2.0 * (1 - write_title(figure, title, note))
        figure.set_figheight(height)
        write_title(figure, title, note)
    return figure, title


def _rendered(figure: Figure, title: str) -> tuple[bytes, bytes]:
    return style.figure_bytes(figure, "svg", title), style.figure_bytes(figure, "png", title)
