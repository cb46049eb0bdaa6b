"""What tests read out of figures."""

from collections.abc import Sequence

from matplotlib.figure import Figure

from few_weights.report.figures import style


def spaced(text: str) -> str:
    """The text with ordinary spaces instead of those that keep a number and its sign together."""
    return text.replace("\N{NO-BREAK SPACE}", " ")


def file_of(drawn: tuple[Figure, str], kind: str = "svg") -> bytes:
    """A figure and its title as the bytes of a file."""
    figure, title = drawn
    return style.figure_bytes(figure, kind, title)


def drawn_points(figure: Figure, label: str) -> Sequence[tuple[float, float]]:
    """The points of everything drawn under this label."""
    lines = [line for axes in figure.axes for line in axes.lines if line.get_label() == label]
    return [point for line in lines for point in zip(*line.get_data(), strict=True)]


def text_of(figure: Figure) -> str:
    """All texts of a figure, one per line, with ordinary spaces."""
    texts = [text for axes in figure.axes for text in axes.texts] + figure.texts
    return spaced("\n".join(text.get_text() for text in texts))


def note_of(figure: Figure) -> str:
    """All texts of a figure in one line, so that line breaks in its note do not matter."""
    return text_of(figure).replace("\n", " ")
