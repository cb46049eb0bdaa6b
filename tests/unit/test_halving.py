"""Which models of a stage go on: the front first, whatever the order of the runs."""

import math

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from few_weights.analysis.halving import judge_stage, stages_table
from few_weights.plan.halving import stages_of
from few_weights.plan.recipe import Recipe
from few_weights.plan.study import Architecture, Baseline

REPEATABLE = settings(deadline=None, derandomize=True, max_examples=40)
#: Bytes and accuracy of each model, with ties.
MODELS = st.lists(st.tuples(st.integers(1, 6), st.integers(0, 6)), min_size=1, max_size=12)


def runs_of(models, seeds=2):
    """Runs of models of the section "a-3-epochs", whose width is their number."""
    return pd.DataFrame(
        {
            "architecture": "a-3-epochs",
            "width": width,
            "seed": seed,
            "epochs": 3,
            "parameters": size,
            "weight_bytes": 4 * size,
            "validation_examples": 200,
            "validation_correct": 20 * accuracy + seed,
            "diverged_in_epoch": math.nan,
            "train_seconds": 1.5,
        }
        for width, (size, accuracy) in enumerate(models, 1)
        for seed in range(seeds)
    )


@REPEATABLE
@given(MODELS, st.sampled_from([0.1, 0.34, 0.5, 0.9]))
def test_the_front_goes_on_first(models, keep):
    judged = judge_stage(runs_of(models), {"a-3-epochs": "a"}, 1, keep)
    going_on = judged["next"]["a"]
    assert len(going_on) == math.ceil(round(keep * len(models), 9))
    assert [model["width"] for model in judged["models"] if model["goes_on"]] == going_on
    front = {
        width
        for width, (size, accuracy) in enumerate(models, 1)
        if not any(
            other[0] <= size and other[1] >= accuracy and other != (size, accuracy) for other in models
        )
    }
    assert front <= set(going_on) or set(going_on) <= front
    assert {model["width"] for model in judged["models"] if model["beaten_by"] == 0} == front


@REPEATABLE
@given(MODELS, st.randoms())
def test_the_order_of_the_runs_does_not_matter(models, random):
    runs = runs_of(models)
    order = list(runs.index)
    random.shuffle(order)
    shuffled = judge_stage(runs.loc[order], {"a-3-epochs": "a"}, 1, 0.5)
    judged = judge_stage(runs, {"a-3-epochs": "a"}, 1, 0.5)
    key = lambda model: model["width"]  # noqa: E731
    beaten = [
        [model["beaten_by"] for model in sorted(each["models"], key=key)] for each in (judged, shuffled)
    ]
    assert beaten[0] == beaten[1]


@pytest.mark.parametrize(("keep", "models", "expected"), [(0.28, 25, 7), (0.07, 100, 7), (0.1, 11, 2)])
def test_the_share_that_goes_on_is_rounded_up_but_not_for_rounding_errors(keep, models, expected):
    judged = judge_stage(runs_of([(1, 1)] * models), {"a-3-epochs": "a"}, 1, keep)
    assert len(judged["next"]["a"]) == expected


@REPEATABLE
@given(st.lists(st.integers(0, 200), min_size=3, max_size=3), st.permutations(range(3)))
def test_models_with_as_many_images_right_are_equal_however_they_are_spread(correct, order):
    runs = runs_of([(1, 1), (2, 1)], seeds=3)
    third = sum(correct) // 3
    moved = [third, third, sum(correct) - 2 * third]
    runs["validation_correct"] = [correct[place] for place in order] + moved
    one, other = judge_stage(runs, {"a-3-epochs": "a"}, 1, 0.5)["models"]
    assert one["validation_accuracy"] == other["validation_accuracy"]
    assert (one["beaten_by"], other["beaten_by"]) == (0, 1)


def test_a_model_whose_runs_all_diverged_has_an_accuracy_of_0():
    runs = runs_of([(1, 5), (2, 1)])
    runs.loc[runs["width"] == 1, "diverged_in_epoch"] = 2.0
    judged = judge_stage(runs, {"a-3-epochs": "a"}, 1, 0.5)
    assert [model["validation_accuracy"] for model in judged["models"]] == [0.0, 41 / 400]
    assert [model["beaten_by"] for model in judged["models"]] == [0, 0]


def test_the_last_stage_sends_nothing_on():
    judged = judge_stage(runs_of([(1, 5), (2, 6)]), {"a-3-epochs": "a"}, 2, None)
    assert judged["next"] == {}
    table = stages_table([judged])
    assert not table["goes_on"].any()
    assert table["validation_accuracy"].tolist() == pytest.approx([0.5025, 0.6025])
    assert table[["stage", "seeds", "train_seconds"]].drop_duplicates().values.tolist() == [[2, 2, 3.0]]


def test_a_stage_trains_as_its_section_does_for_fewer_epochs():
    recipe = Recipe(9, 32, {"name": "sgd"}, augmentation={"shift": 1})
    network = {"architecture": "mlp", "options": {}}
    section = Architecture("a", [2, 1], [0], network, recipe, Baseline("a", 2))
    first, second = stages_of({"a": section}, [3, 5])
    assert (first.epochs, second.epochs) == (3, 5)
    stage = first.sections["a"]
    assert (stage.name, stage.widths, stage.network) == ("a-3-epochs", [2, 1], network)
    assert stage.recipe == Recipe(3, 32, {"name": "sgd"}, augmentation={"shift": 1})
