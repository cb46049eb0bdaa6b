"""The report: one self-contained page, and the two tables that Snakemake's own report shows.

Functions from the study's tables and its figures to HTML. Every number comes from the tables.
"""

import re
from pathlib import Path

import jinja2
import pandas as pd
from markupsafe import Markup

from few_weights import evidence, style
from few_weights.errors import StudyError
from few_weights.intervals import binomial_half_width
from few_weights.models import selection_of, summarise_models
from few_weights.plotting import first_target, models_with_intervals

#: The columns of runs.csv that say how an architecture was trained; each optimizer fills some of them.
RECIPE = ["epochs", "batch_size", "loss", "optimizer", "learning_rate", "rho", "momentum", "nesterov"]
RECIPE += ["beta_1", "beta_2", "schedule", "warmup"]
RECIPE += ["beta_1", "beta_2", "epsilon", "code"]
VERSIONS = ["python", "tensorflow", "keras", "numpy", "platform"]


def render_report(
    template: Path,
    runs: pd.DataFrame,
    breakpoints: pd.DataFrame,
    figures: dict[str, str],
    tables: dict[str, pd.DataFrame],
) -> str:
    """The page.

    Args:
        figures: SVG documents by name: comparison, weights-by-layer, timeline, curve-<architecture>.
        tables: models, pareto, targets, bootstrap and neighbours by name, and search where there was one.
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
            sureness=evidence.sureness(breakpoints, tables["models"], tables),
            by_target=evidence.by_target(tables["targets"]),
            ownership=evidence.ownership(tables["pareto"], tables["models"]),
            all_models=evidence.all_models(tables["models"]),
            search_path=evidence.search_path(tables["search"]) if "search" in tables else None,
            comparison=inlined["comparison"],
            weights=inlined["weights-by-layer"],
            timeline=inlined["timeline"],
            curves=[(name, inlined[f"curve-{name}"]) for name in dict.fromkeys(breakpoints["architecture"])],
        )
    )


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
    if start < 0:
        raise StudyError(
            "a figure is not an SVG document; remove the figures folder and run the workflow again"
        )
    title = re.search(r"<title>(.*?)</title>", svg, re.DOTALL)
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg[start:], flags=re.DOTALL)
    # HTML knows SVG and its links without their namespaces.
    svg = re.sub(r'\sxmlns(:\w+)?="[^"]*"', "", svg).replace("xlink:href", "href")
    svg = re.sub(r'(\bid="|\bhref="#|url\(#)', rf"\g<1>{prefix}", svg)
    # The viewBox alone lets the page choose the size.
    opening = re.sub(r'\s(?:width|height)="[^"]*"', "", svg[: svg.index(">")])
    name = title[1].replace('"', "&quot;") if title else prefix
    label = f'{opening} role="img" aria-label="{name}"'
    return Markup(label + svg[svg.index(">") :])


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
        "train_time": duration(runs["train_seconds"].sum()),
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
    examples = runs["test_examples"].max()
    rows = breakpoints[breakpoints["target"] == target]
    reached = rows[rows["reached"]].sort_values("parameters", kind="stable")
    missed = list(rows.loc[~rows["reached"], "architecture"])
    if reached.empty:
        models = summarise_models(runs)
        best = models.loc[models["test_accuracy"].idxmax()]
        measured = style.accuracy(best["test_accuracy"], examples)
        return (
            f"On {dataset} no network tried reaches {bar}; the best is {best['architecture']} of width "
            f"{best['width']} with {style.count(best['parameters'])} weights ({measured})."
        )
    fewest, most = reached.iloc[0], reached.iloc[-1]
    measured = style.accuracy(fewest["test_accuracy"], examples)
    sentence = (
        f"On {dataset} the smallest network that reaches {bar} is {fewest['architecture']} of width "
        f"{fewest['width']} with {style.count(fewest['parameters'])} weights "
        f"({measured}, {style.plural(fewest['seeds'], 'seed')})"
    )
    if len(reached) > 1:
        ratio = most["parameters"] / fewest["parameters"]
        sentence += f"; {style.named(most['architecture'])} needs {style.count(most['parameters'])}, "
        sentence += f"{style.times(ratio)} times as many"
    if missed:
        verb = "does" if len(missed) == 1 else "do"
        sentence += f"; {enumeration(missed)} {verb} not reach it at any width tried"
    return sentence + "."


def breakpoint_rows(breakpoints: pd.DataFrame, runs: pd.DataFrame) -> list[dict]:
    """The table of breakpoints as text, each with what sets it apart from the article's."""
    models = models_with_intervals(runs)
    examples = runs["test_examples"].max()
    colours = style.colours(runs["architecture"])
    rows = []
    for point in breakpoints.itertuples():
        its_models = models[models["architecture"] == point.architecture]
        row = {
            "architecture": point.architecture,
            "colour": colours[point.architecture],
            "target": style.percent(point.target),
            "reached": point.reached,
            "best": style.accuracy(its_models["test_accuracy"].max(), examples),
            "article": None,
            "remark": remark(point, its_models, examples),
        }
        if point.reached:
            model = its_models[its_models["width"] == point.width].iloc[0]
            row |= {
                "width": point.width,
                "parameters": style.count(point.parameters),
                "accuracy": style.accuracy(point.test_accuracy, examples),
                "interval": interval(model, examples),
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
            "seconds": (run.train_seconds, f"{run.train_seconds:,.1f}"),
        }
        for run in runs.itertuples()
    ]


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
    names |= {"numpy": "NumPy", "device": "Device", "path": "Computed by"}
    return [(names[column], distinct(runs[column])) for column in [*VERSIONS, "device", "path"]]


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


def interval(model: pd.Series, examples: int) -> str:
    """A mean's 95 % interval as "97.10 to 97.60 %", empty for a single seed."""
    if pd.isna(model["low"]):
        return ""
    low, high = (style.accuracy(model[end], examples) for end in ("low", "high"))
    return f"{low[:-2]} to {high}"


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
