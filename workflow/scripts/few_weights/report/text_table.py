"""A table of the page as text: what `text_table` of tables.html.j2 shows."""

from typing import NamedTuple

#: Characters from which on the texts of a column may be broken into lines, and are a sentence: aligned left.
WRAPPED, SENTENCE = 20, 40


class TextTable(NamedTuple):
    """Headings, and rows with one text per heading; the first cell of a row names it."""

    headings: list[str]
    rows: list[list[str]]

    @property
    def classes(self) -> list[dict[str, str]]:
        """The class attribute of each column's cells in page.css: "text", "wrap" or none."""
        longest = [max(map(len, column)) for column in zip(*self.rows, strict=True)]
        return [
            {"class": "text"} if length > SENTENCE else {"class": "wrap"} if length > WRAPPED else {}
            for length in longest
        ] or [{} for _ in self.headings]
