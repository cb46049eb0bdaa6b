"""The comparison of all architectures says how much fewer weights are enough."""

import pytest
from samples.figures import drawn_points, file_of, spaced, text_of
from samples.runs import STUDY, breakpoints_of, study_of

from few_weights.analysis.published import Record
from few_weights.report.figures.comparison import plot_comparison


@pytest.mark.parametrize("kind", ["svg", "png"])
def test_same_input_same_bytes(kind):
    runs = study_of(STUDY, seeds=(0, 1))
    first, second = (file_of(plot_comparison(runs, breakpoints_of(runs)), kind) for _ in range(2))
    assert first == second
    assert b"matplotlib v" not in first.lower()


def test_comparison_says_how_much_fewer():
    runs = study_of(STUDY)
    _, title = plot_comparison(runs, breakpoints_of(runs))
    assert spaced(title) == "On MNIST, 400 weights of vgg are enough for 97 %; mlp needs 1,024 times as many"


def test_comparison_shows_what_others_published_with_its_caveat():
    runs = study_of(STUDY)
    record = Record(575, 0.98, "pruned by test accuracy")
    figure, _ = plot_comparison(runs, breakpoints_of(runs), [record])
    assert drawn_points(figure, "published") == [(575, 0.98)]
    assert "a  575 weights, 98 %: pruned by test accuracy" in text_of(figure)
