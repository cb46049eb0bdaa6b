"""Shows the smallest sufficient network: predictions.npz and weights.npz of one run -> figures/mistakes and
figures/first-layer, each .svg and .png."""

import argparse
from pathlib import Path

from few_weights.analysis import read_tables
from few_weights.data.datasets import KNOWN, load_dataset
from few_weights.errors import entry_point
from few_weights.report.figures import first_layer, mistakes, smallest_network
from few_weights.report.figures.files import write_figure
from few_weights.training.run_files import read_run_arrays


@entry_point
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", required=True, help="runs.csv")
    parser.add_argument("--breakpoints", required=True, help="breakpoints.csv")
    parser.add_argument("--layers", required=True, help="layers.csv")
    parser.add_argument("--folder", required=True, type=Path, help="the study's folder, where runs/ lies")
    parser.add_argument("--dataset", required=True, help="name of the data set")
    parser.add_argument("--data", required=True, type=Path, help="its .npz")
    parser.add_argument("--mistakes", required=True, nargs=2, help=".svg and .png to write")
    parser.add_argument("--first-layer", required=True, nargs=2, help=".svg and .png to write")
    options = parser.parse_args()

    runs = read_tables.read_runs(options.runs)
    chosen = smallest_network.choose_network(runs, read_tables.read_breakpoints(options.breakpoints))
    dataset = load_dataset(options.data, options.dataset)
    run = chosen.run
    row = runs.set_index(["architecture", "width", "seed"]).loc[(run.architecture, run.width, run.seed)]
    predictions_file, weights_file = run.predictions_path(options.folder), run.weights_path(options.folder)
    predictions = read_run_arrays(predictions_file, run, row.get("predictions_sha256"))["test"]
    weights = read_run_arrays(weights_file, run, row.get("weights_sha256"))
    layers = read_tables.read_layers(options.layers)
    shape = first_layer.shape_before_weights(layers, chosen.run, dataset.image_shape)
    types = first_layer.layer_types(layers, chosen.run)
    # Those that we know are light strokes or shapes on black, which read better dark on white.
    ink = options.dataset in KNOWN
    write_figure(
        *options.mistakes,
        lambda: mistakes.plot_mistakes(chosen, dataset.x_test, dataset.y_test, predictions, ink),
    )
    write_figure(*options.first_layer, lambda: first_layer.plot_first_layer(chosen, weights, shape, types))
    print(f"shown: {chosen.run}")


if __name__ == "__main__":
    main()
