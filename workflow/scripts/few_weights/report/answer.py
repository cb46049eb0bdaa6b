"""What the page says in sentences: the study's finding, its facts and its cost."""

from dataclasses import dataclass

import pandas as pd

from few_weights.analysis.divergence import has_collapsed, has_diverged
from few_weights.analysis.intervals import binomial_half_width
from few_weights.analysis.rows import by_model
from few_weights.analysis.seeds import (
    first_target,
    has_several_seeds,
    model_means,
    most_accurate_model,
    selection_of,
)
from few_weights.data.names import display_name
from few_weights.report import wording
from few_weights.report.certainty_text import has_certainty, is_range, range_of, times_as_many
from few_weights.report.wording import duration, enumeration


@dataclass(frozen=True)
class Facts:
    """Single facts of a study, numbers as text. `held_out` is None if none are held out."""

    study: str
    dataset: str
    target: str
    targets: str
    runs: str
    models: str
    architectures: str
    seeds: str
    several_seeds: bool
    certain_seeds: bool
    several_targets: bool
    train_examples: str
    test_examples: str
    held_out: str | None
    baselines: str
    has_article: bool


def facts(runs: pd.DataFrame, breakpoints: pd.DataFrame) -> Facts:
    """The facts of a study from runs.csv and breakpoints.csv."""
    held_out = wording.count(runs["validation_examples"].max())
    return Facts(
        study=runs["study"].iloc[0],
        dataset=display_name(runs["dataset"].iloc[0]),
        target=wording.percent(first_target(breakpoints)["target"].iloc[0]),
        targets=enumeration([wording.percent(target) for target in breakpoints["target"].unique()]),
        runs=wording.plural(len(runs), "run"),
        models=wording.plural(len(runs[["architecture", "width"]].drop_duplicates()), "model"),
        architectures=wording.plural(runs["architecture"].nunique(), "architecture"),
        seeds=seeds_per_width(runs),
        several_seeds=has_several_seeds(runs),
        certain_seeds=has_certainty(breakpoints),
        several_targets=breakpoints["target"].nunique() > 1,
        train_examples=wording.count(runs["train_examples"].max()),
        test_examples=wording.count(runs["test_examples"].max()),
        held_out=held_out if selection_of(runs) == "validation" else None,
        baselines=baselines(breakpoints),
        has_article=bool(breakpoints["article_parameters"].notna().any()),
    )


def baselines(breakpoints: pd.DataFrame) -> str:
    """Which full-size model each architecture's breakpoint is compared with; empty where none was reached."""
    reached = breakpoints[breakpoints["reached"]].drop_duplicates("architecture")
    pairs = zip(
        reached["architecture"], reached["baseline_architecture"], reached["baseline_width"], strict=True
    )
    return "; ".join(f"{name} with {baseline} of width {width}" for name, baseline, width in pairs)


def answer(runs: pd.DataFrame, breakpoints: pd.DataFrame) -> list[str]:
    """The study's finding: one sentence per target, starting with the first target."""
    return [answer_for(target, breakpoints, runs) for target in breakpoints["target"].unique()]


def answer_for(target: float, breakpoints: pd.DataFrame, runs: pd.DataFrame) -> str:
    """The study's finding for one target, as a sentence."""
    dataset, bar = display_name(runs["dataset"].iloc[0]), wording.percent(target)
    of_target = breakpoints[breakpoints["target"] == target]
    reached = of_target[of_target["reached"]].sort_values("parameters", kind="stable")
    missed = list(of_target.loc[~of_target["reached"], "architecture"])
    if reached.empty:
        if has_diverged(runs).all():
            return f"On {dataset} no network tried reaches {bar}; every run diverged."
        best = most_accurate_model(runs)
        return (
            f"On {dataset} no network tried reaches {bar}; the best is {best['architecture']} of width "
            f"{best['width']} with {wording.count(best['parameters'])} weights ({measured(best, runs)})."
        )
    fewest, most = reached.iloc[0], reached.iloc[-1]
    sentence = (
        f"On {dataset} the smallest network that reaches {bar} is {fewest['architecture']} of width "
        f"{fewest['width']} with {wording.count(fewest['parameters'])} weights "
        f"({measured(fewest, runs)}, {wording.plural(fewest['seeds'], 'seed')})"
    )
    if len(reached) > 1:
        needed = range_of(most, "parameters") if is_range(most) else wording.count(most["parameters"])
        sentence += f"; {wording.named(most['architecture'])} needs {needed}, "
        sentence += f"{times_as_many(most, fewest['parameters'])} times as many"
    if missed:
        verb = "does" if len(missed) == 1 else "do"
        sentence += f"; {enumeration(missed)} {verb} not reach it at any width tried"
    return sentence + "."


def measured(model: pd.Series, runs: pd.DataFrame) -> str:
    """A model's mean accuracy, and on which images if the breakpoints were chosen on held-out ones."""
    tested = wording.accuracy(model["test_accuracy"], runs["test_examples"].max())
    if selection_of(runs) == "test":
        return tested
    held_out = wording.accuracy(model["selection_accuracy"], runs["validation_examples"].max())
    return f"{held_out} on the held-out images, {tested} on the test images"


def collapsed(runs: pd.DataFrame) -> str:
    """Which runs learned nothing: "cnn 1 (seed 0 and 3)"; empty where all learned."""
    return enumeration(
        [
            f"{architecture} {width} (seed {enumeration([str(seed) for seed in group['seed']])})"
            for architecture, width, group in by_model(runs[has_collapsed(runs)])
        ]
    )


def cost(runs: pd.DataFrame) -> dict[str, str]:
    """What the study cost, in totals and extremes: `training`, `overhead`, `longest` run and `memory`."""
    longest = runs.iloc[int(runs["train_seconds"].argmax())]
    return {
        "training": duration(runs["train_seconds"].sum()),
        "overhead": duration(runs["overhead_seconds"].sum()),
        "longest": f"{longest['architecture']} {longest['width']}, {duration(longest['train_seconds'])}",
        "memory": f"{wording.count(runs['peak_memory_mib'].max())} MiB",
    }


def finite_test_set(runs: pd.DataFrame, breakpoints: pd.DataFrame) -> dict[str, str]:
    """The binomial error of an accuracy at the first target on so many test images.

    `half_width` is half the 95 % interval in percentage points, `low` and `high` are its ends.
    """
    target = breakpoints["target"].iloc[0]
    half_width = 100 * binomial_half_width(target, runs["test_examples"].max())
    return {
        "half_width": f"{half_width:.2f}",
        "low": wording.percent(target - half_width / 100, 2),
        "high": wording.percent(min(1.0, target + half_width / 100), 2),
    }


def seeds_per_width(runs: pd.DataFrame) -> str:
    """ "10 seeds per width", or "9 to 10 seeds per width" where runs are missing."""
    seeds = model_means(runs)["seeds"]
    if seeds.min() == seeds.max():
        return f"{wording.plural(seeds.min(), 'seed')} per width"
    return f"{seeds.min()} to {wording.plural(seeds.max(), 'seed')} per width"
