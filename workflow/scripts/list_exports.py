"""List exported networks, and those that could not be: the architectures' archives -> exports.csv."""

import argparse
import json
import zipfile
from pathlib import Path

from few_weights.errors import entry_point
from few_weights.files import csv_text, write_atomically

COLUMNS = [
    *("architecture", "target", "width", "seed", "parameters"),
    *("file", "bytes", "test_accuracy", "exported_test_accuracy", "changed_predictions", "problem"),
]


@entry_point
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("archives", nargs="+", type=Path, help="what export_models.py writes")
    parser.add_argument("--table", required=True, type=Path, help="CSV to write: one row per file")
    arguments = parser.parse_args()

    rows = []
    for path in arguments.archives:
        with zipfile.ZipFile(path) as archive:
            rows += json.loads(archive.read("exports.json"))
    content = csv_text(COLUMNS, rows)
    write_atomically(arguments.table, content)
    print(content)


if __name__ == "__main__":
    main()
