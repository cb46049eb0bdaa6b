"""What went wrong in a study, in two lines a job: read from Snakemake's log and the logs of the jobs."""

import re
from pathlib import Path

FAILED = re.compile(r"^Error in rule (\S+):$.*?^    log: (\S+) ", re.MULTILINE | re.DOTALL)


def failed_jobs(snakemake_log: str) -> list[tuple[str, str, str]]:
    """Each failed job's name, the reason in a line, and the path of its log, in the order of their failures.

    A job that was tried again and failed again is named once.
    """
    paths = {path: rule for rule, path in FAILED.findall(snakemake_log)}
    named = [(job_name(rule, path), path) for path, rule in paths.items()]
    # A training job's errors begin with its name.
    return [(name, reason(Path(path)).removeprefix(f"{name}: "), path) for name, path in named]


def job_name(rule: str, log: str) -> str:
    """A training job by its architecture, width and seed, any other by its rule."""
    run = re.search(r"runs/([^/]+)/width-(\d+)/seed-(\d+)/", log)
    return "{} width {} seed {}".format(*run.groups()) if run else rule


def reason(log: Path) -> str:
    """A job's error as its log has it, else the last line, which for a crash in Python is the exception."""
    lines = (
        [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
        if log.exists()
        else []
    )
    if not lines:
        return "it wrote no log: it was killed, for want of memory perhaps, or never started"
    errors = [line for line in lines if line.startswith("error: ")]
    last = (errors or lines)[-1].removeprefix("error: ")
    return last if len(last) <= 300 else last[:299] + "…"
