"""The finding as a sentence."""

import pytest
from samples.figures import spaced
from samples.runs import STUDY, breakpoints_of, study_of

from few_weights.report.answer import answer


@pytest.mark.parametrize(
    ("runs", "targets", "sentence"),
    [
        (
            study_of({"tiny_net": {3: 0.9}}, dataset="digits", examples=360),
            [0.9],
            "On UCI digits the smallest network that reaches 90 % is tiny_net of width 3 with 900 weights "
            "(90.0 %, 1 seed).",
        ),
        (
            study_of(STUDY),
            [0.99],
            "On MNIST no network tried reaches 99 %; the best is vgg of width 4 with 1,600 weights "
            "(98.40 %).",
        ),
        (
            study_of(STUDY, seeds=(0, 1)),
            [0.98],
            "On MNIST the smallest network that reaches 98 % is vgg of width 4 with 1,600 weights "
            "(98.35 %, 2 seeds); mlp does not reach it at any width tried.",
        ),
    ],
)
def test_answers(runs, targets, sentence):
    assert [spaced(text) for text in answer(runs, breakpoints_of(runs, targets))] == [sentence]
