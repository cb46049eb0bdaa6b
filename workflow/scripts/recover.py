"""After Snakemake was killed: stop the jobs that it left running in this folder, and unlock the folder.

Jobs on a cluster run on other machines: workflow/profiles/README.md explains how to cancel them.
"""

import argparse
import contextlib
import os
import subprocess
import sys
from pathlib import Path

import psutil

from few_weights.errors import StudyError, entry_point

ROOT = Path(__file__).parents[2]
SCRIPTS = Path(__file__).parent


@entry_point
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--configfile", required=True, type=Path, help="the study's YAML")
    arguments = parser.parse_args()

    processes = _processes_in_this_folder()
    for process in processes:
        if _is_snakemake(process):
            raise StudyError(
                f"Snakemake is still running in this folder (process {process.pid}), so there is nothing to "
                "recover; wait until it ends, or stop it with Ctrl-C"
            )
    orphans = [process for process in processes if _is_job(process)]
    for process in orphans:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(orphans, timeout=10)
    for half_written in Path("results").rglob(".*.tmp"):
        half_written.unlink(missing_ok=True)
    unlocked = subprocess.run(
        [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]
        + ["--configfile", str(arguments.configfile), "--unlock"],
        capture_output=True,
        text=True,
    )
    if unlocked.returncode != 0:
        raise StudyError(unlocked.stderr.strip() or "snakemake --unlock failed")
    print(f"Stopped {len(orphans)} processes that were left running and unlocked the folder. Start again.")


def _processes_in_this_folder() -> list[psutil.Process]:
    """The processes whose working folder is this one, except this process and those that started it."""
    callers = {os.getpid(), *(process.pid for process in psutil.Process().parents())}
    processes = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.pid not in callers and Path(process.cwd()) == Path.cwd():
                processes.append(process)
    return processes


def _is_snakemake(process: psutil.Process) -> bool:
    arguments = _command_line(process)
    return any(Path(argument).name == "snakemake" for argument in arguments[:3]) or (
        arguments[1:3] == ["-m", "snakemake"]
    )


def _is_job(process: psutil.Process) -> bool:
    """Whether a process is a script of the workflow, or the shell that started one."""
    return any(str(SCRIPTS) in argument for argument in _command_line(process))


def _command_line(process: psutil.Process) -> list[str]:
    """The arguments of a process; empty if it has ended."""
    with contextlib.suppress(psutil.Error):
        return process.cmdline()
    return []


if __name__ == "__main__":
    main()
