"""The breakpoint, its certainty, and what other seeds or a paired test would say of it."""

import numpy as np
import pandas as pd
import pytest
from samples.runs import runs_of
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar

from few_weights.analysis.bootstrap import RESAMPLES, bootstrap_breakpoints, uneven_seeds
from few_weights.analysis.breakpoints import find_breakpoints, targets_table
from few_weights.analysis.intervals import t_interval, wilson_interval
from few_weights.analysis.mcnemar import clustered_mcnemar, compare_neighbours, correct_images, exact_mcnemar
from few_weights.errors import StudyError
from few_weights.plan.runs import Run


def test_the_breakpoint_is_the_fewest_parameters_whose_mean_reaches_the_target():
    runs = runs_of(
        {
            ("cnn", 8): [9_900, 9_900],
            ("cnn", 4): [9_600, 9_600],  # a dip does not hide the smaller model that reaches the target
            ("cnn", 2): [9_650, 9_760],
            ("cnn", 1): [9_800, 9_500],
            ("vgg", 8): [9_100, 9_900],
        }
    )
    table = find_breakpoints(runs, [0.97, 0.985]).set_index(["architecture", "target"])
    assert table["reached"].to_dict() == {
        ("cnn", 0.97): True,
        ("cnn", 0.985): True,
        ("vgg", 0.97): False,
        ("vgg", 0.985): False,
    }
    cnn = table.loc["cnn", 0.97]
    assert (cnn["width"], cnn["parameters"], cnn["seeds"]) == (2, 1000, 2)
    assert (cnn["selection"], cnn["test_accuracy"], cnn["selection_accuracy"]) == ("test", 0.9705, 0.9705)
    assert (cnn["baseline_parameters"], cnn["compression"]) == (4000, 4.0)
    assert (cnn["article_width"], cnn["article_parameters"]) == (2, 4802)
    assert (cnn["monotone"], cnn["larger_missing"]) == (False, 1)
    assert table.loc["cnn", 0.985]["width"] == 8
    assert table.loc["cnn", 0.985].isna()["article_width"]  # the article has nothing to say about 98.5 %
    assert table.loc["vgg", 0.97][["width", "parameters", "test_accuracy", "compression"]].isna().all()


def test_a_mean_exactly_at_the_target_reaches_it():
    runs = runs_of({("cnn", 8): [9_700, 9_700, 9_700], ("cnn", 4): [9_699, 9_700, 9_700]})
    table = find_breakpoints(runs, [0.97])
    assert table["width"].tolist() == [8]
    assert table["certain"].tolist() == [True]


VALIDATED = runs_of(
    {("cnn", 4): [9_690, 9_688], ("cnn", 2): [9_720, 9_800]},
    validation={("cnn", 4): [4_860, 4_870], ("cnn", 2): [4_849, 4_845]},
)


def test_validation_images_choose_and_the_test_is_only_reported():
    row = find_breakpoints(VALIDATED, [0.97]).iloc[0]
    assert (row["selection"], row["width"]) == ("validation", 4)
    assert (row["selection_accuracy"], row["test_accuracy"]) == (0.973, 0.9689)
    low, high = t_interval([0.972, 0.974])
    assert (row["selection_low"], row["selection_high"]) == pytest.approx((low, high))
    assert not row["certain"]  # two seeds say little: the interval reaches down to 0.96
    assert row[["reaching", "share", "share_low"]].tolist() == pytest.approx([2, 1, wilson_interval(2, 2)[0]])


def test_of_one_seed_nothing_is_certain():
    row = find_breakpoints(runs_of({("cnn", 4): [9_900]}), [0.97]).iloc[0]
    assert row["reached"] and not row["certain"]
    assert np.isnan(row["selection_low"])


def test_targets_by_architectures():
    runs = runs_of({("cnn", 4): [9_800], ("cnn", 2): [9_600], ("vgg", 1): [9_600]})
    table = targets_table(find_breakpoints(runs, [0.95, 0.97, 0.99]))
    assert table.columns.tolist() == ["target", "cnn", "vgg"]
    assert table.to_numpy().tolist() == [
        [0.95, "1000", "500"],
        [0.97, "2000", "not reached"],
        [0.99, "not reached", "not reached"],
    ]


