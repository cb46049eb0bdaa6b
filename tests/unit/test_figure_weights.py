"""The share of the weights in each layer."""

import pandas as pd
from samples.figures import spaced, text_of
from samples.runs import STUDY, breakpoints_of, layers_of, study_of

from few_weights.report.figures.weights_by_layer import layer_names, plot_weights


def test_weights_are_shown_at_full_size_and_at_the_breakpoint():
    runs = study_of(STUDY)
    figure, title = plot_weights(layers_of(runs), runs, breakpoints_of(runs))
    assert (
        spaced(title)
        == "At the breakpoint, one layer holds 75 % of the weights of vgg and 75 % of those of mlp"
    )
    assert "width 4\n1,600" in text_of(figure) and "width 2\n400" in text_of(figure)
    assert "output 75 %" in text_of(figure)


def test_layers_are_numbered_and_the_last_is_the_output():
    assert layer_names(pd.Series(["Conv2D", "Conv2D", "Dense", "Dense"])) == [
        "conv 1",
        "conv 2",
        "dense",
        "output",
    ]
