"""Draws one architecture's curve: runs.csv and breakpoints.csv -> curve-<architecture>.svg and .png."""

import argparse

from few_weights.analysis import read_tables
from few_weights.errors import entry_point
from few_weights.report.figures.curve import plot_curve
from few_weights.report.figures.files import write_figure


@entry_point
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", required=True)
    parser.add_argument("--breakpoints", required=True)
    parser.add_argument("--architecture", required=True)
    parser.add_argument("--svg", required=True)
    parser.add_argument("--png", required=True)
    options = parser.parse_args()

    runs, breakpoints = read_tables.read_runs(options.runs), read_tables.read_breakpoints(options.breakpoints)
    write_figure(options.svg, options.png, lambda: plot_curve(runs, breakpoints, options.architecture))


if __name__ == "__main__":
    main()
