"""The figures mark what the tables say, look the same every time, and draw any study."""

import numpy as np
import pandas as pd
import pytest

from few_weights.analysis.breakpoints import find_breakpoints
from few_weights.analysis.intervals import binomial_half_width, t_interval
from few_weights.analysis.published import Record
from few_weights.analysis.seeds import models_with_intervals
from few_weights.report import wording
from few_weights.report.figures import style
from few_weights.report.figures.canvas import balanced_lines
from few_weights.report.figures.comparison import plot_comparison
from few_weights.report.figures.curve import plot_curve
from few_weights.report.figures.learning import neighbourhood, plot_learning
from few_weights.report.figures.weights_by_layer import layer_names, plot_weights


def make_runs(accuracies: dict, seeds=(0,), dataset="mnist", examples=10_000) -> pd.DataFrame:
    """A study's runs from architecture -> {width: accuracy}; seeds lie 0.001 apart."""
    rows = []
    for architecture, by_width in accuracies.items():
        for width, accuracy in by_width.items():
            for seed in seeds:
                correct = round(examples * (accuracy - 0.001 * seed))
                rows.append(
                    {
                        "study": "test",
                        "dataset": dataset,
                        "classes": 10,
                        "architecture": architecture,
                        "width": width,
                        "seed": seed,
                        "parameters": 100 * width**2,
                        "test_accuracy": correct / examples,
                        "test_correct": correct,
                        "test_examples": examples,
                        "validation_examples": 0,
                        "multiply_adds": 1000,
                        "baseline_architecture": architecture,
                        "baseline_width": max(by_width),
                        "baseline_parameters": 100 * max(by_width) ** 2,
                    }
                )
    return pd.DataFrame(rows)


def breakpoints_of(runs: pd.DataFrame, targets=(0.97,)) -> pd.DataFrame:
    return find_breakpoints(runs, targets)


