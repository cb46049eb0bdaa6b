"""McNemar's test: against a textbook, over several seeds, and for a study's breakpoints."""

import numpy as np
import pytest
from samples.runs import runs_of
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar

from few_weights.analysis.breakpoints import find_breakpoints
from few_weights.analysis.mcnemar import clustered_mcnemar, compare_neighbours, correct_images, exact_mcnemar
from few_weights.errors import StudyError
from few_weights.plan.runs import Run


def answers(both, first, second, neither):
    """Two classifiers' answers, right or wrong, from McNemar's table."""
    pairs = [(True, True)] * both + [(True, False)] * first + [(False, True)] * second
    return np.array(pairs + [(False, False)] * neither).T


#: Approval of a president in two surveys of the same 1,600 people: Agresti 1990, Categorical Data Analysis,
#: page 350.
AGRESTI = answers(794, 150, 86, 570)


def test_mcnemar_of_agrestis_example():
    """(86 - 150)² / (86 + 150) = 17.36, p = 3.1e-5, as in Agresti and the notes of Penn State's STAT 504."""
    assert mcnemar([[794, 150], [86, 570]], exact=False, correction=False).statistic == pytest.approx(
        17.3559, abs=1e-4
    )
    assert clustered_mcnemar(*(right[np.newaxis] for right in AGRESTI)) == pytest.approx(3.099e-5, rel=1e-3)
    # The exact test is the binomial test of the 236 who changed their minds.
    assert exact_mcnemar(*AGRESTI) == pytest.approx(stats.binomtest(86, 236, 0.5).pvalue)


def test_seeds_that_agree_add_no_evidence():
    first, second = AGRESTI
    single = clustered_mcnemar(first[np.newaxis], second[np.newaxis])
    assert clustered_mcnemar(np.tile(first, (5, 1)), np.tile(second, (5, 1))) == pytest.approx(single)


def test_seeds_that_err_independently_add_evidence_and_equal_models_give_none():
    rng = np.random.default_rng(0)
    first, second = rng.random((10, 2000)) < 0.97, rng.random((10, 2000)) < 0.96
    assert clustered_mcnemar(first, second) < clustered_mcnemar(first[:2], second[:2])
    assert clustered_mcnemar(first, first) == 1.0


def test_breakpoints_are_compared_with_the_next_smaller_model_and_corrected():
    accuracies = {("cnn", 8): [9_900, 9_900], ("cnn", 4): [9_700, 9_720], ("cnn", 2): [9_500, 9_500]}
    accuracies[("vgg", 1)] = [9_800, 9_800]
    runs = runs_of(accuracies)
    rng = np.random.default_rng(0)
    right = {
        Run(row.architecture, row.width, row.seed): rng.random(1000) < row.test_accuracy
        for row in runs.itertuples()
    }
    table = compare_neighbours(runs, find_breakpoints(runs, [0.96, 0.97, 0.98]), right.__getitem__)
    # cnn 4 is the answer at two targets and compared once; nothing is smaller than vgg 1.
    pairs = table[["width", "smaller_width"]].drop_duplicates().to_numpy().tolist()
    assert pairs == [[4, 2], [8, 4]]
    assert table["seed"].isna().tolist() == [False, False, True] * 2
    together = table[table["seed"].isna()]
    smallest, largest = sorted(together["p"])
    assert sorted(together["p_holm"]) == pytest.approx([min(2 * smallest, 1), max(largest, 2 * smallest)])
    first = table.iloc[0]
    larger, smaller = right[Run("cnn", 4, 0)], right[Run("cnn", 2, 0)]
    assert first["only_breakpoint_right"] == np.sum(larger & ~smaller)
    assert first["p"] == exact_mcnemar(larger, smaller)


def test_neighbours_are_compared_at_the_seeds_that_both_have():
    runs = runs_of({("cnn", 2): [9_900, 9_900, 9_900], ("cnn", 1): [9_000, 9_000, 9_000]})
    right = np.array([True, False])
    for kept, seeds in ((runs.index != 4, [0, 2, None]), (runs.index < 3, [])):
        table = compare_neighbours(runs[kept], find_breakpoints(runs[kept], [0.97]), lambda run: right)
        assert table["seed"].astype(object).where(table["seed"].notna(), None).tolist() == seeds


def test_without_a_smaller_model_there_is_nothing_to_compare():
    runs = runs_of({("vgg", 1): [9_800]})
    table = compare_neighbours(runs, find_breakpoints(runs, [0.97]), None)
    assert table.empty and "p_holm" in table.columns


def test_predictions_that_do_not_belong_to_the_metrics_are_reported():
    labels = np.array([0, 1, 2], np.uint8)
    assert correct_images(np.array([0, 1, 1], np.uint8), labels, 2, Run("vgg", 1, 0)).tolist() == [1, 1, 0]
    for predictions in ([0, 1, 2], [0, 1]):
        with pytest.raises(StudyError, match="predictions of vgg width 1 seed 0 do not belong"):
            correct_images(np.array(predictions, np.uint8), labels, 2, Run("vgg", 1, 0))
