"""After Snakemake was killed: stop the jobs that it left behind in this folder, and unlock the folder.

The jobs of a cluster run elsewhere: workflow/profiles/README.md says how to cancel them.
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

    for process in _here():
        if _runs(process, "snakemake"):
            raise StudyError(
                f"Snakemake runs in this folder (process {process.pid}), so there is nothing to recover; "
                "wait for it, or stop it with Ctrl-C"
            )
    orphans = [process for process in _here() if _runs(process, str(SCRIPTS))]
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
    print(f"Stopped {len(orphans)} processes that were left behind and unlocked the folder. Start again.")


def _here() -> list[psutil.Process]:
    """The processes of this user that work in this folder, without this one and those that called it."""
    own = {os.getpid(), *(process.pid for process in psutil.Process().parents())}
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.pid not in own and Path(process.cwd()) == Path.cwd():
                found.append(process)
    return found


def _runs(process: psutil.Process, what: str) -> bool:
    """Whether a Python process, or the shell that started it, has this among its words."""
    with contextlib.suppress(psutil.Error):
        words = process.cmdline()
        if what == "snakemake":
            return any(Path(word).name == "snakemake" for word in words[:3]) or words[1:3] == [
                "-m",
                "snakemake",
            ]
        return any(what in word for word in words)
    return False


if __name__ == "__main__":
    main()
