"""What the terminal says while a study runs, and what is made again because it changed on disk.

Requires all rules, so it is included last. Gives print_summary, print_failures and INTERRUPT for the handlers at
the end of a plan.
"""

from few_weights.plan.checksums import changed_files, ChecksumRecorder, plan_changed
from few_weights.plan.console.failures import Failures
from few_weights.plan.console.interrupt import Interrupt
from few_weights.plan.console.progress import Progress, Training


def search_is_unfinished():
    """Whether a search has rounds ahead, which may ask for more runs."""
    return any(
        job.rule.name.endswith("search_widths") and not done for job, done in snakemake_private.jobs(workflow)
    )


def trainings():
    """Every training of the plan, for the lines that say how far the study is."""
    for job, done in snakemake_private.jobs(workflow):
        # By its output too: as a module, this may stand next to another copy of itself.
        if job.rule.name.endswith("train_model") and Path(job.output.metrics).is_relative_to(FOLDER):
            yield Training(
                jobid=job.jobid,
                name=f"{job.wildcards.architecture} width {job.wildcards.width} seed {job.wildcards.seed}",
                architecture=job.wildcards.architecture,
                epochs=ARCHITECTURES[job.wildcards.architecture].recipe.epochs,
                seconds=training_seconds(cost_of(job.wildcards), STUDY.data.train_examples),
                log=Path(job.log[0]),
                done=done,
            )


def made_here(jobid):
    """What a job made that is checked by its checksum: not a run's files, which are checked wherever they are read."""
    return [
        path for path in snakemake_private.outputs_of(workflow, jobid) if Path(path).name not in RUN_FILES
    ]


def interruption_message():
    """The line at the end of a study that was interrupted."""
    done, planned = PROGRESS.counts()
    return f"Interrupted: {done} of {planned} runs are done. Start again to continue."


def print_failures():
    """Which jobs failed, why, and where to read on, at the end of a start that had failures."""
    failed = FAILURES.failed
    for failure in failed:
        where = f"\n  its log: {failure.log}" if failure.log else ""
        print(f"\n{failure.name} failed: {failure.reason}{where}", file=sys.stderr)
    if any(failure.training for failure in failed):
        print("\nStart again to train what is missing; what is finished stays.", file=sys.stderr)
    elif failed:
        print("\nStart again to make what is missing; nothing is trained again for it.", file=sys.stderr)


def print_summary():
    """What the study found, at the end of a run."""
    table = FOLDER / "logs" / "find_breakpoints.log"
    if table.exists():
        print(f"\n{table.read_text()}\nReport: {(FOLDER / 'report.html').resolve()}", file=sys.stderr)


PROGRESS = Progress(logger, trainings, search_is_unfinished)
FAILURES = Failures()
INTERRUPT = Interrupt(SCRIPTS, interruption_message)

if snakemake_private.is_main_process(workflow):
    for warning in STUDY.data.warnings:
        print(f"Warning: {STUDY.dataset}: {warning}", file=sys.stderr)
    logger.addHandler(PROGRESS)
    logger.addHandler(FAILURES)
    logger.addHandler(ChecksumRecorder(FOLDER, plan_digest(), made_here))
    INTERRUPT.install(logger)
    for path in (changed := changed_files(FOLDER)):
        print(f"{path} is not what it was when it was made; it is made again.", file=sys.stderr)
    if TRAINS and plan_changed(FOLDER, plan_digest()):
        changed.append(FOLDER / "runs.csv")
    snakemake_private.force(workflow, map(str, changed))
