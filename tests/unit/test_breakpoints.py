"""The breakpoint of an architecture, its certainty, and the table by target."""

import numpy as np
import pandas as pd
import pytest
from samples.runs import runs_of

from few_weights.analysis.breakpoints import find_breakpoints, targets_table
from few_weights.analysis.intervals import t_interval, wilson_interval


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


def test_with_one_seed_nothing_is_certain():
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


def test_a_model_whose_runs_all_diverged_is_no_breakpoint():
    """The target is below chance, so that a network of NaN reaches it."""
    runs = runs_of({("cnn", 1): [980, 980], ("cnn", 2): [980, 9_000], ("cnn", 4): [9_900, 9_900]})
    runs["diverged_in_epoch"] = pd.array([1, 2, 1, None, None, None], "Int64")
    for target, width in ((0.05, 2), (0.6, 4)):
        (point,) = find_breakpoints(runs, [target]).itertuples()
        assert (point.width, point.reaching) == (width, width // 2)
    assert find_breakpoints(runs[runs["width"] == 1], [0.05])["reached"].tolist() == [False]
