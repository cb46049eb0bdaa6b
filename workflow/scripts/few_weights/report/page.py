"""The report: one self-contained HTML page, and the two tables that Snakemake's own report shows.

In: the study's tables and figures. Out: HTML, in which every number comes from the tables.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path

import jinja2
import pandas as pd

from few_weights.analysis.divergence import diverged_sentence
from few_weights.data.datasets import KNOWN
from few_weights.plan.outputs import REPORT_TABLES, figures_of_study
from few_weights.report import summary_tables
from few_weights.report.answer import answer, collapsed, cost, facts, finite_test_set
from few_weights.report.breakpoint_table import breakpoint_rows
from few_weights.report.certainty_table import certainty_table
from few_weights.report.certainty_text import certainty_facts, certainty_sentences, has_certainty
from few_weights.report.figures.files import NOT_DRAWN
from few_weights.report.figures.smallest_network import choose_network
from few_weights.report.run_tables import environments, recipes, repeatability, run_rows
from few_weights.report.svg import inline_svg, svg_title
from few_weights.report.text_table import TextTable
from few_weights.report.wording import enumeration


def render_report(
    template: Path,
    runs: pd.DataFrame,
    breakpoints: pd.DataFrame,
    figures: dict[str, str],
    tables: dict[str, pd.DataFrame],
    notes: Sequence[str] = (),
) -> str:
    """The page; what is missing is named in the notice at its top, and the parts that need it are left out.

    Args:
        template: report.html.j2.
        runs: runs.csv.
        breakpoints: breakpoints.csv.
        figures: SVG documents by name, as plan/outputs.py has them.
        tables: the other tables by name.
        notes: sentences for the notice, such as which runs are missing.

    Raises:
        StudyError: a figure is not a complete SVG document.
    """
    inlined = {name: inline_svg(svg, f"{name}-") for name, svg in figures.items()}
    return (
        environment(template.parent)
        .get_template(template.name)
        .render(
            facts=facts(runs, breakpoints),
            answer=[*answer(runs, breakpoints), *certainty_sentences(breakpoints)],
            sure=certainty_facts(breakpoints),
            breakpoint_rows=breakpoint_rows(breakpoints, runs),
            run_rows=run_rows(runs),
            recipes=recipes(runs),
            versions=environments(runs),
            repeatability=repeatability(runs),
            finite_test_set=finite_test_set(runs, breakpoints),
            notice=notice(runs, breakpoints, figures, tables, notes),
            certainty=certainty_table(breakpoints, runs, tables),
            tables=summary_tables_of(tables, runs, breakpoints),
            stages=summary_tables.stages_sentence(tables["stages"]) if "stages" in tables else "",
            with_bootstrap="bootstrap" in tables,
            with_mcnemar="neighbours" in tables,
            collapsed=collapsed(runs),
            smallest=choose_network(runs, breakpoints),
            cost=cost(runs),
            figures=inlined,
            curves=_of_architectures("curve", breakpoints, inlined),
            narrowing=_of_architectures("certainty", breakpoints, inlined),
        )
    )


def _of_architectures(kind: str, breakpoints: pd.DataFrame, figures: Mapping[str, str]) -> list[str]:
    """The names of the figures of a kind that there are for each architecture."""
    names = [f"{kind}-{architecture}" for architecture in dict.fromkeys(breakpoints["architecture"])]
    return [name for name in names if name in figures]


def summary_tables_of(
    tables: Mapping[str, pd.DataFrame], runs: pd.DataFrame, breakpoints: pd.DataFrame
) -> dict[str, TextTable]:
    """The tables of results that can be made, by name."""
    architectures = list(breakpoints["architecture"].unique())
    makers: dict[str, Callable[[pd.DataFrame], TextTable]] = {
        "targets": lambda table: summary_tables.targets_as_text(table, architectures),
        "pareto": lambda table: summary_tables.pareto_as_text(table, runs),
        "bytes": lambda table: summary_tables.bytes_as_text(table, runs),
        "models": summary_tables.models_as_text,
        "counts": summary_tables.counts_as_text,
        "certainty": summary_tables.certainty_as_text,
        "search": summary_tables.search_as_text,
        "stages": summary_tables.stages_as_text,
    }
    made = {name: make(tables[name]) for name, make in makers.items() if name in tables}
    return made | {"cost": summary_tables.cost_as_text(runs)}


def notice(
    runs: pd.DataFrame,
    breakpoints: pd.DataFrame,
    figures: Mapping[str, str],
    tables: Mapping[str, pd.DataFrame],
    notes: Iterable[str],
) -> list[str]:
    """The sentences at the top of the page: the notes, then which runs diverged, which figures could not be
    drawn, and which files are missing that the notes do not name."""
    sentences = list(notes)
    if sentence := diverged_sentence(runs):
        sentences.append(sentence)
    for name, svg in figures.items():
        if (reason := svg_title(svg)).startswith(NOT_DRAWN):
            sentences.append(f"The figure {name} could not be drawn: {reason.removeprefix(NOT_DRAWN)}")
    architectures = dict.fromkeys(breakpoints["architecture"])
    certainty = has_certainty(breakpoints)
    names = figures_of_study(architectures, runs["dataset"].iloc[0] not in KNOWN, certainty)
    optional = [] if certainty else ["certainty"]
    expected = [f"figures/{name}.svg" for name in names if name not in figures]
    optional += ["search", "stages", "bytes"]
    expected += [f"{name}.csv" for name in REPORT_TABLES if name not in (*tables, *optional)]
    missing = [file for file in expected if not any(file in sentence for sentence in sentences)]
    if missing:
        are, them = ("is", "it") if len(missing) == 1 else ("are", "them")
        sentences.append(
            f"{enumeration(missing)} {are} missing; the parts of this page that show {them} are left out."
        )
    return sentences


def render_table(template: Path, kind: str, runs: pd.DataFrame, breakpoints: pd.DataFrame) -> str:
    """A page with one table, for Snakemake's own report; `kind` is "breakpoints" or "runs"."""
    return (
        environment(template.parent)
        .get_template(template.name)
        .render(
            kind=kind,
            facts=facts(runs, breakpoints),
            breakpoint_rows=breakpoint_rows(breakpoints, runs),
            run_rows=run_rows(runs),
        )
    )


@cache
def environment(folder: Path) -> jinja2.Environment:
    """Jinja for the templates of a folder: an unknown name is an error, and text from tables is escaped."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        undefined=jinja2.StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
