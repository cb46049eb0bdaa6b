"""Dry runs of a study, each without one of its files.

    python dry_runs.py FOLDER-OF-THE-WORKFLOW SNAKEMAKE'S-ARGUMENTS < paths, one per line

Prints the number of jobs of each rule, as JSON, one line per path. Snakemake is imported once, and each dry
run is a fork, which need not import it again.
"""

import json
import os
import re
import sys
import tempfile
from pathlib import Path


def planned_jobs(printed: str) -> dict[str, int]:
    """The number of jobs of each rule, out of what a dry run printed."""
    counts = re.findall(r"^(\w+) +(\d+)$", printed, re.MULTILINE)
    return {rule: int(count) for rule, count in counts if rule not in ("all", "total")}


def dry_run(main, arguments: list[str]) -> str:
    """What a dry run prints, in a fork of this process."""
    with tempfile.TemporaryFile("w+") as output:
        child = os.fork()
        if not child:
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
            sys.argv[1:] = arguments
            status = 1
            try:
                main()
            except SystemExit as end:
                status = end.code or 0
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(status)
        _, status = os.waitpid(child, 0)
        output.seek(0)
        printed = output.read()
    if status:
        sys.exit(printed)
    return printed


def without(path: Path, main, arguments: list[str]) -> dict[str, int]:
    hidden = path.with_name(f"{path.name}.hidden")
    path.rename(hidden)
    try:
        return planned_jobs(dry_run(main, arguments))
    finally:
        hidden.rename(path)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(sys.argv[1], "workflow", "scripts")))
    # What each dry run would import.
    import snakemake_executor_plugin_slurm  # noqa: F401
    from snakemake.cli import main

    import few_weights.plan.study_file.resolve  # noqa: F401

    for line in sys.stdin:
        print(json.dumps(without(Path(line.rstrip("\n")), main, ["--dry-run", *sys.argv[2:]])), flush=True)
