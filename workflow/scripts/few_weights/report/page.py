"""The report: one self-contained page, and the two tables that Snakemake's own report shows.

Functions from the study's tables and its figures to HTML. Every number comes from the tables.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import jinja2
import pandas as pd

from few_weights.analysis.seeds import diverged_sentence
from few_weights.data.datasets import KNOWN
from few_weights.plan.outputs import REPORT_TABLES, figures_of_study
from few_weights.report import statistics
from few_weights.report.answer import answer, certainty, collapsed, cost, facts
from few_weights.report.figures.files import NOT_DRAWN
from few_weights.report.figures.smallest_network import choose_network
from few_weights.report.study_tables import breakpoint_rows, cost_table, recipes, run_rows, versions
from few_weights.report.svg import inline_svg, svg_title
from few_weights.report.wording import enumeration


def render_report(
    template: Path,
    runs: pd.DataFrame,
    breakpoints: pd.DataFrame,
    figures: dict[str, str],
    tables: dict[str, pd.DataFrame],
    notes: Sequence[str] = (),
) -> str:
    """The page, made of what is there: what is not is named in the notice at its top, and left out.

    Args:
        figures: SVG documents by name, as plan/outputs.py has them.
        tables: the tables by name, besides runs and breakpoints.
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
            answer=answer(runs, breakpoints),
            breakpoint_rows=breakpoint_rows(breakpoints, runs),
            run_rows=run_rows(runs),
            recipes=recipes(runs),
            versions=versions(runs),
            certainty=certainty(runs, breakpoints),
            notice=notice(runs, breakpoints, figures, tables, notes),
            sureness=statistics.sureness(breakpoints, runs, tables),
            by_target=(
                statistics.by_target(tables["targets"], breakpoints["architecture"].unique())
                if "targets" in tables
                else None
            ),
            ownership=statistics.ownership(tables["pareto"], runs) if "pareto" in tables else None,
            all_models=statistics.all_models(tables["models"]) if "models" in tables else None,
            by_rule=statistics.by_rule(tables["counts"]) if "counts" in tables else None,
            search_path=statistics.search_path(tables["search"]) if "search" in tables else None,
            with_bootstrap="bootstrap" in tables,
            with_neighbours="neighbours" in tables,
            collapsed=collapsed(runs),
            shown=choose_network(runs, breakpoints),
            cost=cost(runs),
            costs=cost_table(runs),
            figures=inlined,
            curves=[
                inlined[f"curve-{name}"]
                for name in dict.fromkeys(breakpoints["architecture"])
                if f"curve-{name}" in inlined
            ],
        )
    )


def notice(
    runs: pd.DataFrame,
    breakpoints: pd.DataFrame,
    figures: Mapping[str, str],
    tables: Mapping[str, pd.DataFrame],
    notes: Iterable[str],
) -> list[str]:
    """What a reader has to know before anything else, in sentences: the notes, then what diverged, what could
    not be drawn and what is missing and not named by the notes already."""
    notice = list(notes)
    if sentence := diverged_sentence(runs):
        notice.append(sentence)
    for name, svg in figures.items():
        if (reason := svg_title(svg)).startswith(NOT_DRAWN):
            notice.append(f"The figure {name} could not be drawn: {reason.removeprefix(NOT_DRAWN)}")
    architectures = dict.fromkeys(breakpoints["architecture"])
    own_data = runs["dataset"].iloc[0] not in KNOWN
    expected = [
        f"figures/{name}.svg" for name in figures_of_study(architectures, own_data) if name not in figures
    ]
    expected += [f"{name}.csv" for name in REPORT_TABLES if name not in (*tables, "search")]
    missing = [file for file in expected if not any(file in note for note in notice)]
    if missing:
        are, them = ("is", "it") if len(missing) == 1 else ("are", "them")
        notice.append(
            f"{enumeration(missing)} {are} missing, and what this page shows of {them} is left out."
        )
    return notice


def render_table(template: Path, kind: str, runs: pd.DataFrame, breakpoints: pd.DataFrame) -> str:
    """A page that holds one table: `kind` is "breakpoints" or "runs"."""
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


def environment(folder: Path) -> jinja2.Environment:
    """Jinja, strict: an unknown name is an error, and whatever comes from a table is escaped."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        undefined=jinja2.StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
