"""The curve of one architecture marks what the tables hold."""

from samples.figures import drawn_points, note_of, spaced, text_of
from samples.runs import STUDY, breakpoints_of, study_of

from few_weights.report.figures.curve import plot_curve


def test_breakpoint_is_marked_where_the_table_has_it():
    runs = study_of(STUDY)
    figure, title = plot_curve(runs, breakpoints_of(runs), "vgg")
    assert drawn_points(figure, "breakpoint") == [(400, 0.9705)]
    assert spaced(title) == "vgg: 400 weights are enough for 97 %"
    assert "400 weights, width 2\n97.05 % (target 97 %)\n4.0 times fewer than vgg 4" in text_of(figure)


def test_the_articles_breakpoint_is_shown_too():
    runs = study_of(STUDY)
    figure, _ = plot_curve(runs, breakpoints_of(runs), "mlp")
    assert drawn_points(figure, "article") == [(26506, 0.9711)]
    assert "article: width 32, 97.11 %" in text_of(figure)


def test_number_of_seeds_is_stated():
    runs = study_of(STUDY, seeds=(0, 1, 2))
    figure, _ = plot_curve(runs, breakpoints_of(runs), "mlp")
    assert "n = 3 seeds per width" in note_of(figure)


def test_collapsed_runs_are_crosses():
    figure, _ = plot_curve(study_of(STUDY), breakpoints_of(study_of(STUDY)), "vgg")
    assert "Crosses are runs that collapsed." in text_of(figure)
    figure, _ = plot_curve(study_of(STUDY), breakpoints_of(study_of(STUDY)), "mlp")
    assert "Crosses" not in text_of(figure)
