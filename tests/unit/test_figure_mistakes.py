"""The test images that the smallest sufficient network gets wrong."""

import numpy as np
from samples.figures import text_of

from few_weights.plan.runs import Run
from few_weights.report.figures import mistakes
from few_weights.report.figures.smallest_network import SmallestNetwork


def test_confusions_are_counted_and_the_most_frequent_comes_first():
    labels, guesses = np.array([4, 4, 1, 9, 4]), np.array([9, 4, 7, 9, 9])
    table = mistakes.confusions(labels, guesses)
    assert table.values.tolist() == [[4, 9, 2, 0], [1, 7, 1, 2]]
    images = np.zeros((5, 8, 6, 3), np.uint8)
    figure, title = mistakes.plot_mistakes(SmallestNetwork(Run("vgg", 2, 1), True), images, labels, guesses)
    assert title == "vgg of width 2 gets 3 of 5 test images wrong"
    assert "4 → 9" in text_of(figure) and "2×" in text_of(figure)
    assert len(figure.axes) == 2


def test_a_network_without_mistakes_can_be_shown():
    labels = np.arange(3)
    mistakes.plot_mistakes(SmallestNetwork(Run("a", 1, 0), True), np.zeros((3, 2, 2, 1)), labels, labels)
