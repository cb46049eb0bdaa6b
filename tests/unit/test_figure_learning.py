"""Learning curves are drawn around each breakpoint."""

from samples.figures import spaced
from samples.runs import breakpoints_of, history_of, study_of

from few_weights.report.figures.learning import neighbourhood, plot_learning


def test_learning_shows_the_breakpoint_between_its_neighbours():
    runs = study_of({"mlp": {8: 0.9, 16: 0.95, 32: 0.966, 64: 0.975, 128: 0.98}, "vgg": {1: 0.5, 2: 0.6}})
    breakpoints = breakpoints_of(runs, [0.96])
    assert neighbourhood(runs, breakpoints, "mlp") == [16, 32, 64]
    assert neighbourhood(runs, breakpoints, "vgg") == [1, 2]
    # 3.4 % of errors at the end, 3.4 / 2 * 2 after the last but one epoch: the drawn history halves them.
    figure, title = plot_learning(history_of(runs), runs, breakpoints)
    assert spaced(title) == "mlp of width 32 first reaches 96 % after epoch 2 of 3"
    assert [text.get_text() for text in figure.axes[0].texts] == ["16", "32", "64"]
