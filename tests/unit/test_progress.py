"""The progress of a study while it trains: finished runs, epochs, and the time that is left."""

import logging

import pytest
from snakemake_interface_logger_plugins.common import LogEvent

from few_weights.plan.console.progress import ProgressReporter, Training
from few_weights.plan.runs import Run


class Study:
    """Four trainings whose estimated durations are exact, in two processes; the first is half of the work."""

    seconds = {1: 600, 2: 300, 3: 200, 4: 100}

    def __init__(self, folder, **options):
        self.folder, self.now, self.counted, self.lines = folder, 0.0, set(), []
        self.logger = logging.Logger("study", logging.INFO)
        self.logger.addHandler(self.listener(lambda record: self.lines.append(record.getMessage())))
        self.progress = ProgressReporter(
            self.logger, self.trainings, clock=lambda: self.now, ticking=False, **options
        )
        self.logger.addHandler(self.progress)

    def trainings(self):
        return [
            Training(job, Run("mlp", job, 0), 4, seconds, self.log(job), job in self.counted)
            for job, seconds in self.seconds.items()
        ]

    def log(self, job):
        return self.folder / f"{job}.log"

    @staticmethod
    def listener(emit):
        handler = logging.Handler()
        handler.emit = emit
        return handler

    def start(self, *jobs):
        self.logger.info(None, extra={"event": LogEvent.JOB_STARTED, "jobs": list(jobs)})

    def finish(self, job, at):
        """End a job as Snakemake does: the event comes before the job counts as done."""
        self.now = at
        self.logger.info(None, extra={"event": LogEvent.JOB_FINISHED, "job_id": job})
        self.counted.add(job)

    @property
    def printed(self):
        return [line for line in self.lines if line != "None"]


@pytest.fixture
def study(tmp_path):
    return Study(tmp_path)


def test_runs_are_counted_as_they_end(study):
    study.start(1, 2)
    study.finish(9, at=10.0)  # not a training
    assert study.printed == []
    study.finish(2, at=300.0)
    study.start(3)
    study.finish(3, at=500.0)
    study.start(4)
    study.finish(1, at=600.0)
    study.finish(4, at=600.0)
    assert study.printed == [
        "1 of 4 runs are trained, about 5 minutes left.",
        "2 of 4 runs are trained, about 2 minutes left.",
        "3 of 4 runs are trained, about a minute left.",
        "All 4 runs are trained.",
    ]
    assert study.progress.counts() == (4, 4)


def test_a_line_lists_running_trainings_before_any_run_has_ended(study):
    study.start(1, 2)
    study.log(1).write_text("mlp width 1 seed 0: 500 parameters; by machine code\n")
    assert study.progress.line() == (
        "0 of 4 runs are trained, about 10 minutes left.\n"
        "  mlp width 1 seed 0: epoch 1 of 4\n"
        "  mlp width 2 seed 0: starting\n"
        f"  The log of each run lists its epochs: {study.log(1)}"
    )
    # Half of the first in 600 seconds: everything takes twice as long as estimated.
    study.now = 600.0
    study.log(1).write_text("…\nepoch   1/4  train loss 1\nepoch   2/4  train loss 1\n")
    study.log(2).write_text("…\nepoch   4/4  train loss 1\n")
    assert study.progress.line().splitlines()[:3] == [
        "0 of 4 runs are trained, about 10 minutes left.",
        "  mlp width 1 seed 0: epoch 3 of 4",
        "  mlp width 2 seed 0: epoch 4 of 4",
    ]


def test_runs_of_an_earlier_start_count_as_done(tmp_path):
    study = Study(tmp_path)
    study.counted = {1, 2}
    study.start(3)
    study.finish(3, at=200.0)
    assert study.printed == ["3 of 4 runs are trained, about 2 minutes left."]


def test_a_search_may_add_runs(tmp_path):
    searching = True
    study = Study(tmp_path, more_to_come=lambda: searching)
    study.start(1, 2, 3, 4)
    for job in (1, 2, 3):
        study.finish(job, at=10_000.0)
    assert study.printed[0] == "1 of 4 runs are trained, about a minute left without what the search adds."
    study.finish(4, at=10_000.0)
    searching = False
    assert study.printed[-1] == "All 4 runs so far are trained; the search may add more."
    assert study.progress.line() == "All 4 runs are trained."


def test_a_study_continues_if_its_progress_cannot_be_computed(capsys):
    logger = logging.Logger("study", logging.INFO)
    logger.addHandler(ProgressReporter(logger, lambda: 1 / 0, ticking=False))
    logger.info(None, extra={"event": LogEvent.JOB_STARTED, "jobs": [1]})
    assert "ZeroDivisionError" in capsys.readouterr().err
