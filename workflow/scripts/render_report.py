"""Render the report: the study's tables and figures -> report.html, and two tables for Snakemake's report."""

import argparse
import json
from pathlib import Path

import pandas as pd

from few_weights.analysis import read_tables, table_columns
from few_weights.errors import StudyError, entry_point
from few_weights.files import write_atomically
from few_weights.report.page import render_report, render_table


@entry_point
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", required=True)
    parser.add_argument("--breakpoints", required=True)
    parser.add_argument(
        "--tables",
        nargs="*",
        default=[],
        help="the study's other tables; those that do not exist are left out",
    )
    parser.add_argument(
        "--figures",
        nargs="*",
        default=[],
        help="the study's figures, .svg; those that do not exist are left out",
    )
    parser.add_argument(
        "--templates", required=True, type=Path, help="the folder with report.html.j2 and table.html.j2"
    )
    parser.add_argument(
        "--notes",
        default="[]",
        help="sentences for the top of the page: a JSON list, or a file with one",
    )
    parser.add_argument("--report", required=True)
    parser.add_argument("--breakpoints-table", required=True)
    parser.add_argument("--runs-table", required=True)
    options = parser.parse_args()

    runs = read_tables.read_runs(options.runs)
    breakpoints = read_tables.read_breakpoints(options.breakpoints)
    figures = {path.stem: _read_svg(path) for path in map(Path, options.figures) if path.exists()}
    tables = {path.stem: _read_table(path) for path in map(Path, options.tables) if path.exists()}
    html = render_report(
        options.templates / "report.html.j2", runs, breakpoints, figures, tables, _notes(options.notes)
    )
    template = options.templates / "table.html.j2"
    write_atomically(options.breakpoints_table, render_table(template, "breakpoints", runs, breakpoints))
    write_atomically(options.runs_table, render_table(template, "runs", runs, breakpoints))
    write_atomically(options.report, html)


def _read_table(path: Path) -> pd.DataFrame:
    if path.stem not in table_columns.TABLES:
        raise StudyError(f"{path} is not one of the study's tables: {', '.join(table_columns.TABLES)}")
    return read_tables.read_table(path, table_columns.TABLES[path.stem])


def _read_svg(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise StudyError(
            f"{path} is not an SVG document; delete it and start again, and it is drawn again"
        ) from None


def _notes(value: str) -> list[str]:
    """The notes from a JSON list or from a file with one."""
    text = value if value.lstrip().startswith("[") else Path(value).read_text(encoding="utf-8")
    try:
        notes = json.loads(text)
    except ValueError as error:
        raise StudyError(f"--notes {value} is not JSON ({error})") from None
    if not (isinstance(notes, list) and all(isinstance(note, str) for note in notes)):
        raise StudyError(f"--notes {value} must be a JSON list of sentences")
    return notes


if __name__ == "__main__":
    main()
