"""How often each model would be the breakpoint with other seeds, by the bootstrap: bootstrap.csv."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from few_weights.analysis.divergence import has_diverged
from few_weights.analysis.rows import as_table, by_architecture
from few_weights.analysis.seeds import selection_of
from few_weights.analysis.table_columns import BOOTSTRAP

#: How many samples of the seeds are drawn, and the seed of the generator that draws them: two executions of a
#: study must give the same table.
RESAMPLES, GENERATOR_SEED = 10_000, 0


def uneven_seeds(runs: pd.DataFrame) -> list[str]:
    """The architectures with a width that lacks a seed which another of its widths has."""
    return [
        architecture
        for architecture, group in by_architecture(runs)
        if (group.groupby("width")["seed"].nunique() < group["seed"].nunique()).any()
    ]


def bootstrap_breakpoints(runs: pd.DataFrame, targets: Iterable[float]) -> pd.DataFrame:
    """bootstrap.csv: how often each model is the breakpoint when an architecture's seeds are resampled.

    As many seeds as an architecture has are drawn from them with replacement, `RESAMPLES` times. Each sample
    is used for all its models, which share their seeds (Efron and Tibshirani 1993, An Introduction to the
    Bootstrap, chapter 6); architectures with the same seeds have the same samples. There is one row for each
    model that was the breakpoint at least once, and one with an empty width where none was. Only models that
    the study trained can be the breakpoint. Architectures with a single seed are left out, and those whose
    widths do not all have the same seeds (`uneven_seeds`).
    """
    targets, records = list(targets), []
    selection, uneven = selection_of(runs), uneven_seeds(runs)
    runs = runs.assign(diverged=has_diverged(runs))
    for architecture, group in by_architecture(runs):
        seeds = sorted(group["seed"].unique())
        if architecture in uneven or len(seeds) == 1:
            continue
        draws = np.random.default_rng(GENERATOR_SEED).integers(len(seeds), size=(RESAMPLES, len(seeds)))
        times_drawn = np.zeros(draws.shape, np.int64)
        np.add.at(times_drawn, (np.arange(RESAMPLES)[:, np.newaxis], draws), 1)
        size = ["parameters", "width"]
        correct = group.pivot(index=size, columns="seed", values=f"{selection}_correct").sort_index()[seeds]
        diverged = group.pivot(index=size, columns="seed", values="diverged").sort_index()[seeds]
        # Whole numbers until the division, for the same reason as in `mean_accuracies`.
        images = len(seeds) * int(group[f"{selection}_examples"].iloc[0])
        means = times_drawn @ correct.to_numpy(dtype=np.int64).T / images
        # As in `deciding_accuracies`.
        means[times_drawn @ ~diverged.to_numpy(dtype=bool).T == 0] = 0
        for target in targets:
            reaches = means >= target
            smallest = np.where(reaches.any(axis=1), reaches.argmax(axis=1), -1)
            for index, times in zip(*np.unique(smallest, return_counts=True), strict=True):
                parameters, width = correct.index[index] if index >= 0 else (None, None)
                records.append(
                    {
                        "architecture": architecture,
                        "target": target,
                        "width": width,
                        "parameters": parameters,
                        "times": times,
                        "share": times / RESAMPLES,
                    }
                )
    return as_table(records, BOOTSTRAP)