def layers_of(runs: pd.DataFrame) -> pd.DataFrame:
    """Two layers a model: a quarter of the weights and the rest, around one without any."""
    rows = []
    for (architecture, width), its_runs in runs.groupby(["architecture", "width"]):
        parameters = its_runs["parameters"].iloc[0]
        parts = [("Conv2D", "26x26x2", parameters // 4), ("Flatten", "1352", 0)]
        parts.append(("Dense", "10", parameters - parameters // 4))
        for position, part in enumerate(parts):
            rows.append((architecture, width, position, *part))
    return pd.DataFrame(
        rows, columns=["architecture", "width", "position", "type", "output_shape", "parameters"]
    )


def history_of(runs: pd.DataFrame, epochs: int = 3) -> pd.DataFrame:
    """Epochs that halve the errors, down to those of the run's end or to where it diverged."""
    last = runs.get("diverged_in_epoch", pd.Series(pd.NA, runs.index)).fillna(epochs)
    accuracies = ["train_accuracy", "validation_accuracy", "test_accuracy"]
    return pd.DataFrame(
        [
            {"architecture": run.architecture, "width": run.width, "seed": run.seed, "epoch": epoch}
            | dict.fromkeys(accuracies, 1 - (1 - run.test_accuracy) * 2 ** (epochs - epoch) / 2)
            for run in runs.assign(last=last).itertuples()
            for epoch in range(1, min(run.last, epochs) + 1)
        ]
    )


def spaced(text: str) -> str:
    """With ordinary spaces for those that hold a number and its sign together."""
    return text.replace("\N{NO-BREAK SPACE}", " ")


def saved(drawn: tuple, kind: str) -> bytes:
    figure, message = drawn
    return style.figure_bytes(figure, kind, message)


def marks(figure, label: str) -> list[tuple[float, float]]:
    """The points of everything drawn under this label."""
    lines = [line for axes in figure.axes for line in axes.lines if line.get_label() == label]
    return [point for line in lines for point in zip(*line.get_data(), strict=True)]


def words(figure) -> str:
    texts = [text for axes in figure.axes for text in axes.texts] + figure.texts
    return spaced("\n".join(text.get_text() for text in texts))


STUDY = {"mlp": {16: 0.95, 32: 0.966, 64: 0.975}, "vgg": {1: 0.11, 2: 0.9705, 4: 0.984}}


def test_breakpoint_is_marked_where_the_table_has_it():
    runs = make_runs(STUDY)
    figure, message = plot_curve(runs, breakpoints_of(runs), "vgg")
    assert marks(figure, "breakpoint") == [(400, 0.9705)]
    assert spaced(message) == "vgg: 400 weights are enough for 97 %"
    assert "400 weights, width 2\n97.05 % (target 97 %)\n4.0 times fewer than vgg 4" in words(figure)


def test_article_is_shown_beside_it():
    runs = make_runs(STUDY)
    figure, _ = plot_curve(runs, breakpoints_of(runs), "mlp")
    assert marks(figure, "article") == [(26506, 0.9711)]
    assert "article: width 32, 97.11 %" in words(figure)


def test_number_of_seeds_is_stated():
    runs = make_runs(STUDY, seeds=(0, 1, 2))
    figure, _ = plot_curve(runs, breakpoints_of(runs), "mlp")
    assert "n = 3 seeds a width" in words(figure).replace("\n", " ")


def test_mean_and_interval_of_several_seeds():
    model = models_with_intervals(make_runs({"mlp": {16: 0.95}}, seeds=(0, 1, 2))).iloc[0]
    assert model["test_accuracy"] == pytest.approx(0.949)
    # Student's t for two degrees of freedom is 4.3027; the standard deviation is 0.001.
    assert model["high"] - model["test_accuracy"] == pytest.approx(4.3027 * 0.001 / 3**0.5, rel=1e-4)


def test_intervals():
    assert all(np.isnan(t_interval([0.97])))
    assert 100 * binomial_half_width(0.97, 10_000) == pytest.approx(0.33, abs=0.005)


@pytest.mark.parametrize("kind", ["svg", "png"])
def test_same_input_same_bytes(kind):
    runs = make_runs(STUDY, seeds=(0, 1))
    first, second = (saved(plot_comparison(runs, breakpoints_of(runs)), kind) for _ in range(2))
    assert first == second
    assert b"matplotlib v" not in first.lower()


def test_comparison_says_how_much_fewer():
    runs = make_runs(STUDY)
    _, message = plot_comparison(runs, breakpoints_of(runs))
    assert (
        spaced(message) == "On mnist, 400 weights of vgg are enough for 97 %; mlp needs 1,024 times as many"
    )


def test_comparison_shows_what_others_published_with_its_caveat():
    runs = make_runs(STUDY)
    record = Record(575, 0.98, "pruned by test accuracy")
    figure, _ = plot_comparison(runs, breakpoints_of(runs), [record])
    assert marks(figure, "published") == [(575, 0.98)]
    assert "a  575 weights, 98 %: pruned by test accuracy" in words(figure)


@pytest.mark.parametrize(
    ("runs", "targets"),
    [
        pytest.param(
            make_runs({"tiny_net": {3: 0.91}}, dataset="digits", examples=360), [0.9], id="one model"
        ),
        pytest.param(
            make_runs({"tiny_net": {3: 0.5, 6: 1.0}}, (0, 1), "digits", 360), [0.97, 0.999], id="perfect"
        ),
        pytest.param(make_runs(STUDY), [0.99], id="not reached"),
        pytest.param(make_runs(STUDY, seeds=(0, 1, 2)), [0.95, 0.97, 0.99], id="several targets"),
        pytest.param(make_runs({f"net_{n}": {1: 0.9, 2: 0.98} for n in range(12)}), [0.97], id="many"),
    ],
)
def test_any_study_can_be_drawn(runs, targets):
    breakpoints = breakpoints_of(runs, targets)
    figures = [plot_comparison(runs, breakpoints), plot_weights(layers_of(runs), runs, breakpoints)]
    figures += [plot_learning(history_of(runs), runs, breakpoints)]
    figures += [plot_curve(runs, breakpoints, name) for name in runs["architecture"].unique()[:2]]
    for drawn in figures:
        assert saved(drawn, "svg").startswith(b"<?xml")


def test_target_that_is_not_reached_is_named():
    runs = make_runs(STUDY)
    breakpoints = breakpoints_of(runs, [0.98])
    figure, message = plot_curve(runs, breakpoints, "mlp")
    assert spaced(message) == "mlp: no width tried reaches 98 %" and marks(figure, "breakpoint") == []
    assert "not reached; best 97.50 %" in words(plot_comparison(runs, breakpoints)[0])
    assert "target not reached" in words(plot_weights(layers_of(runs), runs, breakpoints)[0])


def test_weights_are_shown_at_full_size_and_at_the_breakpoint():
    runs = make_runs(STUDY)
    figure, message = plot_weights(layers_of(runs), runs, breakpoints_of(runs))
    assert (
        spaced(message)
        == "At the breakpoint, one layer holds 75 % of the weights of vgg and 75 % of those of mlp"
    )
    assert "width 4\n1,600" in words(figure) and "width 2\n400" in words(figure)
    assert "output 75 %" in words(figure)


def test_figures_show_the_images_that_choose_and_say_so():
    runs = make_runs(STUDY, seeds=(0, 1)).assign(validation_examples=5_000)
    runs["validation_correct"] = (5_000 * runs["test_accuracy"] - 25).round().astype(int)
    runs["validation_accuracy"] = runs["validation_correct"] / 5_000
    breakpoints = breakpoints_of(runs, (0.96,))
    figures = [plot_curve(runs, breakpoints, "vgg")[0], plot_comparison(runs, breakpoints)[0]]
    figures.append(plot_learning(history_of(runs), runs, breakpoints)[0])
    for figure in figures:
        assert "on the 5,000 images of mnist held out of training" in words(figure).replace("\n", " ")
    assert marks(figures[0], "breakpoint") == [(400, pytest.approx(0.965))]


def test_collapsed_runs_are_crosses():
    figure, _ = plot_curve(make_runs(STUDY), breakpoints_of(make_runs(STUDY)), "vgg")
    assert "Crosses are runs that collapsed." in words(figure)
    figure, _ = plot_curve(make_runs(STUDY), breakpoints_of(make_runs(STUDY)), "mlp")
    assert "Crosses" not in words(figure)


def test_diverged_runs_are_plus_signs_and_stay_where_they_ended():
    runs = make_runs({"vgg": {2: 0.98, 4: 0.99}}, seeds=(0, 1)).assign(epochs=3)
    runs["diverged_in_epoch"] = pd.array([1, None, None, None], "Int64")
    breakpoints = breakpoints_of(runs, [0.985])
    figure, _ = plot_curve(runs, breakpoints, "vgg")
    assert "Plus signs are runs that diverged." in words(figure)
    history = history_of(runs)
    figure, _ = plot_learning(history, runs, breakpoints)
    (means,) = [line for line in figure.axes[0].lines if line.get_label() == "width 2"]
    one, other = history[(history["width"] == 2)].groupby("seed")["test_accuracy"].agg(list)
    assert means.get_ydata().tolist() == pytest.approx([(one[0] + accuracy) / 2 for accuracy in other])
    assert "where a run diverged" in words(figure).replace("\n", " ")


def test_learning_shows_the_breakpoint_between_its_neighbours():
    runs = make_runs({"mlp": {8: 0.9, 16: 0.95, 32: 0.966, 64: 0.975, 128: 0.98}, "vgg": {1: 0.5, 2: 0.6}})
    breakpoints = breakpoints_of(runs, [0.96])
    assert neighbourhood(runs, breakpoints, "mlp") == [16, 32, 64]
    assert neighbourhood(runs, breakpoints, "vgg") == [1, 2]
    # 3.4 % of errors at the end, 3.4 / 2 * 2 after the last but one epoch: the drawn history halves them.
    figure, message = plot_learning(history_of(runs), runs, breakpoints)
    assert spaced(message) == "mlp of width 32 first reaches 96 % after epoch 2 of 3"
    assert [text.get_text() for text in figure.axes[0].texts] == ["16", "32", "64"]


def test_layers_are_numbered_and_the_last_is_the_output():
    assert layer_names(pd.Series(["Conv2D", "Conv2D", "Dense", "Dense"])) == [
        "conv 1",
        "conv 2",
        "dense",
        "output",
    ]


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


def test_titles_have_no_widow():
    assert balanced_lines("one two three four", 15) == ["one two", "three four"]
