"""Draw some images of each class of a data set, and how many there are: .npz -> figures/data.svg and .png."""

import argparse
from pathlib import Path

from few_weights.data.datasets import load_dataset, summarise
from few_weights.errors import entry_point
from few_weights.report.figures.dataset import plot_data
from few_weights.report.figures.files import write_figure


@entry_point
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, type=Path, help="its .npz, as fetch_data.py writes it")
    parser.add_argument("--dataset", required=True, help="name of the data set")
    parser.add_argument("--data-sha256", default="", help="that of a user's own data, to be compared")
    parser.add_argument(
        "--validation-examples", type=int, default=0, help="how many of the last training images are held out"
    )
    parser.add_argument("--svg", required=True)
    parser.add_argument("--png", required=True)
    options = parser.parse_args()

    dataset = load_dataset(options.data, options.dataset, options.validation_examples, options.data_sha256)
    write_figure(options.svg, options.png, lambda: plot_data(options.dataset, dataset, summarise(dataset)))


if __name__ == "__main__":
    main()
