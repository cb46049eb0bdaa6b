"""The report: one self-contained page, and the two tables that Snakemake's own report shows.

Functions from the study's tables and its figures to HTML. Every number comes from the tables.
"""

import html
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import jinja2
import pandas as pd
from markupsafe import Markup, escape

from few_weights import evidence, style
from few_weights.datasets import KNOWN
from few_weights.errors import StudyError
from few_weights.exhibit import choose_exhibit
from few_weights.figure_files import NOT_DRAWN
from few_weights.intervals import binomial_half_width
from few_weights.models import (
    diverged_sentence,
    epochs_trained,
    has_collapsed,
    has_diverged,
    selection_of,
    summarise_models,
)
from few_weights.plotting import first_target, models_with_intervals, with_selection

#: The columns of runs.csv that say how an architecture was trained; each optimizer fills some of them.
RECIPE = ["epochs", "batch_size", "loss", "optimizer", "learning_rate", "rho", "momentum", "nesterov"]
RECIPE += ["beta_1", "beta_2", "refresh", "epsilon", "schedule", "warmup", "shift", "code"]
#: The figures of the page, beside a curve for each architecture and, of a user's own data set, `data`.
FIGURES = ["comparison", "weights-by-layer", "learning", "mistakes", "first-layer", "timeline"]
#: The tables of the page, beside runs.csv and breakpoints.csv; and `search` of a study that searched.
TABLES = ["models", "pareto", "targets", "bootstrap", "neighbours", "counts"]
VERSIONS = ["python", "tensorflow", "keras", "numpy", "llvmlite", "platform"]


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
        figures: SVG documents by name: FIGURES, `data` and curve-<architecture>.
        tables: TABLES by name; search if there was one.
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
            sureness=evidence.sureness(breakpoints, runs, tables),
            by_target=(
                evidence.by_target(tables["targets"], breakpoints["architecture"].unique())
                if "targets" in tables
                else None
            ),
            ownership=evidence.ownership(tables["pareto"], runs) if "pareto" in tables else None,
            all_models=evidence.all_models(tables["models"]) if "models" in tables else None,
            by_rule=evidence.by_rule(tables["counts"]) if "counts" in tables else None,
            search_path=evidence.search_path(tables["search"]) if "search" in tables else None,
            with_bootstrap="bootstrap" in tables,
            with_neighbours="neighbours" in tables,
            collapsed=collapsed(runs),
            shown=choose_exhibit(runs, breakpoints),
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
    expected = [f"figures/{name}.svg" for name in expected_figures(runs, breakpoints) if name not in figures]
    expected += [f"{name}.csv" for name in TABLES if name not in tables]
    missing = [file for file in expected if not any(file in note for note in notice)]
    if missing:
        are, them = ("is", "it") if len(missing) == 1 else ("are", "them")
        notice.append(
            f"{enumeration(missing)} {are} missing, and what this page shows of {them} is left out."
        )
    return notice


def expected_figures(runs: pd.DataFrame, breakpoints: pd.DataFrame) -> list[str]:
    """The figures that a complete page shows."""
    own_data = ["data"] if runs["dataset"].iloc[0] not in KNOWN else []
    return [*FIGURES, *own_data, *(f"curve-{name}" for name in dict.fromkeys(breakpoints["architecture"]))]


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


def inline_svg(svg: str, prefix: str) -> Markup:
    """An SVG document as an element of a page: without its preamble, and with ids no other figure has."""
    start = svg.find("<svg")
    if start < 0 or not svg.rstrip().endswith("</svg>"):
        raise StudyError(
            f"figures/{prefix[:-1]}.svg is not a complete SVG document; delete it and start again, "
            "it is drawn again"
        )
    title = svg_title(svg)
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg[start:], flags=re.DOTALL)
    # HTML knows SVG and its links without their namespaces.
    svg = re.sub(r'\sxmlns(:\w+)?="[^"]*"', "", svg).replace("xlink:href", "href")
    # Matplotlib names an image by its content, so that equal images share an id; nothing refers to them.
    svg = re.sub(r'(<image\b[^>]*?)\sid="[^"]*"', r"\1", svg)
    svg = re.sub(r'(\bid="|\bhref="#|url\(#)', rf"\g<1>{prefix}", svg)
    # The viewBox alone lets the page choose the size.
    opening = re.sub(r'\s(?:width|height)="[^"]*"', "", svg[: svg.index(">")])
    name = title or prefix
    label = f'{opening} role="img" aria-label="{escape(name)}"'
    return Markup(label + svg[svg.index(">") :])


