"""Is a breakpoint better than the next smaller model? A paired test on the same test images.

Always the test images: where validation images chose the breakpoint, they would flatter it.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

from few_weights.errors import StudyError
from few_weights.plan.runs import Run

COLUMNS = ["architecture", "width", "parameters", "smaller_width", "smaller_parameters", "seed", "images"]


COLUMNS += ["only_breakpoint_right", "only_smaller_right", "test", "p", "p_holm"]


PER_SEED, ALL_SEEDS = "McNemar, exact", "McNemar, clustered by image"


def compare_neighbours(
    runs: pd.DataFrame, breakpoints: pd.DataFrame, read_correct: Callable[[Run], np.ndarray]
) -> pd.DataFrame:
    """neighbours.csv: each breakpoint against the next smaller model of its architecture that was trained.

    For each pair one row a seed, with McNemar's exact test, and one with an empty seed for all of them
    together (`clustered_mcnemar`). `p` are two-sided; `p_holm` are corrected by Holm's method for the number
    of pairs among the rows of all seeds, and of pairs and seeds among the others. A breakpoint of several
    targets is compared once; one without a smaller model, or without a seed that both have, not at all.

    Args:
        runs: runs.csv.
        breakpoints: breakpoints.csv.
        read_correct: gives for a run whether it was right on each test image, as booleans.
    """
    rows = []
    answers = breakpoints.loc[breakpoints["reached"], ["architecture", "width"]].drop_duplicates()
    for architecture, width in answers.itertuples(index=False):
        its_runs = runs[runs["architecture"] == architecture]
        parameters = its_runs.groupby("width")["parameters"].first().sort_values(kind="stable")
        place = parameters.index.get_loc(width)
        if place == 0:
            continue
        smaller = parameters.index[place - 1]
        pair = {
            "architecture": architecture,
            "width": width,
            "parameters": parameters[width],
            "smaller_width": smaller,
            "smaller_parameters": parameters[smaller],
        }
        of_both = [set(its_runs.loc[its_runs["width"] == size, "seed"]) for size in (width, smaller)]
        if not (seeds := sorted(set.intersection(*of_both))):
            continue
        larger_right = np.array([read_correct(Run(architecture, width, seed)) for seed in seeds])
        smaller_right = np.array([read_correct(Run(architecture, smaller, seed)) for seed in seeds])
        rows += [
            {
                **pair,
                "seed": seed,
                **_counts(ours, theirs),
                "test": PER_SEED,
                "p": exact_mcnemar(ours, theirs),
            }
            for seed, ours, theirs in zip(seeds, larger_right, smaller_right, strict=True)
        ]
        rows.append(
            {
                **pair,
                "seed": None,
                **_counts(larger_right, smaller_right),
                "test": ALL_SEEDS,
                "p": clustered_mcnemar(larger_right, smaller_right),
            }
        )
    table = pd.DataFrame(rows, columns=COLUMNS).astype({"seed": "Int64"})
    for test in (PER_SEED, ALL_SEEDS):
        family = table["test"] == test
        if family.any():
            table.loc[family, "p_holm"] = multipletests(table.loc[family, "p"], method="holm")[1]
    return table


def _counts(larger_right: np.ndarray, smaller_right: np.ndarray) -> dict[str, int]:
    return {
        "images": larger_right.shape[-1],
        "only_breakpoint_right": int(np.count_nonzero(larger_right & ~smaller_right)),
        "only_smaller_right": int(np.count_nonzero(smaller_right & ~larger_right)),
    }


def exact_mcnemar(first_right: np.ndarray, second_right: np.ndarray) -> float:
    """The p-value of McNemar's exact test for two classifiers on the same images (booleans, one an image)."""
    table = [
        [np.count_nonzero(first_right & second_right), np.count_nonzero(first_right & ~second_right)],
        [np.count_nonzero(second_right & ~first_right), np.count_nonzero(~first_right & ~second_right)],
    ]
    return float(mcnemar(table, exact=True).pvalue)


def clustered_mcnemar(first_right: np.ndarray, second_right: np.ndarray) -> float:
    """The p-value of McNemar's test for several seeds at once, on arrays of booleans (seeds, images).

    Seeds see the same images, so their tables must not simply be added up: an image that is hard for one seed
    is hard for the next. Each image counts as one cluster, with d the seeds at which only the first is right
    less those at which only the second is; (sum of d)² / (sum of d²) is chi-squared with one degree of
    freedom (Durkalski, Palesch, Lipsitz and Rust 2003, Statistics in Medicine 22:2417-2428). With a single
    seed it is McNemar's own statistic without continuity correction.
    """
    differences = (first_right.astype(int) - second_right.astype(int)).sum(axis=0)
    squares = np.sum(differences**2)
    return float(stats.chi2.sf(np.sum(differences) ** 2 / squares, df=1)) if squares else 1.0


def correct_images(predictions: np.ndarray, labels: np.ndarray, expected: int, run: Run) -> np.ndarray:
    """Whether a run was right on each image.

    Raises:
        StudyError: the predictions are not those that gave the run's metrics, `expected` of them correct.
    """
    if predictions.shape != labels.shape or np.count_nonzero(predictions == labels) != expected:
        raise StudyError(
            f"the predictions of {run} do not belong to its metrics.json, which counts {expected} correct "
            "images; delete both and start again, the run is trained anew"
        )
    return predictions == labels
