"""What the page says in sentences: the study's finding, its facts and its cost."""

import pandas as pd

from few_weights.analysis.intervals import binomial_half_width
from few_weights.analysis.seeds import (
    first_target,
    has_collapsed,
    has_diverged,
    selection_of,
    summarise_models,
)
from few_weights.report import wording
from few_weights.report.wording import duration, enumeration


def facts(runs: pd.DataFrame, breakpoints: pd.DataFrame) -> dict[str, str]:
    """Single values that the page speaks of, as text; `held_out` is None where the test images chose."""
    examples, held_out = runs["test_examples"].max(), runs["validation_examples"].max()
    return {
        "study": runs["study"].iloc[0],
        "dataset": runs["dataset"].iloc[0],
        "target": wording.percent(first_target(breakpoints)["target"].iloc[0]),
        "targets": enumeration([wording.percent(target) for target in breakpoints["target"].unique()]),
        "runs": wording.plural(len(runs), "run"),
        "models": wording.plural(len(runs[["architecture", "width"]].drop_duplicates()), "model"),
        "architectures": wording.plural(runs["architecture"].nunique(), "architecture"),
        "seeds": seeds_phrase(runs),
        "several_seeds": runs["seed"].nunique() > 1,
        "several_targets": breakpoints["target"].nunique() > 1,
        "train_examples": wording.count(runs["train_examples"].max()),
        "test_examples": wording.count(examples),
        "held_out": wording.count(held_out) if selection_of(runs) == "validation" else None,
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
    dataset, bar = runs["dataset"].iloc[0], wording.percent(target)
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
            f"{best['width']} with {wording.count(best['parameters'])} weights ({measured(best, runs)})."
        )
    fewest, most = reached.iloc[0], reached.iloc[-1]
    sentence = (
        f"On {dataset} the smallest network that reaches {bar} is {fewest['architecture']} of width "
        f"{fewest['width']} with {wording.count(fewest['parameters'])} weights "
        f"({measured(fewest, runs)}, {wording.plural(fewest['seeds'], 'seed')})"
    )
    if len(reached) > 1:
        ratio = most["parameters"] / fewest["parameters"]
        sentence += f"; {wording.named(most['architecture'])} needs {wording.count(most['parameters'])}, "
        sentence += f"{wording.times(ratio)} times as many"
    if missed:
        verb = "does" if len(missed) == 1 else "do"
        sentence += f"; {enumeration(missed)} {verb} not reach it at any width tried"
    return sentence + "."


def measured(model: pd.Series, runs: pd.DataFrame) -> str:
    """A model's mean accuracy, in words where the images that chose are not the test images."""
    tested = wording.accuracy(model["test_accuracy"], runs["test_examples"].max())
    if selection_of(runs) == "test":
        return tested
    held_out = wording.accuracy(model["selection_accuracy"], runs["validation_examples"].max())
    return f"{held_out} on the images held out, {tested} on the test images"


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
        "memory": f"{wording.count(runs['peak_memory_mib'].max())} MiB",
    }


def certainty(runs: pd.DataFrame, breakpoints: pd.DataFrame) -> dict[str, str]:
    """What a finite test set can tell at the first target."""
    target = breakpoints["target"].iloc[0]
    examples = runs["test_examples"].max()
    points = 100 * binomial_half_width(target, examples)
    return {
        "half_width": f"{points:.2f}",
        "low": wording.percent(target - points / 100, 2),
        "high": wording.percent(min(1.0, target + points / 100), 2),
    }


def seeds_phrase(runs: pd.DataFrame) -> str:
    seeds = summarise_models(runs)["seeds"]
    if seeds.min() == seeds.max():
        return f"{wording.plural(seeds.min(), 'seed')} a width"
    return f"{seeds.min()} to {wording.plural(seeds.max(), 'seed')} a width"
