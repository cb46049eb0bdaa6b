"""How often each model would have been the breakpoint with other seeds: bootstrap.csv."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from few_weights.analysis.seeds import MODEL, has_diverged, selection_of

#: How often the seeds are drawn anew, and the start of the generator that draws them: a table that changes
#: from one execution to the next could not be compared.
RESAMPLES = 10_000


GENERATOR_SEED = 0


def uneven_seeds(runs: pd.DataFrame) -> list[str]:
    """The architectures of which a width lacks a seed that the study has elsewhere."""
    models = runs.groupby(["architecture", "width"], sort=False)["seed"].nunique()
    lacking = models[models < runs["seed"].nunique()]
    return list(dict.fromkeys(lacking.index.get_level_values("architecture")))


def bootstrap_breakpoints(runs: pd.DataFrame, targets: Iterable[float]) -> pd.DataFrame:
    """bootstrap.csv: how often each model would have been the breakpoint, had the seeds been others.

    The study's seeds are drawn anew with replacement, as many as there are, `RESAMPLES` times; one draw
    serves all models, as the seeds of a study do (Efron and Tibshirani 1993, An Introduction to the
    Bootstrap, chapter 6). One row for each model that was the answer at least once, and one with an empty
    width where none was. Only models that the study trained can be the answer. Empty for a single seed, and
    for architectures without the same seeds at all widths, as when runs are missing (`uneven_seeds`).
    """
    targets, rows = list(targets), []
    selection, uneven = selection_of(runs), uneven_seeds(runs)
    runs = runs.assign(diverged=has_diverged(runs))
    seeds = sorted(runs["seed"].unique())
    draws = np.random.default_rng(GENERATOR_SEED).integers(len(seeds), size=(RESAMPLES, len(seeds)))
    times_drawn = (draws[:, :, np.newaxis] == np.arange(len(seeds))).sum(axis=1)
    for architecture, its_runs in runs.groupby("architecture", sort=False):
        if architecture in uneven or len(seeds) == 1:
            continue
        by_seed = {"index": ["parameters", "width"], "columns": "seed"}
        correct = its_runs.pivot(**by_seed, values=f"{selection}_correct").sort_index()[seeds]
        diverged = its_runs.pivot(**by_seed, values="diverged").sort_index()[seeds]
        # Whole numbers until the division, for the same reason as in `mean_accuracies`.
        images = len(seeds) * int(its_runs[f"{selection}_examples"].iloc[0])
        means = times_drawn @ correct.to_numpy(dtype=np.int64).T / images
        # As in `deciding_accuracies`.
        means[times_drawn @ ~diverged.to_numpy(dtype=bool).T == 0] = 0
        for target in targets:
            reaches = means >= target
            answers = np.where(reaches.any(axis=1), reaches.argmax(axis=1), -1)
            for answer, times in zip(*np.unique(answers, return_counts=True), strict=True):
                parameters, width = correct.index[answer] if answer >= 0 else (None, None)
                rows.append(
                    {
                        "architecture": architecture,
                        "target": target,
                        "width": width,
                        "parameters": parameters,
                        "times": times,
                        "share": times / RESAMPLES,
                    }
                )
    table = pd.DataFrame(rows, columns=[*MODEL[:1], "target", "width", "parameters", "times", "share"])
    return table.astype({"width": "Int64", "parameters": "Int64"})