def svg_title(svg: str) -> str:
    """The title of an SVG document as text; empty where it has none."""
    title = re.search(r"<title>(.*?)</title>", svg, re.DOTALL)
    return html.unescape(title[1]) if title else ""


def facts(runs: pd.DataFrame, breakpoints: pd.DataFrame) -> dict[str, str]:
    """Single values that the page speaks of, as text; `held_out` is None where the test images chose."""
    examples, held_out = runs["test_examples"].max(), runs["validation_examples"].max()
    return {
        "study": runs["study"].iloc[0],
        "dataset": runs["dataset"].iloc[0],
        "target": style.percent(first_target(breakpoints)["target"].iloc[0]),
        "targets": enumeration([style.percent(target) for target in breakpoints["target"].unique()]),
        "runs": style.plural(len(runs), "run"),
        "models": style.plural(len(runs[["architecture", "width"]].drop_duplicates()), "model"),
        "architectures": style.plural(runs["architecture"].nunique(), "architecture"),
        "seeds": seeds_phrase(runs),
        "several_seeds": runs["seed"].nunique() > 1,
        "several_targets": breakpoints["target"].nunique() > 1,
        "train_examples": style.count(runs["train_examples"].max()),
        "test_examples": style.count(examples),
        "held_out": style.count(held_out) if selection_of(runs) == "validation" else None,
        "baselines": baselines(breakpoints),
        "has_article": bool(breakpoints["article_parameters"].notna().any()),
    }


def baselines(breakpoints: pd.DataFrame) -> str:
    """Which full-size model each architecture's breakpoint is compared with; empty where none was reached."""
    reached = breakpoints[breakpoints["reached"]].drop_duplicates("architecture")
    pairs = zip(
        reached["architecture"], reached["baseline_architecture"], reached["baseline_width"], strict=True
    )
    return "; ".join(f"{name} with {baseline} of width {width}" for name, baseline, width in pairs)


def answer(runs: pd.DataFrame, breakpoints: pd.DataFrame) -> list[str]:
    """The study's finding: a sentence a target, the first target's first."""
    return [answer_for(target, breakpoints, runs) for target in breakpoints["target"].unique()]


def answer_for(target: float, breakpoints: pd.DataFrame, runs: pd.DataFrame) -> str:
    dataset, bar = runs["dataset"].iloc[0], style.percent(target)
    rows = breakpoints[breakpoints["target"] == target]
    reached = rows[rows["reached"]].sort_values("parameters", kind="stable")
    missed = list(rows.loc[~rows["reached"], "architecture"])
    if reached.empty:
        models = summarise_models(runs)
        if has_diverged(runs).all():
            return f"On {dataset} no network tried reaches {bar}; every run diverged."
        best = models.loc[models["deciding_accuracy"].idxmax()]
        return (
            f"On {dataset} no network tried reaches {bar}; the best is {best['architecture']} of width "
            f"{best['width']} with {style.count(best['parameters'])} weights ({measured(best, runs)})."
        )
    fewest, most = reached.iloc[0], reached.iloc[-1]
    sentence = (
        f"On {dataset} the smallest network that reaches {bar} is {fewest['architecture']} of width "
        f"{fewest['width']} with {style.count(fewest['parameters'])} weights "
        f"({measured(fewest, runs)}, {style.plural(fewest['seeds'], 'seed')})"
    )
    if len(reached) > 1:
        ratio = most["parameters"] / fewest["parameters"]
        sentence += f"; {style.named(most['architecture'])} needs {style.count(most['parameters'])}, "
        sentence += f"{style.times(ratio)} times as many"
    if missed:
        verb = "does" if len(missed) == 1 else "do"
        sentence += f"; {enumeration(missed)} {verb} not reach it at any width tried"
    return sentence + "."


