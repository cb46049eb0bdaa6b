"""How much of a study's training is done, and about how long the rest takes, in a line after each run."""

import logging
import time
from collections.abc import Callable, Iterable

from snakemake_interface_logger_plugins.common import LogEvent


class TimeLeft(logging.Handler):
    """Listens to Snakemake's log and adds a line to it whenever a training has ended.

    Args:
        logger: Snakemake's.
        trainings: gives (job id, relative cost, finished?) of every training that this start has to do.
        more_to_come: whether a search may add trainings.
        clock: seconds that only grow.
    """

    def __init__(
        self,
        logger: logging.Logger,
        trainings: Callable[[], Iterable[tuple[int, float, bool]]],
        more_to_come: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ):
        super().__init__(logging.INFO)
        self.logger, self.trainings, self.clock = logger, trainings, clock
        self.at_least = "at least " if more_to_come else ""
        self.begin: float | None = None
        self.started: set[int] = set()
        self.told = 0

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._listen(record)
        except Exception:  # a study must not end because its time cannot be told
            self.handleError(record)

    def _listen(self, record: logging.LogRecord) -> None:
        event = getattr(record, "event", None)
        if event is LogEvent.JOB_STARTED:
            # Jobs that share a cluster's submission have an id of their own, which is none of a training.
            self.started.update(record.jobs)
            if self.begin is None:
                self.begin = self.clock()
        if event is not LogEvent.PROGRESS:
            return
        trainings = list(self.trainings())
        done = sum(finished for *_, finished in trainings)
        if done > self.told and self.begin is not None:
            self.told = done
            self.logger.info(self._line(trainings, done))

    def _line(self, trainings: list[tuple[int, float, bool]], done: int) -> str:
        if done == len(trainings):
            return f"All {done} runs are trained."
        # Where no model could be built in advance their costs are unknown, and all count alike.
        costs = [(job, cost or 1, finished) for job, cost, finished in trainings]
        behind = sum(cost for _, cost, finished in costs if finished)
        # Those under way are half done on average.
        behind += sum(cost for job, cost, finished in costs if not finished and job in self.started) / 2
        left = sum(cost for _, cost, _ in costs) - behind
        seconds = (self.clock() - self.begin) * left / behind
        return f"{done} of {self.at_least}{len(trainings)} runs are trained; {_words(seconds)} left."


def _words(seconds: float) -> str:
    if seconds < 90:
        return "about a minute"
    minutes = round(seconds / 60)
    return f"about {minutes} minutes" if minutes < 90 else f"about {seconds / 3600:.1f} hours"
