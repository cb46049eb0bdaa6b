"""Renders the study's tables and figures -> report.html and, for Snakemake's own report, two tables."""

import argparse
import json
from pathlib import Path

from few_weights import reporting, tables
from few_weights.errors import StudyError, entry_point
from few_weights.files import write_atomically


@entry_point
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", required=True)
    parser.add_argument("--breakpoints", required=True)
    parser.add_argument(
        "--tables",
        required=True,
        nargs="+",
        help="models, pareto, targets, bootstrap, neighbours, search .csv",
    )
    parser.add_argument(
        "--figures",
        required=True,
        nargs="+",
        help=f"{', '.join(reporting.FIGURES)}, curve-<architecture> .svg",
    )
    parser.add_argument(
        "--templates", required=True, type=Path, help="the folder of report.html.j2 and table.html.j2"
    )
    parser.add_argument("--notes", type=json.loads, default=[], help="JSON: sentences that head the report")
    parser.add_argument("--report", required=True)
    parser.add_argument("--breakpoints-table", required=True)
    parser.add_argument("--runs-table", required=True)
    options = parser.parse_args()

    runs = tables.read_runs(options.runs)
    breakpoints = tables.read_breakpoints(options.breakpoints)
    figures = {Path(path).stem: path for path in options.figures}
    needed = {*reporting.FIGURES, *(f"curve-{name}" for name in breakpoints["architecture"])}
    if missing := needed - figures.keys():
        raise StudyError(f"--figures lacks {', '.join(f'{name}.svg' for name in sorted(missing))}")

    drawn = {name: Path(path).read_text(encoding="utf-8") for name, path in figures.items()}
    evidence = {Path(path).stem: tables.read_evidence(path) for path in options.tables}
    page = reporting.render_report(options.templates / "report.html.j2", runs, breakpoints, drawn, evidence)
    table = options.templates / "table.html.j2"
    write_atomically(
        options.breakpoints_table, reporting.render_table(table, "breakpoints", runs, breakpoints)
    )
    write_atomically(options.runs_table, reporting.render_table(table, "runs", runs, breakpoints))
    write_atomically(options.report, page)


if __name__ == "__main__":
    main()
