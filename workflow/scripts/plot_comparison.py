"""Draws all architectures in one picture: runs.csv and breakpoints.csv -> figures/comparison.svg and .png."""

import argparse

from few_weights import tables
from few_weights.errors import entry_point
from few_weights.files import write_atomically
from few_weights.plotting import plot_comparison
from few_weights.records import RECORDS
from few_weights.style import figure_bytes


@entry_point
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", required=True)
    parser.add_argument("--breakpoints", required=True)
    parser.add_argument("--published-for", default="", help="dataset whose published records to draw, if any")
    parser.add_argument("--svg", required=True)
    parser.add_argument("--png", required=True)
    options = parser.parse_args()

    figure, message = plot_comparison(
        tables.read_runs(options.runs),
        tables.read_breakpoints(options.breakpoints),
        RECORDS.get(options.published_for, ()),
    )
    write_atomically(options.svg, figure_bytes(figure, "svg", message))
    write_atomically(options.png, figure_bytes(figure, "png", message))


if __name__ == "__main__":
    main()
