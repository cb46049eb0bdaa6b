"""The figure of a study's training jobs over time."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path

from few_weights.analysis.rows import by_architecture, rows
from few_weights.report import wording
from few_weights.report.figures import style
from few_weights.report.figures.inputs import FigureInputs
from few_weights.report.figures.layout import new_figure, write_title

#: The greatest height of all bars together, in inches.
TALLEST = 15.0

#: About the width of a bold character of a name, in inches.
CHARACTER_WIDTH = 0.093


def assign_lanes(runs: pd.DataFrame) -> pd.DataFrame:
    """runs.csv with `begin` and `end` (seconds since the first job began) and `lane` for each job.

    A job lasts from the start of its process (`overhead_seconds` before training) to its end. Each takes the
    lowest lane that is free, so the number of lanes is the largest number of jobs that ran at the same time.
    """
    finished = pd.to_datetime(runs["finished"])
    seconds = runs["train_seconds"] + runs["overhead_seconds"]
    begin = finished - pd.to_timedelta(seconds, unit="s")
    jobs = runs.assign(
        begin=(begin - begin.min()).dt.total_seconds(),
        end=(finished - begin.min()).dt.total_seconds(),
    ).sort_values("begin")
    free_from: list[float] = []
    lanes = []
    for job in rows(jobs):
        # Times are rounded, so a job may seem to begin a moment before the previous one ended.
        free = (lane for lane, end in enumerate(free_from) if end <= job.begin + 0.5)
        lane = next(free, len(free_from))
        free_from[lane:] = [job.end, *free_from[lane + 1 :]]
        lanes.append(lane)
    return jobs.assign(lane=lanes)


def makespan_ratio(jobs: pd.DataFrame) -> float:
    """Total time over the shortest possible: all work distributed evenly, or the longest job."""
    seconds = jobs["end"] - jobs["begin"]
    return float(jobs["end"].max() / max(seconds.sum() / (jobs["lane"].max() + 1), seconds.max()))


def plot_timeline(runs: pd.DataFrame) -> tuple[Figure, str]:
    """One bar per training job, in one row for each that ran at the same time; and the title."""
    jobs = assign_lanes(runs)
    colours = style.colours(runs["architecture"])
    lanes = int(jobs["lane"].max()) + 1
    minutes = jobs["end"].max() / 60
    title = f"{wording.plural(len(jobs), 'training job')} in {minutes:.1f} minutes, {lanes} at a time"
    note = (
        f"Longest first. It took {makespan_ratio(jobs):.2f} times the shortest possible time (all work "
        "distributed evenly, or the longest job). Paler: imports, data, building. Per job: "
        f"{runs['device'].iloc[0]}."
    )
    with style.figure_style():
        legend_columns, legend_rows = legend_grid(list(colours))
        legend_height = 0.2 * (legend_rows - 1)
        # A cluster may run hundreds at a time.
        height = min(0.5 * lanes, TALLEST) + 1.9 + legend_height
        figure = new_figure(height)
        top = write_title(figure, title, note)
        axes = figure.add_axes((0.05, 0.55 / height, 0.92, top - (0.95 + legend_height) / height))
        draw_jobs(axes, jobs, colours)
        for index, (architecture, colour) in enumerate(colours.items()):
            row, column = divmod(index, legend_columns)
            axes.text(
                column / legend_columns,
                1.02,
                wording.short(architecture) + "\n" * (legend_rows - 1 - row),
                transform=axes.transAxes,
                color=colour,
                fontweight="bold",
                va="bottom",
            )
        axes.set(yticks=[], xlabel="seconds since the first job began", xlim=(0, jobs["end"].max()))
        axes.set_ylim(-0.4, lanes - 0.6)
        axes.spines["left"].set_visible(False)
        axes.invert_yaxis()
    return figure, title


def legend_grid(architectures: Sequence[str]) -> tuple[int, int]:
    """How many columns and rows the names of the architectures need: as many columns as fit."""
    characters = 0.92 * style.WIDTH / CHARACTER_WIDTH
    longest = max(len(wording.short(name)) for name in architectures)
    columns = min(len(architectures), max(1, int(characters / (longest + 2))))
    return columns, -(-len(architectures) // columns)


def draw_jobs(axes: Axes, jobs: pd.DataFrame, colours: Mapping[str, str]) -> None:
    """Draw a bar for each job, paler before its training starts, with its width where it fits."""
    # Bars of many jobs are thinner than an edge, which would hide them.
    points = 72 * axes.get_position().width * style.WIDTH / jobs["end"].max()
    edge = min(0.8, 0.2 * points * (jobs["end"] - jobs["begin"]).median())
    for architecture, group in by_architecture(jobs):
        axes.add_patch(
            _bars(group, group["end"], facecolor=colours[architecture], edgecolor="white", lw=edge)
        )
    started = jobs["begin"] + jobs["overhead_seconds"]
    axes.add_patch(_bars(jobs, started, facecolor="white", edgecolor="none", alpha=0.55))
    for job in rows(jobs):
        length = job.end - job.begin
        if length > 0.045 * jobs["end"].max():
            axes.text(job.begin + length / 2, job.lane, job.width, ha="center", va="center", color="white")


def _bars(jobs: pd.DataFrame, end: pd.Series, **options: Any) -> PathPatch:
    """A bar for each job from its begin to `end`, as one shape."""
    bars = [
        Path([(left, low), (right, low), (right, low + 0.72), (left, low + 0.72), (left, low)], closed=True)
        for left, right, low in zip(jobs["begin"], end, jobs["lane"] - 0.36, strict=True)
    ]
    return PathPatch(Path.make_compound_path(*bars), rasterized=len(jobs) > style.MOST_SHAPES, **options)


def draw(inputs: FigureInputs) -> tuple[Figure, str]:
    """The figure and its title, from the files that it is drawn from."""
    return plot_timeline(inputs.runs)
