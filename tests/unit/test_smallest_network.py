"""Which run the report shows as the smallest sufficient network."""

import pandas as pd
from samples.runs import STUDY, breakpoints_of, study_of

from few_weights.plan.runs import Run
from few_weights.report.figures.smallest_network import SmallestNetwork, choose_network


def test_the_smallest_sufficient_model_is_shown_at_the_seed_closest_to_its_mean():
    runs = study_of(STUDY, seeds=(0, 1, 2))
    chosen = choose_network(runs, breakpoints_of(runs, [0.969]))
    assert chosen == SmallestNetwork(Run("vgg", 2, 1), sufficient=True)


def test_the_most_accurate_model_is_shown_where_none_suffices():
    runs = study_of(STUDY)
    assert choose_network(runs, breakpoints_of(runs, [0.99])) == SmallestNetwork(Run("vgg", 4, 0), False)


def test_a_seed_that_diverged_is_not_shown():
    runs = study_of({"vgg": {2: 0.98}}, seeds=(0, 1, 2))
    runs["diverged_in_epoch"] = pd.array([None, 3, None], "Int64")
    assert choose_network(runs, breakpoints_of(runs)).run == Run("vgg", 2, 0)
