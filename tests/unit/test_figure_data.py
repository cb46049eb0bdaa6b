"""A user's own data set is shown by class and part."""

import numpy as np
from samples.figures import note_of

from few_weights.data import datasets
from few_weights.report.figures.data import SAMPLES, plot_data


def test_data_are_shown_by_class_and_part():
    labels = np.array([0, 1, 2] * 20, np.uint8)
    images = np.full((60, 4, 4, 1), 7, np.uint8)
    images[0, 0, 0] = 200
    arrays = {"x_train": images, "y_train": labels, "x_test": images[:9], "y_test": labels[:9]}
    dataset = datasets.Dataset(**datasets.hold_out(arrays, 6))
    summary = datasets.summarise(dataset)
    assert summary["parts"]["validation"] == {"examples": 6, "per_class": [2, 2, 2]}
    figure, title = plot_data("mine", dataset, summary)
    assert title == "mine: 54 training, 6 held-out and 9 test images of 4 × 4 in 3 classes"
    assert "darkest pixel is 7, the brightest 200" in note_of(figure)
    pictures = [axes for axes in figure.axes if axes.images]
    assert len(pictures) == 3 * SAMPLES
    bars = {axes.get_title(loc="left"): [bar.get_height() for bar in axes.patches] for axes in figure.axes}
    assert bars["training"] == [18] * 3 and bars["held-out"] == [2] * 3 and bars["test"] == [3] * 3
