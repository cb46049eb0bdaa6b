"""What went wrong in a study, in a few lines a job: read from Snakemake's log and the logs of the jobs."""

import re
from pathlib import Path

#: Characters of a reason; the log has the rest.
LONGEST = 2000

#: A job in Snakemake's log; indented, one of several that share a cluster's submission.
FAILED = re.compile(r"^ *Error in rule (\S+):$.*?^ *log: (\S+) ", re.MULTILINE | re.DOTALL)


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
    """A job's error as its log has it, mostly one line; for a crash in Python the exception."""
    text = log.read_text(errors="replace").strip() if log.exists() else ""
    if not text:
        return "it wrote no log: it was killed, for want of memory perhaps, or never started"
    # An error of ours ends the log, and may list several causes.
    _, told, error = f"\n{text}".rpartition("\nerror: ")
    why = error if told else text.splitlines()[-1]
    return why if len(why) <= LONGEST else why[: LONGEST - 1] + "…"
