"""The timeline keeps jobs that ran side by side apart, and judges the schedule by what was possible."""

import pandas as pd
import pytest

from few_weights.report.figures.benchmark import plot_benchmark
from few_weights.report.figures.style import figure_bytes
from few_weights.report.figures.timeline import assign_lanes, makespan_ratio, plot_timeline


def runs_of(*jobs):
    """Rows of runs.csv from (begin, end) in seconds; a second of each is overhead."""
    origin = pd.Timestamp("2026-01-01T00:00:00+00:00")
    return pd.DataFrame(
        [
            {
                "architecture": "cnn",
                "width": position + 1,
                "seed": 0,
                "finished": (origin + pd.Timedelta(seconds=end)).isoformat(timespec="milliseconds"),
                "train_seconds": end - begin - 1.0,
                "overhead_seconds": 1.0,
                "device": "a CPU, 1 thread",
            }
            for position, (begin, end) in enumerate(jobs)
        ]
    )


def test_jobs_that_overlap_have_rows_of_their_own():
    jobs = assign_lanes(runs_of((0, 100), (0, 40), (40, 70), (70, 100), (100, 120)))
    assert jobs["lane"].tolist() == [0, 1, 1, 1, 0]
    for _, lane in jobs.groupby("lane"):
        assert (lane["begin"].to_numpy()[1:] >= lane["end"].to_numpy()[:-1] - 0.5).all()


def test_the_schedule_is_measured_against_the_least_possible():
    perfect = assign_lanes(runs_of((0, 100), (0, 60), (60, 100)))
    assert makespan_ratio(perfect) == pytest.approx(1)
    # The longest job alone takes as long as everything: no schedule could do better.
    assert makespan_ratio(assign_lanes(runs_of((0, 100), (0, 10)))) == pytest.approx(1)
    # Started last, it leaves a lane idle: 160 seconds where 110 would do.
    assert makespan_ratio(assign_lanes(runs_of((0, 60), (0, 60), (60, 160)))) == pytest.approx(160 / 110)


def test_figures_are_drawn_alike_each_time():
    table = pd.DataFrame(
        [
            {"architecture": "cnn", "width": width, "keras_ratio": 5.0 / width, "rounds": 3}
            | {"keras_ratio_min": 4.0 / width, "keras_ratio_max": 6.0 / width}
            for width in (1, 2)
        ]
    )
    for plot, *data in (
        (plot_timeline, runs_of((0, 100), (0, 60), (60, 100))),
        (plot_benchmark, table, {"cpu": "a CPU", "keras": "keras 3"}),
    ):
        first, second = (figure_bytes(figure, "svg", title) for figure, title in (plot(*data), plot(*data)))
        assert first == second
