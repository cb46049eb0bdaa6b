"""Every figure can be drawn for any study, and says what was measured, missed or went wrong."""

import pandas as pd
import pytest
from samples.figures import drawn_points, file_of, note_of, spaced, text_of
from samples.runs import STUDY, breakpoints_of, history_of, hold_out, layers_of, study_of, timed_runs

from few_weights.report.figures.comparison import plot_comparison
from few_weights.report.figures.curve import plot_curve
from few_weights.report.figures.learning import plot_learning
from few_weights.report.figures.timeline import plot_timeline
from few_weights.report.figures.weights_by_layer import plot_weights


@pytest.mark.parametrize(
    ("runs", "targets"),
    [
        pytest.param(
            study_of({"tiny_net": {3: 0.91}}, dataset="digits", examples=360), [0.9], id="one model"
        ),
        pytest.param(
            study_of({"tiny_net": {3: 0.5, 6: 1.0}}, (0, 1), "digits", 360), [0.97, 0.999], id="perfect"
        ),
        pytest.param(study_of(STUDY), [0.99], id="not reached"),
        pytest.param(study_of(STUDY, seeds=(0, 1, 2)), [0.95, 0.97, 0.99], id="several targets"),
        pytest.param(study_of({f"net_{n}": {1: 0.9, 2: 0.98} for n in range(8)}), [0.97], id="many"),
    ],
)
def test_any_study_can_be_drawn(runs, targets):
    breakpoints = breakpoints_of(runs, targets)
    figures = [plot_comparison(runs, breakpoints), plot_weights(layers_of(runs), runs, breakpoints)]
    figures += [plot_learning(history_of(runs), runs, breakpoints)]
    figures += [plot_curve(runs, breakpoints, name) for name in runs["architecture"].unique()[:2]]
    for drawn in figures:
        assert file_of(drawn, "svg").startswith(b"<?xml")


def test_thousands_of_runs_take_no_megabytes():
    """An SVG of 3,000 dots has half a megabyte."""
    runs = study_of(STUDY, seeds=range(500))
    breakpoints = breakpoints_of(runs, [0.97])
    for drawn in (
        plot_comparison(runs, breakpoints),
        plot_learning(history_of(runs), runs, breakpoints),
        plot_timeline(timed_runs(*((second, second + 1) for second in range(3_000)))),
    ):
        assert len(file_of(drawn, "svg")) < 250_000


def test_target_that_is_not_reached_is_named():
    runs = study_of(STUDY)
    breakpoints = breakpoints_of(runs, [0.98])
    figure, title = plot_curve(runs, breakpoints, "mlp")
    assert spaced(title) == "mlp: no width tried reaches 98 %" and drawn_points(figure, "breakpoint") == []
    assert "not reached; best 97.50 %" in text_of(plot_comparison(runs, breakpoints)[0])
    assert "target not reached" in text_of(plot_weights(layers_of(runs), runs, breakpoints)[0])


def test_figures_show_the_selection_images_and_say_so():
    runs = hold_out(study_of(STUDY, seeds=(0, 1)))
    breakpoints = breakpoints_of(runs, (0.96,))
    figures = [plot_curve(runs, breakpoints, "vgg")[0], plot_comparison(runs, breakpoints)[0]]
    figures.append(plot_learning(history_of(runs), runs, breakpoints)[0])
    for figure in figures:
        assert "on the 5,000 images of MNIST held out of training" in note_of(figure)
    assert drawn_points(figures[0], "breakpoint") == [(400, pytest.approx(0.965))]


def test_diverged_runs_are_plus_signs_and_keep_their_last_accuracy():
    runs = study_of({"vgg": {2: 0.98, 4: 0.99}}, seeds=(0, 1)).assign(epochs=3)
    runs["diverged_in_epoch"] = pd.array([1, None, None, None], "Int64")
    breakpoints = breakpoints_of(runs, [0.985])
    figure, _ = plot_curve(runs, breakpoints, "vgg")
    assert "Plus signs are runs that diverged." in text_of(figure)
    history = history_of(runs)
    figure, _ = plot_learning(history, runs, breakpoints)
    (means,) = [line for line in figure.axes[0].lines if line.get_label() == "width 2"]
    one, other = history[(history["width"] == 2)].groupby("seed")["test_accuracy"].agg(list)
    assert means.get_ydata().tolist() == pytest.approx([(one[0] + accuracy) / 2 for accuracy in other])
    assert "where a run diverged" in note_of(figure)
