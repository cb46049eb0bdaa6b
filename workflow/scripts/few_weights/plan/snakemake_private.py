"""What this workflow needs of Snakemake that Snakemake does not offer publicly, in one place.

An update of Snakemake that moves one of these parts breaks this file and its test, and nothing else.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

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
    names, prepare = list(names), workflow._prepare_dag

    def prepare_forced(*arguments, **options):
        workflow.dag_settings.forcerun = frozenset({*workflow.dag_settings.forcerun, *names})
        return prepare(*arguments, **options)

    workflow._prepare_dag = prepare_forced


def run_first(workflow: Workflow, output: str, stamp: Path) -> None:
    """Run the job that makes `output` before those that wait for its `stamp`; plan the others without it.

    By `--forcerun` every job behind it would run again; behind an `ancient` input none would, whatever else
    has changed, because Snakemake looks for no other reason behind a job that has one.

    Args:
        workflow: Snakemake's.
        output: a file that the job makes.
        stamp: another one, by which other jobs wait for it. It stays while the job runs: where it is gone
        when
            Snakemake looks at the plan again, all that wait for it would be repeated.
    """
    prepare = workflow._prepare_dag

    def prepare_plan(*arguments, **options):
        prepared = prepare(*arguments, **options)
        plan = workflow._dag
        update = plan.update_needrun

        async def update_without(*arguments, **options):
            waiting = [job for job in plan.jobs if output in job.output and not plan.finished(job)]
            for job in waiting:
                plan.reason(job).clear()
                stamp.touch()
            await update(*arguments, **options)
            for job in waiting:
                if job not in plan._needrun:
                    plan._needrun.add(job)
                    plan._n_until_ready[job] = 0
                    for other in plan.depending[job]:
                        if other in plan._needrun:
                            plan._n_until_ready[other] += 1
                plan.reason(job).forced = True
            plan._len = len(plan._finished | plan._needrun)

        plan.update_needrun = update_without
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
