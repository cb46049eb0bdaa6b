"""All uses of Snakemake's internals, which its public interface does not offer.

An update of Snakemake that changes them breaks this file and tests/workflow/test_snakemake_private.py, and
nothing else.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from snakemake.checkpoints import CheckpointJob
from snakemake.exceptions import IncompleteCheckpointException
from snakemake.io import checkpoint_target
from snakemake.jobs import Job
from snakemake.settings.types import ExecMode
from snakemake.workflow import Workflow


def is_main_process(workflow: Workflow) -> bool:
    """Whether this is the Snakemake that the user started, not one that runs a single job on a cluster."""
    return workflow.exec_mode == ExecMode.DEFAULT


def cores(workflow: Workflow) -> int | None:
    """The value of `--cores`; None where it does not matter, as with `--lint`."""
    settings = workflow.resource_settings
    return settings.cores if settings else None


def with_prefix(workflow: Workflow, path: str) -> str:
    """The path of a rule's file, below the prefix if the workflow is used as a module with a prefix."""
    return str(workflow.modifier.path_modifier.modify(path))


def force(workflow: Workflow, names: Iterable[str]) -> None:
    """Run the jobs of these files again, wherever what the user asked for needs them.

    `--forcerun` would also make these files, with all that they need, if the user asked for others.

    While the Snakefile is read, the plan does not exist yet, so this waits until it has been prepared.

    Args:
        workflow: Snakemake's.
        names: output files.
    """
    names, prepare = list(names), workflow._prepare_dag

    def prepare_forced(*arguments: Any, **options: Any) -> Any:
        prepared = prepare(*arguments, **options)
        workflow._dag.forcefiles.update(names)
        return prepared

    workflow._prepare_dag = prepare_forced


def run_first(workflow: Workflow, output: str, stamp: Path) -> None:
    """Run the job that makes `output` first, but plan all other jobs as if it did not run.

    With `--forcerun`, all jobs that depend on the job would run again. If they had its output as an `ancient`
    input, none of them would, whatever else has changed, because Snakemake does not look for other reasons
    to run a job that waits for one that runs.

    Args:
        workflow: Snakemake's.
        output: an output of the job.
        stamp: another output of the job, which the other jobs have as an input. The file exists while the job
            runs: if it were missing when Snakemake updates the plan, all jobs that need it would run again.
    """
    prepare = workflow._prepare_dag

    def prepare_plan(*arguments: Any, **options: Any) -> Any:
        prepared = prepare(*arguments, **options)
        plan = workflow._dag
        update = plan.update_needrun

        async def update_without(*arguments: Any, **options: Any) -> None:
            first = [job for job in plan.jobs if output in job.output and not plan.finished(job)]
            for job in first:
                plan.reason(job).clear()
                stamp.touch()
            await update(*arguments, **options)
            for job in first:
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
    """Each job of the plan, and whether it is finished or need not run."""
    for job in list(workflow.dag.jobs):
        yield job, workflow.dag.finished(job) or not workflow.dag.needrun(job)


def outputs_of(workflow: Workflow, jobid: int) -> list[str]:
    """The output files of the job with that id."""
    return [str(path) for job, _ in jobs(workflow) if job.jobid == jobid for path in job.output]


def not_done_yet(job: CheckpointJob) -> IncompleteCheckpointException:
    """The exception that an input function raises to be called again when a checkpoint's job is finished.

    Snakemake itself does not raise it for a job that was finished at the start and now runs again, although
    its output is missing in the meantime.
    """
    return IncompleteCheckpointException(job.rule, checkpoint_target(job.output[0]))
