"""Which jobs of a study failed and why, in a few lines each, from Snakemake's events and the jobs' logs."""

import logging
import re
import shutil
import signal
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from snakemake_interface_logger_plugins.common import LogEvent

#: The most characters of a reason; the log has the rest.
LONGEST = 2000

#: A file system with fewer free bytes than this counts as full.
FULL = 65_536

#: A finished epoch in the log of a training: "epoch   3/12  train loss …".
EPOCH = re.compile(r"^epoch +(\d+)/(\d+) ", re.MULTILINE)

#: The first line of a training in its log.
BEGUN = re.compile(r"^.* parameters; ", re.MULTILINE)

#: How Python reports that a command ended: by a signal, or with an exit status. A status above 128 is how a
#: shell reports a signal.
BY_SIGNAL = re.compile(r"died with <Signals\.\w+: (\d+)>")

BY_STATUS = re.compile(r"returned non-zero exit status (\d+)")

#: A scheduler's name for how a job ended, as the executor plugin for Slurm passes it on.
BY_SCHEDULER = re.compile(r"status is: '?(\w+)'?")


@dataclass(frozen=True)
class Failure:
    """A job that failed.

    Args:
        name: a training by its architecture, width and seed, any other job by its rule.
        reason: why it failed.
        log: the path of its log; empty if it has none.
        training: whether it is a training.
    """

    name: str
    reason: str
    log: str
    training: bool


class Failures(logging.Handler):
    """Listens to Snakemake's events and collects the jobs that failed, unless a later attempt succeeded."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self._failed: dict[int, Failure] = {}
        # Snakemake reports how a command ended just before the job's own error, from the same thread.
        self._endings = threading.local()

    def emit(self, record: logging.LogRecord) -> None:
        try:
            event = vars(record)
            kind = event.get("event")
            if kind is LogEvent.ERROR:
                self._endings.text = record.getMessage()
            elif kind is LogEvent.JOB_ERROR:
                ending, self._endings.text = getattr(self._endings, "text", ""), ""
                self._add(event, f"{ending}\n{event['rule_msg'] or ''}")
            elif kind is LogEvent.JOB_FINISHED:
                self._failed.pop(event["job_id"], None)
        except Exception:  # a study must not end because a failure cannot be explained
            self.handleError(record)

    def _add(self, event: Mapping[str, Any], ending: str) -> None:
        # Snakemake may append a remark to the path of the log.
        path = next((part for entry in event["log"] for part in str(entry).split()[:1]), "")
        name = job_name(event["rule_name"], path)
        log = Path(path) if path else None
        # Snakemake reports all jobs of a cluster submission as failed when one of them has failed.
        if not (event["indent"] and log and (not log.exists() or has_finished(log))):
            why = reason(log, ending).removeprefix(f"{name}: ")
            training = event["rule_name"].endswith("train_model")
            self._failed[event["jobid"]] = Failure(name, why, path, training)

    @property
    def failed(self) -> list[Failure]:
        """The failures, in the order in which they happened."""
        return list(self._failed.values())


def job_name(rule: str, log: str) -> str:
    """The name of a job for messages: of a training its architecture, width and seed, else its rule."""
    run = re.search(r"runs/([^/]+)/width-(\d+)/seed-(\d+)/", log)
    return "{} width {} seed {}".format(*run.groups()) if run else rule


def has_finished(log: Path) -> bool:
    """Whether a training wrote all its results, which the last line of its log says."""
    return read_log(log).rstrip().rpartition("\n")[2].startswith("finished: ")


def reason(log: Path | None, ending: str) -> str:
    """Why a job failed, usually in one line: its own error message, or else how its process ended.

    Args:
        log: the job's log; None if it has none.
        ending: what Snakemake or the scheduler of a cluster reported about the process.
    """
    text = read_log(log).strip() if log else ""
    _, marker, error = f"\n{text}".rpartition("\nerror: ")
    if marker:
        return error if len(error) <= LONGEST else error[: LONGEST - 1] + "…"
    signal_number = _signal_of(ending)
    if log and signal_number is None and (free := _free_bytes(log)) < FULL:
        return f"the disk is full: {free:,} bytes are free in {log.parent}; make space and start again"
    if "\nTraceback (most recent call last):" in f"\n{text}":
        return text.splitlines()[-1][:LONGEST]
    when = _progress_of(text)
    if signal_number is not None:
        guess = " (out of memory?)" if signal_number == signal.SIGKILL else ""
        return f"killed by signal {signal_number}{guess}{when}"
    if scheduler := BY_SCHEDULER.search(ending):
        return f"ended by the cluster ({scheduler[1]}){when}"
    if status := BY_STATUS.search(ending):
        last = text.rpartition("\n")[2]
        message = f": {last[:LONGEST]}" if last and not EPOCH.match(last) else " and no error message"
        return f"ended with status {status[1]}{message}{when}"
    return f"ended without an error message: killed, or never started{when}"


def epochs_done(log: Path) -> int:
    """The number of finished epochs of a training, from its log."""
    *_, (done, _) = [("0", ""), *EPOCH.findall(read_log(log, last_bytes=1000))]
    return int(done)


def read_log(log: Path, last_bytes: int | None = None) -> str:
    """The text of a log, or of its last bytes; empty if the log does not exist yet."""
    try:
        with log.open("rb") as file:
            if last_bytes:
                file.seek(max(0, log.stat().st_size - last_bytes))
            return file.read().decode(errors="replace")
    except OSError:
        return ""


def _signal_of(ending: str) -> int | None:
    if match := BY_SIGNAL.search(ending):
        return int(match[1])
    match = BY_STATUS.search(ending)
    return int(match[1]) - 128 if match and 128 < int(match[1]) < 128 + 65 else None


def _free_bytes(log: Path) -> int:
    """Free bytes on the file system of a log, whose folder need not exist yet."""
    return shutil.disk_usage(next(folder for folder in log.absolute().parents if folder.exists())).free


def _progress_of(text: str) -> str:
    """A phrase such as ` in epoch 3 of 12` from a training's log; empty if no training had begun."""
    *_, last = [None, *EPOCH.findall(text)]
    if not last:
        return " in epoch 1" if BEGUN.search(text) else ""
    done, epochs = map(int, last)
    return f" in epoch {done + 1} of {epochs}" if done < epochs else f" after its {epochs} epochs"
