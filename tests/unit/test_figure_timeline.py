"""The timeline gives jobs that ran at the same time their own rows, and measures the schedule."""

import pytest
from samples.figures import file_of
from samples.runs import timed_runs

from few_weights.report.figures.timeline import assign_lanes, makespan_ratio, plot_timeline


def test_jobs_that_overlap_are_in_different_rows():
    jobs = assign_lanes(timed_runs((0, 100), (0, 40), (40, 70), (70, 100), (100, 120)))
    assert jobs["lane"].tolist() == [0, 1, 1, 1, 0]
    for _, lane in jobs.groupby("lane"):
        assert (lane["begin"].to_numpy()[1:] >= lane["end"].to_numpy()[:-1] - 0.5).all()


def test_the_schedule_is_measured_against_the_shortest_possible():
    perfect = assign_lanes(timed_runs((0, 100), (0, 60), (60, 100)))
    assert makespan_ratio(perfect) == pytest.approx(1)
    # The longest job alone takes as long as everything: no schedule could do better.
    assert makespan_ratio(assign_lanes(timed_runs((0, 100), (0, 10)))) == pytest.approx(1)
    # Started last, it leaves a lane idle: 160 seconds where 110 would do.
    assert makespan_ratio(assign_lanes(timed_runs((0, 60), (0, 60), (60, 160)))) == pytest.approx(160 / 110)


def test_the_timeline_is_drawn_alike_each_time():
    runs = timed_runs((0, 100), (0, 60), (60, 100))
    assert file_of(plot_timeline(runs)) == file_of(plot_timeline(runs))


def test_bars_of_many_short_jobs_are_not_hidden_by_their_edges():
    figure, _ = plot_timeline(timed_runs(*((second, second + 1) for second in range(1_000))))
    edges = {
        patch.get_linewidth() for patch in figure.axes[0].patches if patch.get_edgecolor()[:3] == (1, 1, 1)
    }
    width = 72 * figure.axes[0].get_position().width * figure.get_figwidth() / 1_000
    assert max(edges) < 0.5 * width
