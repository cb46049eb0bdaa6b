"""The figure of one architecture's intervals: how they narrow as seeds are added, until they decide."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from few_weights.analysis.rows import rows
from few_weights.analysis.seeds import with_selection
from few_weights.report import wording
from few_weights.report.certainty_text import has_range, range_of
from few_weights.report.figures import style
from few_weights.report.figures.accuracy_axes import on_images, scale_accuracy_axis
from few_weights.report.figures.inputs import FigureInputs
from few_weights.report.figures.layout import fit_names, new_figure, write_title

#: Panels in a row, the most panels, and the height of a panel in inches.
COLUMNS, MOST_PANELS, PANEL_HEIGHT = 3, 6, 2.0


def plot_certainty(
    certainty: pd.DataFrame, runs: pd.DataFrame, breakpoints: pd.DataFrame, architecture: str
) -> tuple[Figure, str]:
    """Each deciding width's mean and interval by its number of seeds, one panel per width; and the title.

    Args:
        certainty: certainty.csv.
        runs: runs.csv.
        breakpoints: breakpoints.csv.
        architecture: the one to draw.
    """
    colour = style.colours(runs["architecture"])[architecture]
    runs = with_selection(runs)
    of_architecture = certainty[certainty["architecture"] == architecture]
    answers = breakpoints[breakpoints["architecture"] == architecture]
    targets = sorted(answers["target"].unique())
    widths = deciding_widths(of_architecture, answers.iloc[0]) if len(of_architecture) else []
    chosen = of_architecture[of_architecture["width"].isin(widths)]
    title = certainty_title(architecture, answers)

    with style.figure_style():
        if not widths:
            figure = new_figure(1.4)
            write_title(figure, title, "The runs of its first round are not all here.")
            return figure, title
        columns = min(COLUMNS, len(widths))
        panels = -(-len(widths) // columns)
        figure = new_figure(panels * PANEL_HEIGHT + 1.4)
        top = write_title(figure, title, certainty_note(runs, answers))
        inch = 1 / figure.get_figheight()
        height, width = (top - 0.5 * inch) / panels, 0.87 / columns
        last = chosen.drop_duplicates(["width", "target"], keep="last")
        # Intervals of few seeds may go from 0 to 1: they are cut off.
        accuracies = [*chosen["mean"], *last["low"], *last["high"], *targets]
        for number, of_panel in enumerate(widths):
            row, column = divmod(number, columns)
            bottom = top - (row + 1) * height + 0.2 * inch
            axes = figure.add_axes((0.12 + column * width, bottom, width - 0.03, height - 0.5 * inch))
            scale_accuracy_axis(axes, accuracies, targets, runs, most_labels=7)
            draw_panel(axes, chosen[chosen["width"] == of_panel], targets, colour)
            axes.set_xlim(0, chosen["seeds"].max() * 1.04)
            if column:
                axes.set_yticklabels([])
            else:
                fit_names(axes, margin=0.01)
            if number + columns >= len(widths):
                axes.set_xlabel("seeds", fontsize=style.SMALL_SIZE)
    return figure, title


def deciding_widths(certainty: pd.DataFrame, answer: pd.Series) -> list[int]:
    """The widths to draw: those that got most seeds, which are those that were hardest to decide.

    Args:
        certainty: the architecture's rows of certainty.csv.
        answer: its row of breakpoints.csv for the first target.
    """
    last = certainty.drop_duplicates("width", keep="last").set_index("width")["seeds"]
    ends = [answer["range_low_width"], answer["range_high_width"]]
    first = [width for width in dict.fromkeys(ends) if pd.notna(width)]
    by_seeds = [*first, *last.drop(first).sort_values(ascending=False, kind="stable").index]
    added = [width for width in by_seeds if width in first or last[width] > last.min()]
    return sorted((added or by_seeds)[:MOST_PANELS])


def draw_panel(axes: Axes, of_width: pd.DataFrame, targets: list[float], colour: str) -> None:
    """Draw one width: its mean and interval after each round that added seeds to it."""
    rounds = of_width.drop_duplicates("seeds")
    axes.fill_between(
        rounds["seeds"], rounds["low"], rounds["high"], color=colour, alpha=0.2, linewidth=0, label="interval"
    )
    axes.vlines(rounds["seeds"], rounds["low"], rounds["high"], color=colour, linewidth=0.8, alpha=0.6)
    axes.plot(
        rounds["seeds"], rounds["mean"], color=colour, linewidth=1.8, marker="o", markersize=3, label="mean"
    )
    for target in targets:
        axes.axhline(target, color=style.INK, linewidth=0.9, linestyle=(0, (4, 3)), zorder=1)
    last = of_width.drop_duplicates("target", keep="last")
    nearest = last.iloc[int((last["target"] - last["mean"]).abs().argmin())]
    axes.set_title(
        f"width {nearest['width']}: {nearest['verdict']}",
        loc="left",
        fontsize=style.TEXT_SIZE,
        fontweight="bold",
        color=style.MUTED if nearest["verdict"] == "open" else style.INK,
    )
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=4, min_n_ticks=1))


def certainty_title(architecture: str, answers: pd.DataFrame) -> str:
    """The title: what is certain of the first target."""
    first = answers.iloc[:1]
    row = next(rows(first))
    target = wording.percent(row.target)
    if pd.isna(row.range_low_width):
        return f"{architecture}: certainly no width tried reaches {target}"
    verb = "may be the smallest for" if has_range(first) else "is certainly the smallest tried for"
    return f"{architecture}: width {range_of(row, 'width')} {verb} {target}"


def certainty_note(runs: pd.DataFrame, answers: pd.DataFrame) -> str:
    """The note below the title: what lines and bands show."""
    targets = " and ".join(wording.percent(target) for target in sorted(answers["target"].unique()))
    guard = wording.count(answers["guard_seeds"].iloc[0])
    return (
        f"Line: mean accuracy over seeds {on_images(runs)}. Band: its interval, which may be looked at after "
        f"every seed. Dashed: the target, {targets}. A width reaches it only with {guard} seeds or more."
    )


def draw(inputs: FigureInputs) -> tuple[Figure, str]:
    """The figure and its title, from the files that it is drawn from."""
    return plot_certainty(inputs.certainty, inputs.runs, inputs.breakpoints, inputs.architecture)