def measured(model: pd.Series, runs: pd.DataFrame) -> str:
    """A model's mean accuracy, in words where the images that chose are not the test images."""
    tested = style.accuracy(model["test_accuracy"], runs["test_examples"].max())
    if selection_of(runs) == "test":
        return tested
    held_out = style.accuracy(model["selection_accuracy"], runs["validation_examples"].max())
    return f"{held_out} on the images held out, {tested} on the test images"


def breakpoint_rows(breakpoints: pd.DataFrame, runs: pd.DataFrame) -> list[dict]:
    """The table of breakpoints as text, each with what sets it apart from the article's."""
    models = models_with_intervals(runs)
    examples = runs["test_examples"].max()
    selection_examples = with_selection(runs)["selection_examples"].max()
    colours = style.colours(runs["architecture"])
    rows = []
    for point in breakpoints.itertuples():
        its_models = models[models["architecture"] == point.architecture]
        row = {
            "architecture": point.architecture,
            "colour": colours[point.architecture],
            "target": style.percent(point.target),
            "reached": point.reached,
            "best": style.accuracy(its_models["deciding_accuracy"].max(), selection_examples),
            "article": None,
            "remark": remark(point, its_models, examples),
        }
        if point.reached:
            row |= {
                "width": point.width,
                "parameters": style.count(point.parameters),
                "accuracy": style.accuracy(point.selection_accuracy, selection_examples),
                "interval": interval(point.selection_low, point.selection_high, selection_examples),
                "test_accuracy": style.accuracy(point.test_accuracy, examples),
                "seeds": point.seeds,
                "compression": style.times(point.compression),
                "baseline": f"{point.baseline_architecture} {point.baseline_width}",
            }
        if not pd.isna(point.article_parameters):
            row["article"] = {
                "width": point.article_width,
                "parameters": style.count(point.article_parameters),
                "accuracy": style.accuracy(point.article_test_accuracy, examples),
                "compression": style.times(point.article_compression),
            }
        rows.append(row)
    return rows


def remark(point, models: pd.DataFrame, examples: int) -> str:
    """In plain words, whether the breakpoint is the article's and, if not, why."""
    if pd.isna(point.article_parameters):
        return ""
    if point.reached and point.width == point.article_width:
        return "The same width as in the article."
    there = models[models["width"] == point.article_width]
    if there.empty:
        return f"The article's width {point.article_width} is not in this study."
    model = there.iloc[0]
    measured = style.accuracy(model["selection_accuracy"], examples)
    if point.selection == "validation":
        measured += " on the images held out"
    of = (
        f" on the mean of {style.plural(model['seeds'], 'seed')}"
        if model["seeds"] > 1
        else " with its one seed"
    )
    bar = style.percent(point.target)
    if model["selection_accuracy"] < point.target:
        outcome = "so the breakpoint moves" if point.reached else "and no other width reaches it"
        return (
            f"The article's width {point.article_width} misses {bar} here{of} ({measured}; in the article "
            f"{style.accuracy(point.article_test_accuracy, examples)}), {outcome}"
            + (f" to width {point.width}." if point.reached else ".")
        )
    return f"A smaller model than the article's is enough here{of}."


def run_rows(runs: pd.DataFrame) -> list[dict]:
    """All runs as (value to sort by, text) a column."""
    return [
        {
            "architecture": run.architecture,
            "width": run.width,
            "seed": run.seed,
            "parameters": (run.parameters, style.count(run.parameters)),
            "accuracy": (run.test_accuracy, style.accuracy(run.test_accuracy, run.test_examples)),
            "errors": (
                run.test_examples - run.test_correct,
                style.count(run.test_examples - run.test_correct),
            ),
            "flag": "diverged" if run.diverged else "collapsed" if run.collapsed else "",
            "epochs": run.trained,
            "seconds": (run.train_seconds, f"{run.train_seconds:,.1f}"),
            "memory": (run.peak_memory_mib, style.count(run.peak_memory_mib)),
        }
        for run in runs.assign(
            collapsed=has_collapsed(runs), diverged=has_diverged(runs), trained=epochs_trained(runs)
        ).itertuples()
    ]


def collapsed(runs: pd.DataFrame) -> str:
    """Which runs learned nothing: "cnn 1 (seed 0 and 3)"; empty where all learned."""
    fallen = runs[has_collapsed(runs)]
    return enumeration(
        [
            f"{name} {width} (seed {enumeration([str(seed) for seed in group['seed']])})"
            for (name, width), group in fallen.groupby(["architecture", "width"], sort=False)
        ]
    )


