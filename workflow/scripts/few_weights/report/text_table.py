"""A table of the page as text: what `text_table` of tables.html.j2 shows."""

from typing import NamedTuple


class TextTable(NamedTuple):
    """Headings, and rows with one text per heading; the first cell of a row names it."""

    headings: list[str]
    rows: list[list[str]]
