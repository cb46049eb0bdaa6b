"""A failure is reported with its run, its reason and its log; the reason is how the process ended."""

import logging
import shutil

import pytest
from snakemake_interface_logger_plugins.common import LogEvent

from few_weights.plan.console import failures
from few_weights.plan.console.failures import Failures, has_finished, reason

BEGUN = "vgg width 2 seed 1: 932 parameters; by machine code\n"
TWO_EPOCHS = BEGUN + "epoch   1/12  train loss 0.1\nepoch   2/12  train loss 0.1\n"
KILLED = "Command 'python train.py' died with <Signals.SIGKILL: 9>."
TERMINATED = "Command 'python train.py' returned non-zero exit status 143."
FAILED = "Command 'python train.py' returned non-zero exit status 1."


@pytest.mark.parametrize(
    ("text", "ending", "expected"),
    [
        (TWO_EPOCHS, KILLED, "killed by signal 9 (out of memory?) in epoch 3 of 12"),
        (BEGUN, KILLED, "killed by signal 9 (out of memory?) in epoch 1"),
        ("", KILLED, "killed by signal 9 (out of memory?)"),
        (TWO_EPOCHS, TERMINATED, "killed by signal 15 in epoch 3 of 12"),
        (
            TWO_EPOCHS,
            "SLURM-job '7' failed, SLURM status is: 'OUT_OF_MEMORY'. ",
            "ended by the cluster (OUT_OF_MEMORY) in epoch 3 of 12",
        ),
        (TWO_EPOCHS + "error: no space\nleft\n\n", FAILED, "no space\nleft"),
        # Its own error message comes before how it ended.
        (TWO_EPOCHS + "error: the loss is not finite\n", KILLED, "the loss is not finite"),
        ("Traceback (most recent call last):\n  File x\nMemoryError: out\n", FAILED, "MemoryError: out"),
        ("usage: x\nx.py: error: argument\n", FAILED, "ended with status 1: x.py: error: argument"),
        (TWO_EPOCHS, FAILED, "ended with status 1 and no error message in epoch 3 of 12"),
        ("", "", "ended without an error message: killed, or never started"),
    ],
)
def test_reasons(tmp_path, text, ending, expected):
    log = tmp_path / "train.log"
    log.write_text(text)
    assert reason(log, ending) == expected


def test_a_full_disk_is_reported_as_the_reason(tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(failures.shutil, "disk_usage", lambda path: usage._replace(free=10))
    assert reason(tmp_path / "train.log", FAILED).startswith("the disk is full: 10 bytes are free in")
    assert reason(tmp_path / "train.log", KILLED).startswith("killed by signal 9")


def report(listener, event, message="", **fields):
    record = logging.makeLogRecord({"event": event, "msg": message, "levelno": logging.ERROR} | fields)
    listener.emit(record)


def failed_job(listener, jobid, rule, log, indent=False):
    report(listener, LogEvent.JOB_ERROR, rule_name=rule, jobid=jobid, log=[log], rule_msg=None, indent=indent)


def test_failures_are_collected_from_events(tmp_path):
    run = tmp_path / "runs" / "vgg" / "width-2" / "seed-1" / "train.log"
    run.parent.mkdir(parents=True)
    run.write_text(TWO_EPOCHS)
    listener = Failures()
    report(listener, LogEvent.ERROR, KILLED)
    failed_job(listener, 4, "inner_train_model", f"{run} (check log file(s) for error details)")
    failed_job(listener, 5, "merge_runs", str(tmp_path / "none.log"))
    assert [(f.name, f.reason, f.log, f.training) for f in listener.failed] == [
        ("vgg width 2 seed 1", "killed by signal 9 (out of memory?) in epoch 3 of 12", str(run), True),
        (
            "merge_runs",
            "ended without an error message: killed, or never started",
            str(tmp_path / "none.log"),
            False,
        ),
    ]
    report(listener, LogEvent.JOB_FINISHED, job_id=4)  # a retry succeeded
    assert [failure.name for failure in listener.failed] == ["merge_runs"]


def test_only_the_failed_job_of_a_submission_is_named(tmp_path):
    listener, logs = Failures(), {}
    for seed, text in enumerate([TWO_EPOCHS + "finished: metrics.json\n", "error: no space\n", None]):
        log = logs[seed] = tmp_path / "runs" / "mlp" / "width-8" / f"seed-{seed}" / "train.log"
        log.parent.mkdir(parents=True)
        if text is not None:
            log.write_text(text)
        failed_job(listener, seed, "train_model", str(log), indent=True)
    assert [(f.name, f.reason) for f in listener.failed] == [("mlp width 8 seed 1", "no space")]
    assert has_finished(logs[0]) and not has_finished(logs[1])
