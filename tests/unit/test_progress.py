"""The time left is told from the work that is done, not from the number of jobs."""

import logging

from snakemake_interface_logger_plugins.common import LogEvent

from few_weights.progress import TimeLeft


class Study:
    """Four trainings of which the first is half the work, and one second a unit of cost on two cores."""

    costs = {1: 600, 2: 300, 3: 200, 4: 100}

    def __init__(self, **options):
        self.now, self.finished, self.lines = 0.0, set(), []
        self.logger = logging.Logger("study", logging.INFO)
        self.logger.addHandler(self.listener(lambda record: self.lines.append(record.getMessage())))
        trainings = lambda: [(job, cost, job in self.finished) for job, cost in self.costs.items()]  # noqa: E731
        self.logger.addHandler(TimeLeft(self.logger, trainings, clock=lambda: self.now, **options))

    @staticmethod
    def listener(emit):
        handler = logging.Handler()
        handler.emit = emit
        return handler

    def start(self, *jobs):
        self.logger.info(None, extra={"event": LogEvent.JOB_STARTED, "jobs": list(jobs)})

    def finish(self, job, at):
        self.now = at
        self.finished.add(job)
        self.logger.info(None, extra={"event": LogEvent.PROGRESS, "done": 1, "total": 9})

    @property
    def told(self):
        return [line for line in self.lines if line != "None"]


def test_the_rest_is_estimated_from_the_work_behind():
    study = Study()
    study.now = 1000.0
    study.start(1, 2)
    study.finish(9, at=1100.0)  # no training either
    assert study.told == []
    study.finish(2, at=1300.0)  # 300 done and half of 600: as much as is left
    study.start(3)
    study.finish(1, at=1600.0)
    study.start(4)
    study.finish(3, at=1700.0)
    study.finish(4, at=1750.0)
    assert study.told == [
        "1 of 4 runs are trained; about 5 minutes left.",
        "2 of 4 runs are trained; about 2 minutes left.",
        "3 of 4 runs are trained; about a minute left.",
        "All 4 runs are trained.",
    ]


def test_a_search_may_add_runs():
    study = Study(more_to_come=True)
    study.start(1, 2)
    study.finish(2, at=36_000.0)
    assert study.told == ["1 of at least 4 runs are trained; about 10.0 hours left."]


def test_a_study_goes_on_where_the_time_cannot_be_told(capsys):
    logger = logging.Logger("study", logging.INFO)
    logger.addHandler(TimeLeft(logger, lambda: 1 / 0))
    logger.info(None, extra={"event": LogEvent.PROGRESS})
    assert "ZeroDivisionError" in capsys.readouterr().err