def test_bootstrap_by_hand():
    """Two seeds, so four equally likely draws: twice the first, twice the second, one of each (twice)."""
    runs = runs_of({("cnn", 4): [9_900, 9_690], ("cnn", 2): [9_720, 9_600], ("vgg", 1): [9_600, 9_700]})
    table = bootstrap_breakpoints(runs, [0.97])
    shares = {(row.architecture, row.parameters): row.share for row in table.itertuples()}
    none = shares.pop(("cnn", pd.NA))
    # cnn 2 reaches it with the first seed alone, cnn 4 with both; with the second alone neither does.
    tolerance = 4 * np.sqrt(0.25 / RESAMPLES)
    assert shares["cnn", 1000] == pytest.approx(0.25, abs=tolerance)
    assert shares["cnn", 2000] == pytest.approx(0.5, abs=tolerance)
    assert none == pytest.approx(0.25, abs=tolerance)
    # vgg 1 reaches it exactly where cnn fails: one draw of seeds serves all models.
    assert shares["vgg", 500] == none
    assert table.groupby("architecture")["times"].sum().tolist() == [RESAMPLES, RESAMPLES]
    # The order of the runs makes no difference.
    assert set(bootstrap_breakpoints(runs[::-1], [0.97])["times"]) == set(table["times"])


def test_bootstrap_needs_more_than_one_seed_and_the_same_for_all():
    assert bootstrap_breakpoints(runs_of({("cnn", 4): [9_900]}), [0.97]).empty
    runs = runs_of({("cnn", 4): [9_900, 9_900], ("cnn", 2): [9_900], ("vgg", 1): [9_900, 9_900]})
    assert uneven_seeds(runs) == ["cnn"]
    assert bootstrap_breakpoints(runs, [0.97])["architecture"].tolist() == ["vgg"]


def test_a_model_whose_runs_all_diverged_is_no_breakpoint():
    """A target below chance, which a network of NaN reaches with what it answers always."""
    runs = runs_of({("cnn", 1): [980, 980], ("cnn", 2): [980, 9_000], ("cnn", 4): [9_900, 9_900]})
    diverged = [1, 2, 1, None, None, None]
    runs["diverged_in_epoch"] = pd.array(diverged, "Int64")
    for target, width in ((0.05, 2), (0.6, 4)):
        (point,) = find_breakpoints(runs, [target]).itertuples()
        assert (point.width, point.reaching) == (width, width // 2)
    shares = bootstrap_breakpoints(runs, [0.05]).set_index("width")["share"]
    # Both seeds drawn from the one that diverged at width 2: one draw in four.
    assert shares.to_dict() == {2: pytest.approx(0.75, abs=0.02), 4: pytest.approx(0.25, abs=0.02)}
    assert find_breakpoints(runs[runs["width"] == 1], [0.05])["reached"].tolist() == [False]


def test_neighbours_are_compared_at_the_seeds_that_both_have():
    runs = runs_of({("cnn", 2): [9_900, 9_900, 9_900], ("cnn", 1): [9_000, 9_000, 9_000]})
    right = np.array([True, False])
    for kept, seeds in ((runs.index != 4, [0, 2, None]), (runs.index < 3, [])):
        table = compare_neighbours(runs[kept], find_breakpoints(runs[kept], [0.97]), lambda run: right)
        assert table["seed"].astype(object).where(table["seed"].notna(), None).tolist() == seeds


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


def test_more_seeds_that_say_the_same_add_no_evidence():
    first, second = AGRESTI
    single = clustered_mcnemar(first[np.newaxis], second[np.newaxis])
    assert clustered_mcnemar(np.tile(first, (5, 1)), np.tile(second, (5, 1))) == pytest.approx(single)


def test_seeds_that_err_apart_add_evidence_and_equal_models_give_none():
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
    ours, theirs = right[Run("cnn", 4, 0)], right[Run("cnn", 2, 0)]
    assert first["only_breakpoint_right"] == np.sum(ours & ~theirs)
    assert first["p"] == exact_mcnemar(ours, theirs)


def test_without_a_smaller_model_there_is_nothing_to_compare():
    runs = runs_of({("vgg", 1): [9_800]})
    table = compare_neighbours(runs, find_breakpoints(runs, [0.97]), None)
    assert table.empty and "p_holm" in table.columns


def test_predictions_that_do_not_belong_to_the_metrics_are_told():
    labels = np.array([0, 1, 2], np.uint8)
    assert correct_images(np.array([0, 1, 1], np.uint8), labels, 2, Run("vgg", 1, 0)).tolist() == [1, 1, 0]
    for predictions in ([0, 1, 2], [0, 1]):
        with pytest.raises(StudyError, match="predictions of vgg width 1 seed 0 do not belong"):
            correct_images(np.array(predictions, np.uint8), labels, 2, Run("vgg", 1, 0))
