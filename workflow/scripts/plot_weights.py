"""Draws where the weights sit, layer by layer: layers.csv, runs.csv and breakpoints.csv ->
figures/weights-by-layer.svg and .png."""

import argparse

from few_weights import tables
from few_weights.errors import entry_point
from few_weights.figure_files import write_figure
from few_weights.plotting import plot_weights


@entry_point
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--layers", required=True)
    parser.add_argument("--runs", required=True)
    parser.add_argument("--breakpoints", required=True)
    parser.add_argument("--svg", required=True)
    parser.add_argument("--png", required=True)
    options = parser.parse_args()

    layers = tables.read_layers(options.layers)
    runs, breakpoints = tables.read_runs(options.runs), tables.read_breakpoints(options.breakpoints)
    write_figure(options.svg, options.png, lambda: plot_weights(layers, runs, breakpoints))


if __name__ == "__main__":
    main()
