"""A study with `certainty` is drawn and described with its ranges and its intervals."""

import pandas as pd
import pytest
from samples.figures import drawn_points, file_of, note_of, spaced, text_of
from samples.pages import page_of
from samples.runs import RULES, breakpoints_of, certainty_of, runs_of

from few_weights.analysis.confidence import estimate
from few_weights.report.answer import answer
from few_weights.report.certainty_text import certainty_sentences
from few_weights.report.figures.certainty import plot_certainty
from few_weights.report.figures.comparison import plot_comparison
from few_weights.report.figures.curve import plot_curve


def counts(mean: int, seeds: int, spread: int = 20) -> list[int]:
    """Correct images of so many seeds, evenly around a mean."""
    return [mean + spread * ((seed % 5) - 2) for seed in range(seeds)]


#: vgg certainly needs width 2, mlp one from 26 to 64; no width of cnn reaches 97 %.
RUNS = runs_of(
    {
        ("vgg", 1): counts(9_300, 10),
        ("vgg", 2): counts(9_800, 20),
        ("mlp", 16): counts(9_500, 10),
        ("mlp", 26): counts(9_695, 40),
        ("mlp", 28): counts(9_705, 40),
        ("mlp", 64): counts(9_800, 20),
        ("cnn", 1): counts(9_000, 10),
    }
)


@pytest.fixture(scope="module")
def answers() -> pd.DataFrame:
    return breakpoints_of(RUNS, rules=RULES)


def test_sentences_say_what_is_certain(answers):
    (sentence,) = certainty_sentences(answers)
    assert spaced(sentence) == (
        "With 95 % certainty for all answers together, and of the widths tried: for 97 %, vgg needs width 2, "
        "mlp needs a width from 26 to 64 and cnn does not reach it."
    )
    assert list(certainty_sentences(breakpoints_of(RUNS))) == []
    open_ended = breakpoints_of(RUNS[RUNS["width"] != 64], rules=RULES)
    assert "mlp needs width 26 or more, if one is enough" in next(iter(certainty_sentences(open_ended)))


def test_an_answer_that_is_a_range_is_compared_as_one(answers):
    _, title = plot_comparison(RUNS, answers)
    assert (
        spaced(title)
        == "On MNIST, 1,000 weights of vgg are enough for 97 %; mlp needs 13 to 32 times as many"
    )
    (sentence,) = answer(RUNS, answers)
    assert "mlp needs 13,000 to 32,000, 13 to 32 times as many" in spaced(sentence)
    open_ended = RUNS[~((RUNS["architecture"] == "mlp") & (RUNS["width"] == 64))]
    _, title = plot_comparison(open_ended, breakpoints_of(open_ended, rules=RULES))
    assert "mlp needs at least 13 times as many" in spaced(title)
    without_vgg = RUNS[RUNS["architecture"] == "mlp"]
    _, title = plot_comparison(without_vgg, breakpoints_of(without_vgg, rules=RULES))
    assert spaced(title) == "On MNIST, 14,000 weights of mlp may be enough for 97 %"


def test_curve_shows_the_range(answers):
    figure, title = plot_curve(RUNS, answers, "mlp")
    assert spaced(title) == "mlp: 13,000 to 32,000 weights are needed for 97 %"
    assert drawn_points(figure, "range") == [(13_000, 0.97), (32_000, 0.97)]
    assert "The bar on the target: where the answer lies." in note_of(figure)
    figure, title = plot_curve(RUNS, answers, "vgg")
    assert spaced(title) == "vgg: 1,000 weights are enough for 97 %" and drawn_points(figure, "range") == []


def test_whiskers_are_the_intervals_of_certainty(answers):
    figure, _ = plot_curve(RUNS, answers, "vgg")
    (whiskers,) = (each for each in figure.axes[0].collections if hasattr(each, "get_segments"))
    of_width = RUNS.loc[(RUNS["architecture"] == "vgg") & (RUNS["width"] == 2), "test_correct"]
    found = estimate(of_width.tolist(), 10_000, RULES.alpha)
    assert whiskers.get_segments()[1][:, 1].tolist() == pytest.approx([found.low, found.high])
    assert "interval at any number of seeds" in note_of(figure)


def test_comparison_says_which_widths_are_possible(answers):
    text = text_of(plot_comparison(RUNS, answers)[0])
    assert "14,000 (width 28; 26 to 64 possible)" in text and "1,000 (width 2)" in text


def test_intervals_narrow_in_one_panel_per_width(answers):
    table = certainty_of(RUNS, seeds=10)
    for name, widths in (("mlp", ["26: open", "28: open"]), ("vgg", ["2: reaches"]), ("cnn", ["1: misses"])):
        drawn = plot_certainty(table, RUNS, answers, name)
        assert file_of(drawn).startswith(b"<?xml")
        titles = [axes.get_title(loc="left") for axes in drawn[0].axes]
        assert {f"width {width}" for width in widths} <= set(titles)
    figure, title = plot_certainty(table, RUNS, answers, "vgg")
    assert spaced(title) == "vgg: width 2 is certainly the smallest tried for 97 %"
    assert "only with 20 seeds or more" in note_of(figure)
    rounds = table[(table["architecture"] == "vgg") & (table["width"] == 2)]
    assert [seeds for seeds, _ in drawn_points(figure, "mean")] == rounds["seeds"].tolist()
    title = plot_certainty(table, RUNS, answers, "cnn")[1]
    assert spaced(title) == "cnn: certainly no width tried reaches 97 %"


def test_a_report_of_few_runs_says_that_the_first_round_is_not_here(answers):
    table = certainty_of(RUNS[RUNS["seed"] < 5], seeds=10)
    assert table.empty
    assert "The runs of its first round are not all here." in note_of(
        plot_certainty(table, RUNS, answers, "vgg")[0]
    )


def test_the_page_says_what_is_sure_and_what_is_not():
    page = page_of(RUNS, drawn=False, rules=RULES, certainty=certainty_of(RUNS, seeds=10))
    assert "What is sure." in page and "What is not." in page
    assert "mlp needs a width from 26 to 64" in page and "26 to 64</span>" in page
    assert "Certainty of each width" in page and 'class="notice"' not in page
    assert "What is sure." not in page_of(RUNS, drawn=False)
