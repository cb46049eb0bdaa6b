"""Merge the rounds of all searches into one table of the paths they took: round-*.json -> search.csv."""

import argparse
import json
from pathlib import Path

from few_weights.analysis.search import search_table
from few_weights.errors import StudyError, entry_point
from few_weights.files import write_atomically


@entry_point
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", required=True, type=Path, nargs="+", help="what search_widths.py wrote")
    parser.add_argument("--output", required=True, type=Path, help="CSV to write")
    arguments = parser.parse_args()

    table = search_table(map(_read, arguments.rounds))
    write_atomically(arguments.output, table.to_csv(index=False, lineterminator="\n"))
    last = table.drop_duplicates(["architecture", "target"], keep="last")
    for row in last.itertuples():
        print(f"{row.architecture}: {row.message}")


def _read(path: Path) -> dict:
    try:
        found = json.loads(path.read_bytes())
        search_table([found])
    except (ValueError, KeyError, TypeError, AttributeError):
        raise StudyError(
            f"{path} is not a complete round of a search; delete it and start again, it is made again"
        ) from None
    return found


if __name__ == "__main__":
    main()
