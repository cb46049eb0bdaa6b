"""Colours, numbers and titles of the figures."""

import pytest
from samples.figures import spaced

from few_weights.report import wording
from few_weights.report.figures import style
from few_weights.report.figures.layout import balanced_lines


def test_colours_differ_and_do_not_depend_on_order():
    names = ["mlp", "vgg", *(f"own_{n}" for n in range(20))]
    colours = style.colours(names)
    assert len(set(colours.values())) == len(names)
    assert style.colours(reversed(names)) == colours


@pytest.mark.parametrize(
    ("value", "examples", "text"), [(0.9748, 10_000, "97.48 %"), (1.0, 360, "100.0 %"), (0.5, 20, "50 %")]
)
def test_accuracies_have_the_decimals_the_test_set_can_tell(value, examples, text):
    assert spaced(wording.accuracy(value, examples)) == text


def test_titles_have_lines_of_about_equal_length():
    assert balanced_lines("one two three four", 15) == ["one two", "three four"]
