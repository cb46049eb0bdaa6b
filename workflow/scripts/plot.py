"""Draw one figure of a study, as SVG and PNG, from the study's tables.

By hand, from the root of the repository:

    .venv/bin/python workflow/scripts/plot.py comparison results/article/runs.csv \\
        results/article/breakpoints.csv --svg comparison.svg --png comparison.png

Each figure is a module of few_weights/report/figures with a function `draw`.
"""

import argparse
import importlib
from pathlib import Path
from types import ModuleType

from few_weights.errors import entry_point
from few_weights.plan.outputs import FIGURES
from few_weights.report.figures.files import write_figure
from few_weights.report.figures.inputs import FigureInputs


@entry_point
def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("figure", choices=FIGURES)
    parser.add_argument("tables", nargs="*", type=Path, help="the tables that it is drawn from, <name>.csv")
    parser.add_argument("--architecture", default="", help="the one that a curve is of")
    parser.add_argument("--published-for", default="", help="data set whose records to draw, if any")
    parser.add_argument("--data", type=Path, default=Path(), help="the data set's .npz")
    parser.add_argument("--dataset", default="", help="its name")
    parser.add_argument("--data-sha256", default="", help="that of a user's own data, to be compared")
    parser.add_argument(
        "--validation-examples", type=int, default=0, help="how many of the last training images are held out"
    )
    parser.add_argument("--svg", required=True, type=Path, help="SVG to write")
    parser.add_argument("--png", required=True, type=Path, help="PNG to write")
    options = parser.parse_args()

    inputs = FigureInputs(
        tables={path.stem: path for path in options.tables},
        architecture=options.architecture,
        published_for=options.published_for,
        data=options.data,
        dataset=options.dataset,
        data_sha256=options.data_sha256,
        validation_examples=options.validation_examples,
    )
    write_figure(options.svg, options.png, lambda: module_of(options.figure).draw(inputs))


def module_of(figure: str) -> ModuleType:
    """The module that draws a figure."""
    return importlib.import_module(f"few_weights.report.figures.{figure.replace('-', '_')}")


if __name__ == "__main__":
    main()
