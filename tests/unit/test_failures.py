"""A failure is told by its run, its reason and its log."""

from few_weights.failures import failed_jobs, reason

LOG = """\
rule train_model:
    log: {quiet}
Error in rule train_model:
    message: Training vgg width 2 seed 1
    jobid: 4
    log: {log} (check log file(s) for error details)
    shell:
        python train.py
Error in rule merge_runs:
    jobid: 1
    log: {other} (check log file(s) for error details)
"""


def test_failed_jobs_are_named_with_reason_and_log(tmp_path):
    run = tmp_path / "runs" / "vgg" / "width-2" / "seed-1" / "train.log"
    run.parent.mkdir(parents=True)
    run.write_text(
        "epoch   1/2  train loss 9\nerror: vgg width 2 seed 1: the loss of epoch 2 is not finite\n\n"
    )
    text = LOG.format(log=run, other=tmp_path / "merge.log", quiet=tmp_path / "no.log")
    assert failed_jobs(text + text) == [
        ("vgg width 2 seed 1", "the loss of epoch 2 is not finite", str(run)),
        ("merge_runs", reason(tmp_path / "merge.log"), str(tmp_path / "merge.log")),
    ]
    assert "killed" in reason(tmp_path / "merge.log")


def test_members_of_a_submission_are_named_too(tmp_path):
    log = tmp_path / "runs" / "mlp" / "width-8" / "seed-0" / "train.log"
    log.parent.mkdir(parents=True)
    log.write_text("error: no space\n")
    group = "\n".join(
        f"    {line}" for line in LOG.format(log=log, other="other.log", quiet="no.log").splitlines()
    )
    assert failed_jobs(f"Error in group cheap:\n{group}\n")[0] == ("mlp width 8 seed 0", "no space", str(log))


def test_a_crash_is_told_by_its_exception(tmp_path):
    log = tmp_path / "train.log"
    log.write_text("Traceback (most recent call last):\n  File x\nMemoryError: out\n")
    assert reason(log) == "MemoryError: out"
