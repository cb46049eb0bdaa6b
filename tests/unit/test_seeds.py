"""What the seeds of a model say together, and the tables with a row per model."""

import math

import numpy as np
import pandas as pd
import pytest
from samples.runs import runs_of, study_of

from few_weights.analysis import divergence, model_tables, seeds
from few_weights.analysis.intervals import wilson_interval

RUNS = runs_of(
    {("cnn", 2): [9_740, 9_760], ("cnn", 1): [9_690, 980], ("vgg", 3): [9_750, 9_700]},
    validation={("cnn", 2): [4_880, 4_890], ("cnn", 1): [4_860, 500], ("vgg", 3): [4_850, 4_800]},
)


def test_models_over_seeds():
    table = model_tables.models_table(RUNS).set_index(["architecture", "width"])
    row = table.loc["cnn", 2]
    assert row[["parameters", "weight_bytes", "flops_per_image", "seeds"]].tolist() == [1000, 4000, 2000, 2]
    assert row["selection"] == "validation"
    assert (row["test_accuracy"], row["validation_accuracy"]) == (0.975, 0.977)
    assert row["test_accuracy_sd"] == pytest.approx(0.002 / math.sqrt(2))
    # Student's t of one degree of freedom is 12.7062
    assert row["test_accuracy_high"] - 0.975 == pytest.approx(12.7062 * 0.001, rel=1e-4)
    assert row["test_binomial_half_width"] == pytest.approx(
        1.96 * math.sqrt(0.975 * 0.025 / 10_000), rel=1e-4
    )


def test_a_collapsed_run_is_counted_and_kept():
    table = model_tables.models_table(RUNS).set_index(["architecture", "width"])
    assert table["collapsed"].to_dict() == {("cnn", 2): 0, ("cnn", 1): 1, ("vgg", 3): 0}
    assert table.loc["cnn", 1]["test_accuracy"] == (9_690 + 980) / 20_000


def test_collapse_is_judged_by_the_number_of_classes():
    for classes, bound in ((10, 0.2), (100, 0.02), (2, 0.625)):
        runs = pd.DataFrame({"classes": [classes] * 2, "test_accuracy": [bound - 0.001, bound + 0.001]})
        assert divergence.has_collapsed(runs).tolist() == [True, False]


def test_of_models_that_are_equally_accurate_the_smallest_is_the_best():
    runs = runs_of({("cnn", 2): [9_700, 9_740], ("vgg", 3): [9_730, 9_710]})
    runs["parameters"] = runs["architecture"].map({"cnn": 189, "vgg": 48})
    assert seeds.most_accurate_model(runs)["architecture"] == "vgg"


def test_without_validation_images_the_test_chooses():
    runs = runs_of({("cnn", 2): [9_740]})
    row = model_tables.models_table(runs).iloc[0]
    assert row["selection"] == "test"
    assert row[["validation_accuracy", "validation_accuracy_sd", "test_accuracy_sd"]].isna().all()


def test_shares_count_the_selection_images():
    table = model_tables.shares_table(RUNS, [0.97, 0.976]).set_index(["architecture", "width", "target"])
    assert table["reaching"].tolist() == [2, 2, 1, 0, 1, 0]
    assert table.loc[("cnn", 1, 0.97)][["share", "share_low", "share_high"]].tolist() == pytest.approx(
        [0.5, *wilson_interval(1, 2)]
    )


def test_pareto_front_by_hand():
    runs = runs_of(
        {
            ("vgg", 1): [9_000],
            ("cnn", 2): [9_500],
            ("vgg", 2): [9_600],  # as large as cnn 2 and better
            ("cnn", 3): [9_600],  # larger, no better
            ("cnn", 4): [9_700],
        }
    )
    front = model_tables.pareto_table(runs)
    assert list(zip(front["architecture"], front["width"], strict=True)) == [
        ("vgg", 1),
        ("vgg", 2),
        ("cnn", 4),
    ]
    assert front["from_parameters"].tolist() == [500, 1000, 2000]
    assert front["to_parameters"].tolist()[:2] == [999, 1999]
    assert front["to_parameters"].isna().tolist() == [False, False, True]


