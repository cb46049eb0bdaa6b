"""Made-up pages of a report: rendered directly, and by the entry point from files."""

import re
import sys
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import render_report as script

from few_weights.plan.certainty import Rules
from few_weights.plan.outputs import figures_of_study
from few_weights.report.figures.all_weights import plot_all_weights
from few_weights.report.figures.comparison import plot_comparison
from few_weights.report.figures.curve import plot_curve
from few_weights.report.figures.first_layer import plot_first_layer
from few_weights.report.figures.learning import plot_learning
from few_weights.report.figures.mistakes import plot_mistakes
from few_weights.report.figures.smallest_network import choose_network
from few_weights.report.figures.timeline import plot_timeline
from few_weights.report.figures.weights_by_layer import plot_weights
from few_weights.report.page import render_report
from samples.figures import file_of, spaced
from samples.runs import STUDY, breakpoints_of, history_of, layers_of, study_of, tables_of

TEMPLATES = Path(script.__file__).parents[1] / "report"

EMPTY_SVG = '<svg viewBox="0 0 9 9"><title>empty</title></svg>'


class Attributes(HTMLParser):
    """Every (tag, attribute, value) of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, str, str]] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.found += [(tag, name, value or "") for name, value in attrs]


def svgs_of(runs: pd.DataFrame, breakpoints: pd.DataFrame) -> dict[str, str]:
    """The figures of a page as SVG documents, by name."""
    smallest = choose_network(runs, breakpoints)
    images, labels = np.zeros((4, 28, 28, 1), np.uint8), np.arange(4)
    figures = {
        "comparison": plot_comparison(runs, breakpoints),
        "weights-by-layer": plot_weights(layers_of(runs), runs, breakpoints),
        "learning": plot_learning(history_of(runs), runs, breakpoints),
        "mistakes": plot_mistakes(smallest, images, labels, np.zeros(4, int)),
        "first-layer": plot_first_layer(smallest, {"conv/kernel": np.ones((3, 3, 1, 2))}, (28, 28, 1)),
        "all-weights": plot_all_weights(smallest, {"conv/kernel": np.ones((3, 3, 1, 2))}),
        "timeline": plot_timeline(runs),
    }
    figures |= {
        f"curve-{name}": plot_curve(runs, breakpoints, name) for name in runs["architecture"].unique()
    }
    return {name: file_of(drawn).decode() for name, drawn in figures.items()}


def placeholders_of(breakpoints: pd.DataFrame) -> dict[str, str]:
    """An empty SVG document for each figure of a page, where the figures do not matter."""
    certainty = "level" in breakpoints
    names = figures_of_study(breakpoints["architecture"].unique(), own_data=False, certainty=certainty)
    return dict.fromkeys(names, EMPTY_SVG)


def page_of(
    runs: pd.DataFrame,
    targets=(0.97,),
    drawn: bool = True,
    rules: Rules | None = None,
    **further_tables: pd.DataFrame,
) -> str:
    """The page of a study with all tables and figures; the figures are empty unless `drawn`.

    With `rules` it is that of a study with `certainty`.
    """
    breakpoints = breakpoints_of(runs, targets, rules)
    tables = tables_of(runs, breakpoints) | further_tables
    svgs = svgs_of(runs, breakpoints) if drawn else placeholders_of(breakpoints)
    return spaced(render_report(TEMPLATES / "report.html.j2", runs, breakpoints, svgs, tables))


@cache
def inputs_of_study() -> tuple[dict[str, str], dict[str, str]]:
    """The tables and the figures of STUDY as the text of their files, by name."""
    runs = study_of(STUDY)
    breakpoints = breakpoints_of(runs)
    tables = {"runs": runs, "breakpoints": breakpoints} | tables_of(runs, breakpoints)
    return {name: table.to_csv(index=False) for name, table in tables.items()}, svgs_of(runs, breakpoints)


def write_inputs(folder: Path) -> dict[str, list[Path]]:
    """The tables and figures of STUDY as files; the entry point's options for them and for its outputs."""
    tables, svgs = inputs_of_study()
    for name, svg in svgs.items():
        (folder / f"{name}.svg").write_text(svg)
    for name, table in tables.items():
        (folder / f"{name}.csv").write_text(table)
    return {
        "--runs": [folder / "runs.csv"],
        "--breakpoints": [folder / "breakpoints.csv"],
        "--figures": [folder / f"{name}.svg" for name in svgs],
        "--tables": [folder / f"{name}.csv" for name in tables if name not in ("runs", "breakpoints")],
        "--templates": [TEMPLATES],
        "--report": [folder / "report.html"],
        "--breakpoints-table": [folder / "tables" / "breakpoints.html"],
        "--runs-table": [folder / "tables" / "runs.html"],
    }


def run_script(monkeypatch, options: dict[str, list[Path]]) -> None:
    """Run the entry point."""
    arguments = [str(word) for option, values in options.items() for word in (option, *values)]
    monkeypatch.setattr(sys, "argv", ["render_report.py", *arguments])
    script.main()


def page_of_files(monkeypatch, options: dict[str, list[Path]]) -> str:
    """The page that the entry point makes."""
    run_script(monkeypatch, options)
    return spaced(options["--report"][0].read_text())


def notice_of(page: str) -> list[str]:
    """The sentences of the notice at the top of a page."""
    notice = re.search(r'<aside class="notice".*?</aside>', page, re.DOTALL)
    return re.findall(r"<li>(.*?)</li>", notice[0]) if notice else []
