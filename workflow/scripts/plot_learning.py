"""Draws how the networks around each breakpoint learned: history.csv, runs.csv and breakpoints.csv ->
figures/learning.svg and .png."""

import argparse

from few_weights.analysis import read_tables
from few_weights.errors import entry_point
from few_weights.report.figures.files import write_figure
from few_weights.report.figures.learning import plot_learning


@entry_point
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--history", required=True)
    parser.add_argument("--runs", required=True)
    parser.add_argument("--breakpoints", required=True)
    parser.add_argument("--svg", required=True)
    parser.add_argument("--png", required=True)
    options = parser.parse_args()

    history = read_tables.read_history(options.history)
    runs, breakpoints = read_tables.read_runs(options.runs), read_tables.read_breakpoints(options.breakpoints)
    write_figure(options.svg, options.png, lambda: plot_learning(history, runs, breakpoints))


if __name__ == "__main__":
    main()
