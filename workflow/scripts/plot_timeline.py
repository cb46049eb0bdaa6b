"""Draw when each training job of a study ran: runs.csv -> figures/timeline.svg and .png."""

import argparse

from few_weights.analysis import read_tables
from few_weights.errors import entry_point
from few_weights.report.figures.files import write_figure
from few_weights.report.figures.timeline import plot_timeline


@entry_point
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", required=True)
    parser.add_argument("--svg", required=True)
    parser.add_argument("--png", required=True)
    options = parser.parse_args()

    runs = read_tables.read_runs(options.runs)
    write_figure(options.svg, options.png, lambda: plot_timeline(runs))


if __name__ == "__main__":
    main()
