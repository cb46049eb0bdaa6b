"""Build models once, untrained, and write what each holds and costs, as JSON.

The output is a list with a record a model: architecture, width, parameters, multiply_adds (of one image).
"""

import argparse
import json
import os
from pathlib import Path

from few_weights.datasets import SHAPES
from few_weights.errors import StudyError, entry_point
from few_weights.files import write_atomically


@entry_point
def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dataset", required=True, help="name of the data set, for the shape of its images")
    parser.add_argument(
        "--widths", required=True, type=json.loads, help="JSON: architecture -> list of widths"
    )
    parser.add_argument("--output", required=True, type=Path, help="the JSON to write")
    arguments = parser.parse_args()

    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from few_weights import counting
    from few_weights.architectures import build

    image_shape, classes = SHAPES[arguments.dataset]
    records, problems = [], []
    for architecture, widths in arguments.widths.items():
        for width in widths:
            try:
                model = build(architecture, width, image_shape, classes)
            except StudyError as error:
                problems.append(str(error))
                continue
            records.append(
                {
                    "architecture": architecture,
                    "width": width,
                    "parameters": counting.trainable_parameters(model),
                    "multiply_adds": counting.multiply_adds(model),
                }
            )
    if problems:
        raise StudyError("\n".join(problems))
    write_atomically(arguments.output, json.dumps(records, indent=1) + "\n")


if __name__ == "__main__":
    main()
