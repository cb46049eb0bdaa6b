"""Build models once, untrained, check them, and write what each holds and costs, as JSON.

The output is a list with a record a model: architecture, width, parameters, multiply_adds (of one image).
"""

import argparse
import json
import os
from pathlib import Path

from few_weights.errors import StudyError, entry_point
from few_weights.files import write_atomically


@entry_point
def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--models",
        required=True,
        type=json.loads,
        help="JSON: image_shape, classes, and networks by name, each "
        '{"network": …, "widths": […], "full_matrix": [the widths whose optimizer takes few parameters]}',
    )
    parser.add_argument("--output", required=True, type=Path, help="the JSON to write")
    arguments = parser.parse_args()

    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from few_weights import counting
    from few_weights.networks import build_network, check_network
    from few_weights.optimizers import require_few

    request = arguments.models
    image_shape, classes = tuple(request["image_shape"]), request["classes"]
    records, problems = [], []
    for name, wanted in request["networks"].items():
        try:
            for width in wanted["widths"]:
                model = build_network(name, wanted["network"], width, image_shape, classes)
                check_network(name, width, model)
                parameters = counting.trainable_parameters(model)
                if width in wanted["full_matrix"]:
                    require_few(f"{name} of width {width}", parameters)
                records.append(
                    {
                        "architecture": name,
                        "width": width,
                        "parameters": parameters,
                        "multiply_adds": counting.multiply_adds(model),
                    }
                )
        except StudyError as error:
            # What is wrong at one width is mostly wrong at all, and said once.
            problems.append(str(error))
    if problems:
        raise StudyError("\n".join(problems))
    write_atomically(arguments.output, json.dumps(records, indent=1) + "\n")
    for name in request["networks"]:
        counts = ", ".join(
            f"{record['parameters']:,} at width {record['width']}"
            for record in sorted(records, key=lambda record: record["width"])
            if record["architecture"] == name
        )
        print(f"Parameters of {name}: {counts}")


if __name__ == "__main__":
    main()