def cost(runs: pd.DataFrame) -> dict[str, str]:
    """What the study cost, in sums and extremes."""
    longest = runs.loc[runs["train_seconds"].idxmax()]
    return {
        "training": duration(runs["train_seconds"].sum()),
        "overhead": duration(runs["overhead_seconds"].sum()),
        "longest": f"{longest['architecture']} {longest['width']}, {duration(longest['train_seconds'])}",
        "memory": f"{style.count(runs['peak_memory_mib'].max())} MiB",
    }


def cost_table(runs: pd.DataFrame) -> evidence.Text:
    """What a run of each model costs: the mean over seeds, and the most memory that any took."""
    headings = ["Architecture", "Width", "Weights", "Runs", "Epochs", "Seconds an epoch", "Training, s"]
    headings += ["Start-up, s", "Peak memory, MiB"]
    rows = [
        [
            name,
            str(width),
            style.count(group["parameters"].iloc[0]),
            str(len(group)),
            str(group["epochs"].iloc[0]),
            f"{(group['train_seconds'] / epochs_trained(group)).mean():,.2f}",
            f"{group['train_seconds'].mean():,.1f}",
            f"{group['overhead_seconds'].mean():,.1f}",
            style.count(group["peak_memory_mib"].max()),
        ]
        for (name, width), group in runs.groupby(["architecture", "width"], sort=False)
    ]
    return headings, rows


def recipes(runs: pd.DataFrame) -> list[tuple[str, str]]:
    """How each architecture was trained: every recipe column that it fills, as "name value"."""
    columns = [column for column in RECIPE if column in runs.columns]
    return [
        (
            name,
            ", ".join(
                f"{column.replace('_', ' ')} {distinct(group[column])}"
                for column in columns
                if group[column].notna().any()
            ),
        )
        for name, group in runs.groupby("architecture", sort=False)
    ]


def versions(runs: pd.DataFrame) -> list[tuple[str, str]]:
    """Software, device and way of computing; several values where runs differ."""
    names = {"platform": "Platform", "python": "Python", "tensorflow": "TensorFlow", "keras": "Keras"}
    names |= {"numpy": "NumPy", "llvmlite": "llvmlite", "device": "Device", "path": "Computed"}
    # Runs from before llvmlite was used do not name it.
    known = [column for column in [*VERSIONS, "device", "path"] if column in runs]
    return [(names[column], distinct(runs[column])) for column in known]


def certainty(runs: pd.DataFrame, breakpoints: pd.DataFrame) -> dict[str, str]:
    """What a finite test set can tell at the first target."""
    target = breakpoints["target"].iloc[0]
    examples = runs["test_examples"].max()
    points = 100 * binomial_half_width(target, examples)
    return {
        "half_width": f"{points:.2f}",
        "low": style.percent(target - points / 100, 2),
        "high": style.percent(min(1.0, target + points / 100), 2),
    }


def interval(low: float, high: float, examples: int) -> str:
    """A mean's 95 % interval as "97.10 to 97.60 %", empty for a single seed."""
    if pd.isna(low):
        return ""
    return f"{style.accuracy(low, examples)[:-2]} to {style.accuracy(high, examples)}"


def seeds_phrase(runs: pd.DataFrame) -> str:
    seeds = summarise_models(runs)["seeds"]
    if seeds.min() == seeds.max():
        return f"{style.plural(seeds.min(), 'seed')} a width"
    return f"{seeds.min()} to {style.plural(seeds.max(), 'seed')} a width"


def distinct(column: pd.Series) -> str:
    """A column's values, each once, without the ".0" of whole numbers beside empty cells."""
    values = column.dropna().unique()
    return (
        enumeration([f"{value:g}" if isinstance(value, float) else str(value) for value in values])
        or "unknown"
    )


def duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} seconds"
    minutes = seconds / 60
    return f"{minutes:.0f} minutes" if minutes < 90 else f"{minutes / 60:.1f} hours"


def enumeration(words: list[str]) -> str:
    """["a", "b", "c"] as "a, b and c"."""
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)
