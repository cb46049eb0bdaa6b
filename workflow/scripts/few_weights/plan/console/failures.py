"""Which jobs of a study failed and why, in a few lines each: from Snakemake's events and the jobs' logs."""

import logging
import re
import shutil
import signal
import threading
from dataclasses import dataclass
from pathlib import Path

from snakemake_interface_logger_plugins.common import LogEvent

#: Characters of a reason; the log has the rest.
LONGEST = 2000


#: Bytes that a file system has left when it counts as full.
FULL = 65_536


#: How far a training has come, in its log: "epoch   3/12  train loss …".
EPOCH = re.compile(r"^epoch +(\d+)/(\d+) ", re.MULTILINE)


#: The line that a training begins with.
BEGUN = re.compile(r"^.* parameters; ", re.MULTILINE)


#: How Python reports that a command ended: by a signal, or with a status (128 and more: a shell's word for
#: a signal).
BY_SIGNAL = re.compile(r"died with <Signals\.\w+: (\d+)>")


BY_STATUS = re.compile(r"returned non-zero exit status (\d+)")


#: A scheduler's own word for what became of a job, as the executor for Slurm passes it on.
BY_SCHEDULER = re.compile(r"status is: '?(\w+)'?")


@dataclass(frozen=True)
class Failure:
    """A job that failed: its name, why, and the path of its log ("" where it has none)."""

    name: str
    reason: str
    log: str
    training: bool


class Failures(logging.Handler):
    """Listens to Snakemake's events and keeps the jobs that failed and did not succeed at a later try."""

    def __init__(self):
        super().__init__(logging.INFO)
        self._failed: dict[int, Failure] = {}
        # Snakemake reports how a command ended just before the job's own error, from the same thread.
        self._endings = threading.local()

    def emit(self, record: logging.LogRecord) -> None:
        try:
            event = getattr(record, "event", None)
            if event is LogEvent.ERROR:
                self._endings.text = record.getMessage()
            elif event is LogEvent.JOB_ERROR:
                ending, self._endings.text = getattr(self._endings, "text", ""), ""
                self._note(record, f"{ending}\n{record.rule_msg or ''}")
            elif event is LogEvent.JOB_FINISHED:
                self._failed.pop(record.job_id, None)
        except Exception:  # a study must not end because a failure cannot be explained
            self.handleError(record)

    def _note(self, record: logging.LogRecord, ending: str) -> None:
        path = next((word for entry in record.log for word in str(entry).split()[:1]), "")
        name = job_name(record.rule_name, path)
        log = Path(path) if path else None
        # A member of a cluster's submission counts as failed when another member is.
        if not (record.indent and log and (not log.exists() or has_finished(log))):
            why = reason(log, ending).removeprefix(f"{name}: ")
            training = record.rule_name.endswith("train_model")
            self._failed[record.jobid] = Failure(name, why, path, training)

    @property
    def failed(self) -> list[Failure]:
        """In the order in which they failed."""
        return list(self._failed.values())


def job_name(rule: str, log: str) -> str:
    """A training by its architecture, width and seed, any other job by its rule."""
    run = re.search(r"runs/([^/]+)/width-(\d+)/seed-(\d+)/", log)
    return "{} width {} seed {}".format(*run.groups()) if run else rule


def has_finished(log: Path) -> bool:
    """Whether a training wrote all its results, by its log: the last line says so."""
    return read_log(log).rstrip().rpartition("\n")[2].startswith("finished: ")


def reason(log: Path | None, ending: str) -> str:
    """Why a job failed, mostly one line: its own error message, else how its process ended.

    Args:
        log: the job's log; None where it has none.
        ending: what Snakemake, or the scheduler of a cluster, says of the process.
    """
    text = read_log(log).strip() if log else ""
    _, ours, error = f"\n{text}".rpartition("\nerror: ")
    if ours:
        return error if len(error) <= LONGEST else error[: LONGEST - 1] + "…"
    signal_number = _signal_of(ending)
    if log and signal_number is None and (free := _free_bytes(log)) < FULL:
        return (
            f"the disk is full: {free:,} bytes are left where {log.parent} lies; make space and start again"
        )
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
        said = f": {last[:LONGEST]}" if last and not EPOCH.match(last) else " and no error message"
        return f"ended with status {status[1]}{said}{when}"
    return f"ended without an error message: killed, or never started{when}"


def epochs_done(log: Path) -> int:
    """How many epochs a training has behind it, by its log."""
    *_, (done, _) = [("0", ""), *EPOCH.findall(read_log(log, last_bytes=1000))]
    return int(done)


def read_log(log: Path, last_bytes: int | None = None) -> str:
    """A log's text, or its end; empty where there is none yet."""
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
    """What is left where a log lies, or would lie: its folder may not have been made."""
    return shutil.disk_usage(next(folder for folder in log.absolute().parents if folder.exists())).free


def _progress_of(text: str) -> str:
    """Words such as `in epoch 3 of 12` from a training's log; none where no training had begun."""
    *_, last = [None, *EPOCH.findall(text)]
    if not last:
        return " in epoch 1" if BEGUN.search(text) else ""
    done, epochs = map(int, last)
    return f" in epoch {done + 1} of {epochs}" if done < epochs else f" after its {epochs} epochs"
