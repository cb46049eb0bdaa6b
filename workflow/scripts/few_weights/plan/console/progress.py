"""What is training, at which epoch, and about how long the rest takes: a line after each run, and by time."""

import logging
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from snakemake_interface_logger_plugins.common import LogEvent

from few_weights.plan.console.failures import epochs_done, read_log

#: Seconds after the first training starts at which a line says how it goes; then every `INTERVAL` seconds.
FIRST_LINES = (8.0, 30.0)


INTERVAL = 30.0


#: How many of the runs that are training a line names.
NAMED = 3


@dataclass(frozen=True)
class Training:
    """A training job of the plan.

    `seconds` is a rough guess of how long it takes on one core of a usual processor, made from layer
    shapes; only the ratios between trainings matter as soon as some epochs are done. `log` is where its
    epochs stand.
    """

    jobid: int
    name: str
    architecture: str
    epochs: int
    seconds: float
    log: Path
    done: bool


class Progress(logging.Handler):
    """Listens to Snakemake's events and adds lines to its log that say how far the trainings are.

    Args:
        logger: Snakemake's.
        trainings: gives every training of the plan, those that need no doing with them.
        more_to_come: whether a search may add trainings.
        clock: seconds that only grow.
        ticking: whether lines come with time as well, not only after each run.
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
        #: Of this start: by job, when it began and when it ended.
        self.began: dict[int, float] = {}
        self.ended: dict[int, float] = {}
        #: The most that ran at a time.
        self.slots = 1
        self._told_logs = False

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._listen(record)
        except Exception:  # a study must not end because nobody can say how far it is
            self.handleError(record)

    def counts(self) -> tuple[int, int]:
        """How many runs are done, and how many the plan has so far."""
        trainings = self._current()
        return sum(training.done for training in trainings), len(trainings)

    def _listen(self, record: logging.LogRecord) -> None:
        event = getattr(record, "event", None)
        if event is LogEvent.JOB_STARTED:
            self._note_start(record.jobs)
        elif event is LogEvent.JOB_FINISHED and record.job_id in self.began:
            self.ended[record.job_id] = self.clock()
            self.logger.info(self.line(naming=False))
        elif event is LogEvent.JOB_ERROR:
            self.began.pop(record.jobid, None)

    def _note_start(self, jobs: Iterable[int]) -> None:
        # Jobs that share a cluster's submission have an id of their own, which is no training's.
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
            except RuntimeError:  # the plan grew while it was looked at: the next line will do
                continue

    def line(self, naming: bool = True) -> str:
        """How far the study is, as it is printed; with `naming`, also which runs train at which epoch."""
        trainings = self._current()
        done, planned = sum(training.done for training in trainings), len(trainings)
        if done == planned:
            if self.more_to_come():
                return f"All {done} runs so far are trained; the search may add more."
            return f"All {done} runs are trained."
        line = f"{done} of {planned} runs are trained, {_duration(self.seconds_left(trainings))} left"
        line += " without what the search adds." if self.more_to_come() else "."
        if naming:
            running = [training for training in trainings if training.jobid in self._running()]
            line += "".join(f"\n  {training.name}: {_epoch(training)}" for training in running[:NAMED])
            if len(running) > NAMED:
                line += f"\n  and {len(running) - NAMED} more"
            if running and not self._told_logs:
                self._told_logs = True
                line += f"\n  Each run's log has its epochs: {running[0].log}"
        return line

    def _running(self) -> set[int]:
        return self.began.keys() - self.ended.keys()

    def _current(self) -> list[Training]:
        """The trainings of the plan. Snakemake reports a job as finished before it counts it as done."""
        return [
            Training(**vars(training) | {"done": True}) if training.jobid in self.ended else training
            for training in self._trainings()
        ]

    def seconds_left(self, trainings: Iterable[Training]) -> float:
        """About how long the trainings that are not done will take.

        What was guessed from layer shapes is corrected by what the runs of this start took so far, and those
        that run by the share of their epochs that is behind them. The rest fills the slots evenly, but no
        sooner than the longest run ends.
        """
        now = self.clock()
        guessed: dict[str, float] = {}
        took: dict[str, float] = {}
        shares = {}
        for training in trainings:
            begin = self.began.get(training.jobid)
            if begin is None:
                continue
            elapsed = self.ended.get(training.jobid, now) - begin
            share = 1.0
            if not training.done:
                shares[training.jobid] = share = epochs_done(training.log) / training.epochs
            if share:
                key = training.architecture
                guessed[key] = guessed.get(key, 0.0) + training.seconds * share
                took[key] = took.get(key, 0.0) + elapsed
        overall = sum(took.values()) / sum(guessed.values()) if guessed else 1.0
        rest, longest = 0.0, 0.0
        for training in trainings:
            if training.done:
                continue
            key = training.architecture
            whole = training.seconds * (took[key] / guessed[key] if key in guessed else overall)
            begin = self.began.get(training.jobid)
            behind = 0.0 if begin is None else max(whole * shares.get(training.jobid, 0.0), now - begin)
            left = max(whole - behind, 0.0)
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
