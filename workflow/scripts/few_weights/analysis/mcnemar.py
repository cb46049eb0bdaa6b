"""Is a breakpoint better than the next smaller model? McNemar's paired test on the same test images.

Uses the test images even if validation images chose the breakpoint, because those would favour it.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

from few_weights.analysis.rows import as_table, rows
from few_weights.analysis.table_columns import NEIGHBOURS
from few_weights.errors import StudyError
from few_weights.plan.runs import Run

#: How the column `test` names the test of one seed, and that of all seeds together.
PER_SEED, ALL_SEEDS = "McNemar, exact", "McNemar, clustered by image"


def compare_neighbours(
    runs: pd.DataFrame, breakpoints: pd.DataFrame, read_correct: Callable[[Run], NDArray[np.bool_]]
) -> pd.DataFrame:
    """neighbours.csv: each breakpoint against the next smaller model of its architecture that was trained.

    Each pair has one row per seed, with McNemar's exact test, and one with an empty seed for all seeds
    together (`clustered_mcnemar`). `p` is two-sided; `p_holm` is corrected by Holm's method, for the number
    of pairs in the rows of all seeds, and for the number of pairs and seeds in the others. A breakpoint of
    several targets is compared once; one without a smaller model, or without a seed that both have, not at
    all.

    Args:
        runs: runs.csv.
        breakpoints: breakpoints.csv.
        read_correct: returns for a run whether it was right on each test image, as booleans.
    """
    records = []
    answers = breakpoints.loc[breakpoints["reached"], ["architecture", "width"]].drop_duplicates()
    for answer in rows(answers):
        group = runs[runs["architecture"] == answer.architecture]
        parameters = group.groupby("width")["parameters"].first().sort_values(kind="stable")
        widths = parameters.index.tolist()
        index = widths.index(answer.width)
        if index == 0:
            continue
        smaller = widths[index - 1]
        seeds_of = [set(group.loc[group["width"] == width, "seed"]) for width in (answer.width, smaller)]
        if not (seeds := sorted(set.intersection(*seeds_of))):
            continue
        pair = {
            "architecture": answer.architecture,
            "width": answer.width,
            "parameters": parameters[answer.width],
            "smaller_width": smaller,
            "smaller_parameters": parameters[smaller],
        }
        breakpoint_right, smaller_right = (
            np.array([read_correct(Run(answer.architecture, width, seed)) for seed in seeds])
            for width in (answer.width, smaller)
        )
        records += [
            pair
            | {"seed": seed, **_counts(first, second), "test": PER_SEED, "p": exact_mcnemar(first, second)}
            for seed, first, second in zip(seeds, breakpoint_right, smaller_right, strict=True)
        ]
        p = clustered_mcnemar(breakpoint_right, smaller_right)
        together = {"seed": None, **_counts(breakpoint_right, smaller_right), "test": ALL_SEEDS, "p": p}
        records.append(pair | together)
    table = as_table(records, NEIGHBOURS)
    for test in (PER_SEED, ALL_SEEDS):
        family = table["test"] == test
        if family.any():
            table.loc[family, "p_holm"] = multipletests(table.loc[family, "p"], method="holm")[1]
    return table


def _counts(breakpoint_right: NDArray[np.bool_], smaller_right: NDArray[np.bool_]) -> dict[str, int]:
    """How many test images there are, and how many only one of the two classifies correctly."""
    return {
        "images": breakpoint_right.shape[-1],
        "only_breakpoint_right": int(np.count_nonzero(breakpoint_right & ~smaller_right)),
        "only_smaller_right": int(np.count_nonzero(smaller_right & ~breakpoint_right)),
    }


def exact_mcnemar(first_right: NDArray[np.bool_], second_right: NDArray[np.bool_]) -> float:
    """The two-sided p-value of McNemar's exact test for two classifiers on the same images.

    Args:
        first_right, second_right: whether each classifier is right, of shape (images,).
    """
    table = [
        [np.count_nonzero(first_right & second_right), np.count_nonzero(first_right & ~second_right)],
        [np.count_nonzero(second_right & ~first_right), np.count_nonzero(~first_right & ~second_right)],
    ]
    return float(mcnemar(table, exact=True).pvalue)


def clustered_mcnemar(first_right: NDArray[np.bool_], second_right: NDArray[np.bool_]) -> float:
    """The two-sided p-value of McNemar's test over several seeds together, each image being a cluster.

    Seeds see the same images, so their tables must not simply be added up: an image that is hard for one seed
    is hard for the next. For each image, d is the number of seeds at which only the first classifier is right
    minus the number at which only the second is; (sum of d)² / (sum of d²) is chi-squared with one degree of
    freedom (Durkalski, Palesch, Lipsitz and Rust 2003, Statistics in Medicine 22:2417-2428). With a single
    seed it is McNemar's statistic without continuity correction.

    Args:
        first_right, second_right: whether each classifier is right, of shape (seeds, images).
    """
    differences = (first_right.astype(int) - second_right.astype(int)).sum(axis=0)
    squares = np.sum(differences**2)
    return float(stats.chi2.sf(np.sum(differences) ** 2 / squares, df=1)) if squares else 1.0


def correct_images(
    predictions: NDArray[np.uint8], labels: NDArray[np.uint8], expected: int, run: Run
) -> NDArray[np.bool_]:
    """Whether a run was right on each image, of shape (images,).

    Raises:
        StudyError: the predictions do not belong to the run's metrics, which count `expected` correct images.
    """
    if predictions.shape != labels.shape or np.count_nonzero(predictions == labels) != expected:
        raise StudyError(
            f"the predictions of {run} do not belong to its metrics.json, which counts {expected} correct "
            "images; delete both and start again, and the run is trained again"
        )
    return predictions == labels
