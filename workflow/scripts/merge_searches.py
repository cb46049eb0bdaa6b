"""Merge the rounds of all searches into one table: round-*.json -> search.csv."""

import argparse
import json
from pathlib import Path

from few_weights.analysis.rows import rows
from few_weights.analysis.search import Round, search_table
from few_weights.errors import StudyError, entry_point
from few_weights.files import write_atomically
from few_weights.plan.arguments import read_json


@entry_point
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--rounds",
        required=True,
        type=read_json,
        help="file with a JSON list of files that search_widths.py wrote",
    )
    parser.add_argument("--output", required=True, type=Path, help="CSV to write")
    arguments = parser.parse_args()

    table = search_table(_read(Path(path)) for path in arguments.rounds)
    write_atomically(arguments.output, table.to_csv(index=False, lineterminator="\n"))
    last = table.drop_duplicates(["architecture", "target"], keep="last")
    for row in rows(last):
        print(f"{row.architecture}: {row.message}")


def _read(path: Path) -> Round:
    try:
        judged: Round = json.loads(path.read_bytes())
        search_table([judged])
    except (ValueError, KeyError, TypeError, AttributeError):
        raise StudyError(
            f"{path} is not a complete round of a search; delete it and start again, and it is made again"
        ) from None
    return judged


if __name__ == "__main__":
    main()
