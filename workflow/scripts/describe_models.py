"""Build each model of a study once and write what it holds and costs, as JSON.

Reads {"dataset": …, "widths": {architecture: [width, …]}} from standard input; writes a list with a record a
model: architecture, width, parameters, multiply_adds (of one image).
"""

import json
import os
import sys

from few_weights.datasets import SHAPES
from few_weights.errors import StudyError, entry_point


@entry_point
def main() -> None:
    request = json.load(sys.stdin)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from few_weights import counting
    from few_weights.architectures import build

    image_shape, classes = SHAPES[request["dataset"]]
    records, problems = [], []
    for architecture, widths in request["widths"].items():
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
    json.dump(records, sys.stdout)


if __name__ == "__main__":
    main()