def test_the_front_by_bytes_counts_weights_of_few_bits():
    """vgg 2 has as many weights as cnn 2 and is less accurate, but takes fewer bytes."""
    runs = runs_of({("vgg", 1): [9_000], ("cnn", 2): [9_600], ("vgg", 2): [9_500]})
    runs["weight_bytes"] = pd.array([None, None, 250], "Int64")
    assert model_tables.pareto_table(runs)["architecture"].tolist() == ["vgg", "cnn"]
    front = model_tables.bytes_table(runs)
    assert front["parameters"].tolist() == [1000, 1000]
    assert front["from_bytes"].tolist() == [250, 4000]
    assert front["to_bytes"].tolist()[0] == 3999 and pd.isna(front["to_bytes"].iloc[1])


def test_no_model_beats_one_on_the_front():
    rng = np.random.default_rng(1)
    accuracies = {("cnn", width): [int(rng.integers(9_000, 9_900))] for width in range(1, 30)}
    front = set(model_tables.pareto_table(runs_of(accuracies))["width"])
    for width in range(1, 30):
        beaten = any(accuracies["cnn", w][0] >= accuracies["cnn", width][0] for w in range(1, width))
        assert beaten == (width not in front)


def diverge(runs, *seeds_of):
    """The runs, those of (architecture, width, seed) diverged in their first epoch."""
    marked = [
        tuple(run) in seeds_of for run in runs[["architecture", "width", "seed"]].itertuples(index=False)
    ]
    return runs.assign(diverged_in_epoch=pd.array([1 if value else pd.NA for value in marked], "Int64"))


def test_a_diverged_run_counts_in_means_and_reaches_nothing():
    runs = diverge(RUNS, ("cnn", 1, 1), ("vgg", 3, 0), ("vgg", 3, 1))
    table = model_tables.models_table(runs).set_index(["architecture", "width"])
    assert table["diverged"].to_dict() == {("cnn", 2): 0, ("cnn", 1): 1, ("vgg", 3): 2}
    assert table["collapsed"].sum() == 0  # the run of cnn 1 that had collapsed is now one that diverged
    assert table.drop(columns=["diverged", "collapsed"]).equals(
        model_tables.models_table(RUNS)
        .set_index(["architecture", "width"])
        .drop(columns=["diverged", "collapsed"])
    )
    shares = model_tables.shares_table(runs, [0.05]).set_index(["architecture", "width"])
    assert shares["reaching"].to_dict() == {("cnn", 2): 2, ("cnn", 1): 1, ("vgg", 3): 0}
    deciding = seeds.deciding_accuracies(runs)
    assert deciding["cnn", 1] == (4_860 + 500) / 10_000 and deciding["vgg", 3] == 0


def test_diverged_runs_in_a_sentence():
    assert divergence.diverged_sentence(RUNS) == ""
    sentence = divergence.diverged_sentence(diverge(RUNS, ("cnn", 1, 1)))
    assert sentence.startswith("1 of 6 runs diverged: cnn width 1 seed 1 in epoch 1. ")
    many = runs_of({("cnn", width): [980] for width in range(1, 20)})
    sentence = divergence.diverged_sentence(diverge(many, *(("cnn", width, 0) for width in range(1, 20))))
    assert "; cnn width 10 seed 0 in epoch 1; and 9 more models. " in sentence


def test_epochs_of_a_run_that_diverged_are_those_it_was_trained_for():
    assert divergence.epochs_trained(diverge(RUNS, ("cnn", 1, 1))).tolist() == [2, 2, 2, 1, 2, 2]
    assert divergence.epochs_trained(RUNS).tolist() == [2] * 6


def test_several_seeds_are_those_of_a_model():
    of_each_section = [study_of({"mlp": {8: 0.95}}, seeds=(1,)), study_of({"vgg": {4: 0.985}}, seeds=(0,))]
    assert not seeds.has_several_seeds(pd.concat(of_each_section))
    assert seeds.has_several_seeds(pd.concat([*of_each_section, study_of({"vgg": {4: 0.98}}, seeds=(1,))]))


def test_mean_and_interval_of_several_seeds():
    model = seeds.models_with_intervals(study_of({"mlp": {16: 0.95}}, seeds=(0, 1, 2))).iloc[0]
    assert model["test_accuracy"] == pytest.approx(0.949)
    # Student's t for two degrees of freedom is 4.3027; the standard deviation is 0.001.
    assert model["high"] - model["test_accuracy"] == pytest.approx(4.3027 * 0.001 / 3**0.5, rel=1e-4)
