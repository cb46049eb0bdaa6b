"""Draws where the weights sit, layer by layer: layers.csv, runs.csv and breakpoints.csv ->
figures/weights-by-layer.svg and .png."""

import argparse

from few_weights.analysis import read_tables
from few_weights.errors import entry_point
from few_weights.report.figures.files import write_figure
from few_weights.report.figures.weights_by_layer import plot_weights


@entry_point
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--layers", required=True)
    parser.add_argument("--runs", required=True)
    parser.add_argument("--breakpoints", required=True)
    parser.add_argument("--svg", required=True)
    parser.add_argument("--png", required=True)
    options = parser.parse_args()

    layers = read_tables.read_layers(options.layers)
    runs, breakpoints = read_tables.read_runs(options.runs), read_tables.read_breakpoints(options.breakpoints)
    write_figure(options.svg, options.png, lambda: plot_weights(layers, runs, breakpoints))


if __name__ == "__main__":
    main()
