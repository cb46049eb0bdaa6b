"""Take one exported network out of its architecture's archive."""

import argparse
import zipfile
from pathlib import Path

from few_weights.errors import StudyError, entry_point
from few_weights.files import write_atomically


@entry_point
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--archive", required=True, type=Path, help="what export_models.py writes")
    parser.add_argument("--output", required=True, type=Path, help="the network to write, of the same name")
    arguments = parser.parse_args()

    with zipfile.ZipFile(arguments.archive) as archive:
        if arguments.output.name not in archive.namelist():
            raise StudyError(f"{arguments.output.name} was not exported; exports.csv says why")
        write_atomically(arguments.output, archive.read(arguments.output.name))


if __name__ == "__main__":
    main()
