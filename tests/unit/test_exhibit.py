"""The report shows the network it speaks of, its own mistakes and its own weights."""

import numpy as np
import pandas as pd
from test_plotting import STUDY, breakpoints_of, layers_of, make_runs, words

from few_weights import exhibit
from few_weights.runs import Run


def test_the_smallest_sufficient_model_is_shown_at_the_seed_closest_to_its_mean():
    runs = make_runs(STUDY, seeds=(0, 1, 2))
    chosen = exhibit.choose_exhibit(runs, breakpoints_of(runs, [0.969]))
    assert chosen == exhibit.Exhibit(Run("vgg", 2, 1), sufficient=True)


def test_the_most_accurate_model_is_shown_where_none_suffices():
    runs = make_runs(STUDY)
    assert exhibit.choose_exhibit(runs, breakpoints_of(runs, [0.99])) == exhibit.Exhibit(
        Run("vgg", 4, 0), False
    )


def test_confusions_are_counted_and_the_commonest_comes_first():
    labels, guesses = np.array([4, 4, 1, 9, 4]), np.array([9, 4, 7, 9, 9])
    table = exhibit.confusions(labels, guesses)
    assert table.values.tolist() == [[4, 9, 2, 0], [1, 7, 1, 2]]
    images = np.zeros((5, 8, 6, 3), np.uint8)
    figure, message = exhibit.plot_mistakes(exhibit.Exhibit(Run("vgg", 2, 1), True), images, labels, guesses)
    assert message == "vgg of width 2 gets 3 of 5 test images wrong"
    assert "4 → 9" in words(figure) and "2×" in words(figure)
    assert len(figure.axes) == 2


def test_a_network_without_mistakes_can_be_shown():
    labels = np.arange(3)
    exhibit.plot_mistakes(exhibit.Exhibit(Run("a", 1, 0), True), np.zeros((3, 2, 2, 1)), labels, labels)


def test_first_layer_is_drawn_in_the_shape_of_what_it_sees():
    kernel = np.arange(4 * 3).reshape(4, 3)  # two by two pixels, three units
    pictures, what = exhibit.first_kernels({"dense/kernel": kernel, "dense/bias": np.zeros(3)}, (2, 2, 1))
    assert what == "2 × 2 pixels" and len(pictures) == 3
    assert pictures[1].tolist() == [[1, 4], [7, 10]]
    pictures, what = exhibit.first_kernels({"conv/kernel": np.ones((3, 5, 2, 4))}, (28, 28, 2))
    assert what == "3 × 5 pixels, the mean over 2 channels"
    assert [picture.shape for picture in pictures] == [(3, 5)] * 4
    pictures, what = exhibit.first_kernels({"dense/kernel": kernel}, (4,))
    assert what == "4 inputs" and pictures[0].shape == (1, 4)


def test_what_the_first_layer_sees_may_be_pooled():
    layers = layers_of(make_runs(STUDY))
    pooling = {"architecture": "mlp", "width": 16, "position": -1, "type": "MaxPooling2D"}
    layers = pd.concat([layers, pd.DataFrame([pooling | {"output_shape": "14x14x1", "parameters": 0}])])
    assert exhibit.shape_before_weights(layers, Run("mlp", 16, 0), (28, 28, 1)) == (14, 14, 1)
    assert exhibit.shape_before_weights(layers, Run("vgg", 2, 0), (28, 28, 1)) == (28, 28, 1)
