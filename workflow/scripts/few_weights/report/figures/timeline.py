"""The figure of a study's training jobs over time."""

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path

from few_weights.report import wording
from few_weights.report.figures import style
from few_weights.report.figures.canvas import new_figure, write_title
from few_weights.report.figures.inputs import FigureInputs

#: Inches that the bars of a timeline may take.
TALLEST = 15.0


def assign_lanes(runs: pd.DataFrame) -> pd.DataFrame:
    """runs.csv with `begin` and `end` (seconds since the first job began) and `lane` for each job.

    A job lasts from its process' start (`overhead_seconds` before training) to its end. Each takes the lowest
    lane that is free, so there are as many lanes as jobs ever ran at once.
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
    for job in jobs.itertuples():
        # Clocks are rounded, so a job may seem to begin a moment before the last one ended.
        free = (lane for lane, end in enumerate(free_from) if end <= job.begin + 0.5)
        lane = next(free, len(free_from))
        free_from[lane:] = [job.end, *free_from[lane + 1 :]]
        lanes.append(lane)
    return jobs.assign(lane=lanes)


def makespan_ratio(jobs: pd.DataFrame) -> float:
    """The time from first to last over the least possible: all work spread evenly, or the longest job."""
    seconds = jobs["end"] - jobs["begin"]
    return jobs["end"].max() / max(seconds.sum() / (jobs["lane"].max() + 1), seconds.max())


def plot_timeline(runs: pd.DataFrame) -> tuple[Figure, str]:
    """One bar a training job, one row for each that ran at the same time; and its message."""
    jobs = assign_lanes(runs)
    colours = style.colours(runs["architecture"])
    lanes = jobs["lane"].max() + 1
    minutes = jobs["end"].max() / 60
    message = f"{wording.plural(len(jobs), 'training job')} in {minutes:.1f} minutes, {lanes} at a time"
    note = (
        f"Longest first, in {makespan_ratio(jobs):.2f} times the least time possible (all work spread "
        f"evenly, or the longest job). Paler: imports, data, building. {runs['device'].iloc[0]} a job."
    )
    with style.figure_style():
        # As many names side by side as have room, and the others below them.
        names = {architecture: wording.short(architecture) for architecture in colours}
        letters = 0.92 * style.WIDTH / 0.093
        columns = min(len(names), max(1, int(letters / (max(map(len, names.values())) + 2))))
        rows = -(-len(names) // columns)
        further = 0.2 * (rows - 1)
        # A cluster may run hundreds at a time.
        height = min(0.5 * lanes, TALLEST) + 1.9 + further
        figure = new_figure(height)
        top = write_title(figure, message, note)
        axes = figure.add_axes((0.05, 0.55 / height, 0.92, top - (0.95 + further) / height))
        for architecture, its_jobs in jobs.groupby("architecture", sort=False):
            colour = colours[architecture]
            axes.add_patch(_bars(its_jobs, its_jobs["end"], color=colour, edgecolor="white", lw=0.8))
        started = jobs["begin"] + jobs["overhead_seconds"]
        axes.add_patch(_bars(jobs, started, color="white", alpha=0.55))
        for job in jobs.itertuples():
            length = job.end - job.begin
            if length > 0.045 * jobs["end"].max():
                axes.text(
                    job.begin + length / 2, job.lane, job.width, ha="center", va="center", color="white"
                )
        for position, (architecture, colour) in enumerate(colours.items()):
            axes.text(
                position % columns / columns,
                1.02,
                names[architecture] + "\n" * (rows - 1 - position // columns),
                transform=axes.transAxes,
                color=colour,
                fontweight="bold",
                va="bottom",
            )
        axes.set(yticks=[], xlabel="seconds since the first job began", xlim=(0, jobs["end"].max()))
        axes.set_ylim(-0.4, lanes - 0.6)
        axes.spines["left"].set_visible(False)
        axes.invert_yaxis()
    return figure, message


def _bars(jobs: pd.DataFrame, end: pd.Series, color: str, edgecolor: str = "none", **style) -> PathPatch:
    """A bar for each job from its begin to `end`, as one shape: hundreds of them would fill the report."""
    bars = [
        Path([(left, low), (right, low), (right, low + 0.72), (left, low + 0.72), (left, low)], closed=True)
        for left, right, low in zip(jobs["begin"], end, jobs["lane"] - 0.36, strict=True)
    ]
    return PathPatch(Path.make_compound_path(*bars), facecolor=color, edgecolor=edgecolor, **style)


def draw(inputs: FigureInputs) -> tuple[Figure, str]:
    """The figure, and its message."""
    return plot_timeline(inputs.runs)
