"""What the terminal shows while a study runs, and which files are made again because they changed on disk.

Requires all rules, so it is included last. Defines prepare_trainings, print_summary and print_failures for the handlers
at the end of a plan.
"""

import functools
from dataclasses import replace

from few_weights.plan.checksums import changed_files, ChecksumRecorder, plan_changed
from few_weights.plan.console.failures import Failures
from few_weights.plan.console.progress import ProgressReporter, Training


def search_is_unfinished():
    """Whether a search has rounds left, which may add runs."""
    return any(
        job.rule.name.endswith(("search_widths", "choose_models")) and not done
        for job, done in snakemake_private.jobs(workflow)
    )


@functools.cache
def training_of(job):
    """A job as a training that is not done; None if it is another job."""
    # Check the output too: as a module, this workflow may be included twice.
    if job.rule.name.endswith("train_model") and Path(job.output.metrics).is_relative_to(FOLDER):
        return Training(
            jobid=job.jobid,
            run=Run(job.wildcards.architecture, int(job.wildcards.width), int(job.wildcards.seed)),
            epochs=TRAINED[job.wildcards.architecture].recipe.epochs,
            seconds=training_seconds(cost_of(job.wildcards), STUDY.data.train_examples),
            log=Path(job.log[0]),
            done=False,
        )


def trainings():
    """Every training of the plan, for the lines that report progress."""
    for job, done in snakemake_private.jobs(workflow):
        if training := training_of(job):
            yield replace(training, done=True) if done else training


def made_here(jobid):
    """The outputs of a job to record checksums of: not a run's files, which are checked whenever they are read."""
    return [
        path for path in snakemake_private.outputs_of(workflow, jobid) if Path(path).name not in RUN_FILES
    ]


def interruption_message():
    """The last line that an interrupted study prints."""
    done, planned = PROGRESS.counts()
    return f"Interrupted: {done} of {planned} runs are done. Start again to continue."


def print_failures():
    """Print which jobs failed, why, and the path of each log."""
    failed = FAILURES.failed
    for failure in failed:
        where = f"\n  its log: {failure.log}" if failure.log else ""
        print(f"\n{failure.name} failed: {failure.reason}{where}", file=sys.stderr)
    if any(failure.training for failure in failed):
        print("\nStart again to train what is missing; finished runs are kept.", file=sys.stderr)
    elif failed:
        print("\nStart again to make what is missing; no run is trained again.", file=sys.stderr)


def print_summary():
    """Print what the study found, and the path of the report."""
    table, report = FOLDER / "logs" / "find_breakpoints.log", FOLDER / "report.html"
    if table.exists() and report.exists():
        print(f"\n{table.read_text()}\nReport: {report.resolve()}", file=sys.stderr)


def prepare_trainings():
    """Prepare the networks of all architectures that are to be trained."""
    if not snakemake_private.is_main_process(workflow):
        return
    runs = {}
    for run in (training.run for training in trainings() if not training.done):
        runs.setdefault(run.architecture, {}).setdefault(run.width, []).append(run.seed)
    wanted = [
        Preparation(
            preparation_request(STUDY, TRAINED[name], training_code(name)),
            of_architecture,
            str(prepared_file(STUDY.name, name)),
        )
        for name, of_architecture in runs.items()
    ]
    prepare_networks(wanted, snakemake_private.cores(workflow) or 1)


PROGRESS = ProgressReporter(logger, trainings, search_is_unfinished)
FAILURES = Failures()
INTERRUPT.state = interruption_message

if snakemake_private.is_main_process(workflow):
    for warning in STUDY.data.warnings:
        print(f"Warning: {STUDY.dataset}: {warning}", file=sys.stderr)
    logger.addHandler(PROGRESS)
    logger.addHandler(FAILURES)
    logger.addHandler(ChecksumRecorder(FOLDER, plan_digest() if TRAINS else reported_plan(), made_here))
    for path in (changed := changed_files(FOLDER)):
        print(f"{path} has changed since it was made; it is made again.", file=sys.stderr)
    if TRAINS and plan_changed(FOLDER, plan_digest()):
        changed += [FOLDER / name for name in ("runs.csv", "search.csv", "stages.csv")]
        # What was found for other targets, say, is no answer now.
        changed += [*FOLDER.glob("search/*/round-*.json"), *FOLDER.glob("stages/stage-*.json")]
    snakemake_private.force(workflow, map(str, changed))
