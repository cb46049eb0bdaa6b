"""Draws all architectures in one picture: runs.csv and breakpoints.csv -> figures/comparison.svg and .png."""

import argparse

from few_weights.analysis import read_tables
from few_weights.analysis.published import RECORDS
from few_weights.errors import entry_point
from few_weights.report.figures.comparison import plot_comparison
from few_weights.report.figures.files import write_figure


@entry_point
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", required=True)
    parser.add_argument("--breakpoints", required=True)
    parser.add_argument("--published-for", default="", help="dataset whose published records to draw, if any")
    parser.add_argument("--svg", required=True)
    parser.add_argument("--png", required=True)
    options = parser.parse_args()

    runs, breakpoints = read_tables.read_runs(options.runs), read_tables.read_breakpoints(options.breakpoints)
    records = RECORDS.get(options.published_for, ())
    write_figure(options.svg, options.png, lambda: plot_comparison(runs, breakpoints, records))


if __name__ == "__main__":
    main()
