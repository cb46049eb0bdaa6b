"""What this workflow needs of Snakemake that Snakemake does not offer publicly, in one place.

An update of Snakemake that moves one of these parts breaks this file and its test, and nothing else.
"""

from collections.abc import Callable, Iterable, Iterator

from snakemake.checkpoints import CheckpointJob
from snakemake.exceptions import IncompleteCheckpointException
from snakemake.io import checkpoint_target
from snakemake.jobs import Job
from snakemake.settings.types import ExecMode
from snakemake.workflow import Workflow


def is_main_process(workflow: Workflow) -> bool:
    """Whether this is the Snakemake that the user started, not one that runs a single job of a cluster."""
    return workflow.exec_mode == ExecMode.DEFAULT


def cores(workflow: Workflow) -> int | None:
    """The cores that the user gave with `--cores`; None where they play no part, as with `--lint`."""
    settings = workflow.resource_settings
    return settings.cores if settings else None


def with_prefix(workflow: Workflow, path: str) -> str:
    """Where a path of a rule lies: under a prefix, where the workflow is a module that was given one."""
    return str(workflow.modifier.path_modifier.modify(path))


def force(workflow: Workflow, names: Iterable[str]) -> None:
    """Plan these files and rules again even if nothing else asks for it, as `--forcerun` does.

    Called while the Snakefile is read, when there are no settings of the plan yet: they are completed when it
    is made.
    """
    names = list(names)
    _before_plan(workflow, lambda: names)


def force_for_other_targets(workflow: Workflow, names: Iterable[str]) -> None:
    """As `force`, but only where the plan is not for this Snakefile's own default target."""
    names, is_main = list(names), workflow.modifier.is_main_snakefile()
    _before_plan(workflow, lambda: [] if is_main and not workflow.dag_settings.targets else names)


def _before_plan(workflow: Workflow, forced: Callable[[], list[str]]) -> None:
    prepare = workflow._prepare_dag

    def prepare_forced(*arguments, **options):
        workflow.dag_settings.forcerun = frozenset({*workflow.dag_settings.forcerun, *forced()})
        return prepare(*arguments, **options)

    workflow._prepare_dag = prepare_forced


def hide_nothing_behind(workflow: Workflow, output: str) -> None:
    """Let the jobs that wait for a file have reasons of their own to run.

    Snakemake goes over the plan several times and keeps the reasons from the time before. Behind a job that
    has one it looks for no other, and takes the jobs that wait for it by an `ancient` input for up to date,
    whatever else has changed.
    """
    prepare = workflow._prepare_dag

    def prepare_plan(*arguments, **options):
        prepared = prepare(*arguments, **options)
        plan = workflow._dag
        update = plan.update_needrun

        async def update_anew(*arguments, **options):
            for job in plan.jobs:
                if output in job.output and not plan.finished(job):
                    plan.reason(job).clear()
            return await update(*arguments, **options)

        plan.update_needrun = update_anew
        return prepared

    workflow._prepare_dag = prepare_plan


def jobs(workflow: Workflow) -> Iterator[tuple[Job, bool]]:
    """Each job of the plan, and whether it is done or needs no doing."""
    for job in list(workflow.dag.jobs):
        yield job, workflow.dag.finished(job) or not workflow.dag.needrun(job)


def outputs_of(workflow: Workflow, jobid: int) -> list[str]:
    """The output files of the job of that number."""
    return [str(path) for job, _ in jobs(workflow) if job.jobid == jobid for path in job.output]


def not_done_yet(job: CheckpointJob) -> IncompleteCheckpointException:
    """What an input function raises to be asked again when a checkpoint's job is done.

    Snakemake takes what was done at the start for done, even while it is made again and its output is gone.
    """
    return IncompleteCheckpointException(job.rule, checkpoint_target(job.output[0]))
