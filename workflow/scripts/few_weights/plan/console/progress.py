"""Progress of a study: which runs are training, at which epoch, and about how long the rest takes."""

import logging
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from snakemake_interface_logger_plugins.common import LogEvent

from few_weights.plan.console.failures import epochs_done, read_log
from few_weights.plan.runs import Run

#: Seconds after the start of the first training at which progress is printed; then every `INTERVAL` seconds.
FIRST_LINES = (8.0, 30.0)
INTERVAL = 30.0

#: The most running trainings that are listed.
MOST_LISTED = 3


@dataclass(frozen=True)
class Training:
    """A training job of the plan.

    Args:
        jobid: Snakemake's id of the job.
        run: what it trains.
        epochs: passes over the training images.
        seconds: a rough estimate of its duration on one core, from layer shapes; as soon as some epochs are
            done, only the ratios between trainings matter.
        log: the log that it writes its epochs to.
        done: whether it is finished or need not run.
    """

    jobid: int
    run: Run
    epochs: int
    seconds: float
    log: Path
    done: bool

    @property
    def name(self) -> str:
        """What messages call it."""
        return str(self.run)

    @property
    def architecture(self) -> str:
        """The section of the study."""
        return self.run.architecture


class ProgressReporter(logging.Handler):
    """Listens to Snakemake's events and adds lines about the progress of trainings to its log.

    Args:
        logger: Snakemake's.
        trainings: returns every training of the plan, including those that need not run.
        more_to_come: whether a search may add trainings.
        clock: returns the time in seconds.
        ticking: whether to print progress regularly, not only after each run.
    """

    def __init__(
        self,
        logger: logging.Logger,
        trainings: Callable[[], Iterable[Training]],
        more_to_come: Callable[[], bool] = lambda: False,
        clock: Callable[[], float] = time.monotonic,
        ticking: bool = True,
    ):
        super().__init__(logging.INFO)
        self.logger, self._trainings, self.more_to_come, self.clock = logger, trainings, more_to_come, clock
        self.ticking = ticking
        #: When each job of this start began and ended.
        self.began: dict[int, float] = {}
        self.ended: dict[int, float] = {}
        #: The largest number of trainings that ran simultaneously.
        self.slots = 1
        self._mentioned_logs = False

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._listen(record)
        except Exception:  # a study must not end because its progress cannot be computed
            self.handleError(record)

    def counts(self) -> tuple[int, int]:
        """The number of finished runs, and of all runs that the plan has so far."""
        trainings = self._current()
        return sum(training.done for training in trainings), len(trainings)

    def _listen(self, record: logging.LogRecord) -> None:
        event = vars(record)
        kind = event.get("event")
        if kind is LogEvent.JOB_STARTED:
            self._record_start(event["jobs"])
        elif kind is LogEvent.JOB_FINISHED and event["job_id"] in self.began:
            self.ended[event["job_id"]] = self.clock()
            self.logger.info(self.line(with_running=False))
        elif kind is LogEvent.JOB_ERROR:
            self.began.pop(event["jobid"], None)

    def _record_start(self, jobs: Iterable[int]) -> None:
        # A group of jobs that share a cluster submission has an id of its own, which belongs to no training.
        started = {training.jobid for training in self._trainings()} & set(jobs)
        first = not self.began
        self.began |= {jobid: self.clock() for jobid in started}
        self.slots = max(self.slots, len(self._running()))
        if started and first and self.ticking:
            threading.Thread(target=self._tick, daemon=True).start()

    def _tick(self) -> None:
        begin, lines = self.clock(), iter(FIRST_LINES)
        while True:
            passed = self.clock() - begin
            time.sleep(max(0.0, next(lines, passed + INTERVAL) - passed))
            try:
                if self._running():
                    self.logger.info(self.line())
            except RuntimeError:  # the plan grew in the meantime: wait for the next line
                continue

    def line(self, with_running: bool = True) -> str:
        """The progress of the study; `with_running` adds which runs are training at which epoch."""
        trainings = self._current()
        done, planned = sum(training.done for training in trainings), len(trainings)
        if done == planned:
            if self.more_to_come():
                return f"All {done} runs so far are trained; the search may add more."
            return f"All {done} runs are trained."
        line = f"{done} of {planned} runs are trained, {_duration(self.seconds_left(trainings))} left"
        line += " without what the search adds." if self.more_to_come() else "."
        if with_running:
            ids = self._running()
            running = [training for training in trainings if training.jobid in ids]
            line += "".join(f"\n  {training.name}: {_epoch(training)}" for training in running[:MOST_LISTED])
            if len(running) > MOST_LISTED:
                line += f"\n  and {len(running) - MOST_LISTED} more"
            if running and not self._mentioned_logs:
                self._mentioned_logs = True
                line += f"\n  The log of each run lists its epochs: {running[0].log}"
        return line

    def _running(self) -> set[int]:
        return self.began.keys() - self.ended.keys()

    def _current(self) -> list[Training]:
        """The trainings of the plan; those that have just ended count as done, which Snakemake does later."""
        return [
            replace(training, done=True) if training.jobid in self.ended and not training.done else training
            for training in self._trainings()
        ]

    def seconds_left(self, trainings: Iterable[Training]) -> float:
        """Estimate how many seconds the trainings that are not done will take.

        The estimates from layer shapes are scaled, per architecture, by the time that the runs of this start
        have taken so far; a running training counts with the fraction of its epochs that are done. The rest
        is divided evenly among the trainings that run simultaneously, but the study ends no sooner than its
        longest run.
        """
        now = self.clock()
        estimated: dict[str, float] = {}
        took: dict[str, float] = {}
        fractions = {}
        for training in trainings:
            begin = self.began.get(training.jobid)
            if begin is None:
                continue
            elapsed = self.ended.get(training.jobid, now) - begin
            fraction = 1.0
            if not training.done:
                fractions[training.jobid] = fraction = epochs_done(training.log) / training.epochs
            if fraction:
                key = training.architecture
                estimated[key] = estimated.get(key, 0.0) + training.seconds * fraction
                took[key] = took.get(key, 0.0) + elapsed
        overall = sum(took.values()) / sum(estimated.values()) if estimated else 1.0
        rest, longest = 0.0, 0.0
        for training in trainings:
            if training.done:
                continue
            key = training.architecture
            whole = training.seconds * (took[key] / estimated[key] if key in estimated else overall)
            begin = self.began.get(training.jobid)
            passed = 0.0 if begin is None else max(whole * fractions.get(training.jobid, 0.0), now - begin)
            left = max(whole - passed, 0.0)
            rest, longest = rest + left, max(longest, left)
        return max(rest / self.slots, longest)


def _epoch(training: Training) -> str:
    if not read_log(training.log, last_bytes=1):
        return "starting"
    return f"epoch {min(epochs_done(training.log) + 1, training.epochs)} of {training.epochs}"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return "about a minute"
    minutes = round(seconds / 60)
    return f"about {minutes} minutes" if minutes < 90 else f"about {seconds / 3600:.1f} hours"
