"""What is said of a study while it trains: counts that are right, epochs, and the time that is left."""

import logging

import pytest
from snakemake_interface_logger_plugins.common import LogEvent

from few_weights.plan.console.progress import Progress, Training


class Study:
    """Four trainings of which the first is half the work, guessed right to the second; two slots."""

    seconds = {1: 600, 2: 300, 3: 200, 4: 100}

    def __init__(self, folder, **options):
        self.folder, self.now, self.counted, self.lines = folder, 0.0, set(), []
        self.logger = logging.Logger("study", logging.INFO)
        self.logger.addHandler(self.listener(lambda record: self.lines.append(record.getMessage())))
        self.progress = Progress(
            self.logger, self.trainings, clock=lambda: self.now, ticking=False, **options
        )
        self.logger.addHandler(self.progress)

    def trainings(self):
        return [
            Training(job, f"mlp width {job} seed 0", "mlp", 4, seconds, self.log(job), job in self.counted)
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
        """As Snakemake does it: the event comes before the job counts as done."""
        self.now = at
        self.logger.info(None, extra={"event": LogEvent.JOB_FINISHED, "job_id": job})
        self.counted.add(job)

    @property
    def said(self):
        return [line for line in self.lines if line != "None"]


@pytest.fixture
def study(tmp_path):
    return Study(tmp_path)


def test_runs_are_counted_as_they_end(study):
    study.start(1, 2)
    study.finish(9, at=10.0)  # no training
    assert study.said == []
    study.finish(2, at=300.0)
    study.start(3)
    study.finish(3, at=500.0)
    study.start(4)
    study.finish(1, at=600.0)
    study.finish(4, at=600.0)
    assert study.said == [
        "1 of 4 runs are trained, about 5 minutes left.",
        "2 of 4 runs are trained, about 2 minutes left.",
        "3 of 4 runs are trained, about a minute left.",
        "All 4 runs are trained.",
    ]
    assert study.progress.counts() == (4, 4)


def test_a_line_says_what_trains_at_which_epoch_before_any_run_has_ended(study):
    study.start(1, 2)
    study.log(1).write_text("mlp width 1 seed 0: 500 parameters; by machine code\n")
    assert study.progress.line() == (
        "0 of 4 runs are trained, about 10 minutes left.\n"
        "  mlp width 1 seed 0: epoch 1 of 4\n"
        "  mlp width 2 seed 0: starting\n"
        f"  The log of each run lists its epochs: {study.log(1)}"
    )
    # Half of the first in 600 seconds: all takes twice as long as was guessed.
    study.now = 600.0
    study.log(1).write_text("…\nepoch   1/4  train loss 1\nepoch   2/4  train loss 1\n")
    study.log(2).write_text("…\nepoch   4/4  train loss 1\n")
    assert study.progress.line().splitlines()[:3] == [
        "0 of 4 runs are trained, about 10 minutes left.",
        "  mlp width 1 seed 0: epoch 3 of 4",
        "  mlp width 2 seed 0: epoch 4 of 4",
    ]


def test_runs_of_an_earlier_start_count_and_cost_no_time(tmp_path):
    study = Study(tmp_path)
    study.counted = {1, 2}
    study.start(3)
    study.finish(3, at=200.0)
    assert study.said == ["3 of 4 runs are trained, about 2 minutes left."]


def test_a_search_may_add_runs(tmp_path):
    goes_on = True
    study = Study(tmp_path, more_to_come=lambda: goes_on)
    study.start(1, 2, 3, 4)
    for job in (1, 2, 3):
        study.finish(job, at=10_000.0)
    assert study.said[0] == "1 of 4 runs are trained, about a minute left without what the search adds."
    study.finish(4, at=10_000.0)
    goes_on = False
    assert study.said[-1] == "All 4 runs so far are trained; the search may add more."
    assert study.progress.line() == "All 4 runs are trained."


def test_a_study_goes_on_where_nobody_can_say_how_far_it_is(capsys):
    logger = logging.Logger("study", logging.INFO)
    logger.addHandler(Progress(logger, lambda: 1 / 0, ticking=False))
    logger.info(None, extra={"event": LogEvent.JOB_STARTED, "jobs": [1]})
    assert "ZeroDivisionError" in capsys.readouterr().err
