"""What the tests share: copies of the workflow that they can run and change, and a finished small study."""

import contextlib
import fcntl
import functools
import gc
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
from samples import dry_runs
from samples.dry_runs import planned_jobs

import few_weights  # noqa: F401  # before any test imports NumPy, whose linear algebra it pins

ROOT = Path(__file__).parents[1]
PARTS = ("Snakefile", "workflow", "config", "profiles", "envs")

#: The files of tests that take longest, which start first, so that no core is idle at the end.
LONGEST_FIRST = (
    "test_slurm.py",
    "test_plan.py",
    "test_documented_commands.py",
    "test_certainty_rounds.py",
    "test_halving.py",
    "test_refinement.py",
    "test_reproduce.py",
    "test_own.py",
    "test_processes.py",
    "test_bad_input.py",
    "test_reruns.py",
)


def pytest_report_header() -> str:
    networks, seed = (os.environ.get(name, "the default") for name in ("FUZZ_NETWORKS", "FUZZ_SEED"))
    return f"fuzz: FUZZ_NETWORKS is {networks}, FUZZ_SEED is {seed} (tests/unit/test_fuzz.py)"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    order = {name: position for position, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: order.get(item.path.name, len(order)))


@pytest.fixture(autouse=True)
def seeded() -> None:
    """Each test draws the same weights whenever it runs, so one that fails does so again."""
    if "keras" in sys.modules:
        leave_out_imports()
        sys.modules["keras"].utils.set_random_seed(0)


@functools.cache
def leave_out_imports() -> None:
    """Let garbage collection skip TensorFlow's many objects: `clear_session` collects before each test."""
    gc.freeze()


class Workflow:
    """A copy of the workflow in its own folder.

    Args:
        folder: the root of the copy.
        output: what Snakemake printed there, if that is of interest to tests.
    """

    def __init__(self, folder: Path, output: str = ""):
        self.folder = folder
        self.output = output

    def snakemake(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess:
        """Run Snakemake there as a user would, with two jobs at a time."""
        command = [sys.executable, "-m", "snakemake", "--cores", "2", *arguments]
        job = subprocess.run(command, cwd=self.folder, capture_output=True, text=True)
        assert not check or job.returncode == 0, job.stdout + job.stderr
        return job

    def kill_snakemake_when(self, has_come: Callable[[], bool], *arguments: str) -> None:
        """Run Snakemake there, kill it with all of its jobs as soon as `has_come`, and unlock the folder."""
        command = [sys.executable, "-m", "snakemake", "--cores", "2", *arguments]
        nothing = subprocess.DEVNULL
        job = subprocess.Popen(
            command, cwd=self.folder, stdout=nothing, stderr=nothing, start_new_session=True
        )
        deadline = time.monotonic() + 300
        while not has_come():
            assert job.poll() is None and time.monotonic() < deadline
            time.sleep(0.2)
        os.killpg(job.pid, signal.SIGKILL)
        job.wait()
        self.snakemake(*arguments, "--unlock")

    def planned_jobs(self, *arguments: str) -> dict[str, int]:
        """The number of jobs of each rule in a dry run."""
        job = self.snakemake("--dry-run", *arguments)
        return planned_jobs(job.stdout + job.stderr)

    def planned_jobs_without(self, paths: Iterable[Path], *arguments: str) -> list[dict[str, int]]:
        """The same, with one of these files missing at a time."""
        command = [sys.executable, dry_runs.__file__, str(self.folder), "--cores", "2", *arguments]
        lines = "".join(f"{path}\n" for path in paths)
        job = subprocess.run(command, input=lines, cwd=self.folder, capture_output=True, text=True)
        assert job.returncode == 0, job.stdout + job.stderr
        return [json.loads(line) for line in job.stdout.splitlines()]

    def edit(self, file: str, old: str, new: str) -> None:
        path = self.folder / file
        text = path.read_text()
        assert old in text, f"{file} does not hold {old!r}"
        path.write_text(text.replace(old, new))


def copy_workflow(source: Path, target: Path) -> Workflow:
    """Copy the workflow, without results or environment, to a folder that does not exist yet."""
    target.mkdir(parents=True)
    for part in PARTS:
        if (source / part).is_dir():
            shutil.copytree(source / part, target / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source / part, target / part)
    return Workflow(target)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on a file, which other processes wait for."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory) -> Path:
    """A temporary folder that all processes of this run of pytest share."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture(scope="session")
def finished_smoke(shared_folder) -> Workflow:
    """config/smoke.yaml run to the end, on real data, with all four architectures. Tests must not change it.

    The first process that needs it runs the study, and the others wait for that.
    """
    folder, output = shared_folder / "smoke" / "few-weights", shared_folder / "smoke.json"
    with locked(shared_folder / "smoke.lock"):
        if not output.exists():
            shutil.rmtree(folder, ignore_errors=True)
            job = copy_workflow(ROOT, folder).snakemake("--configfile", "config/smoke.yaml")
            output.write_text(json.dumps(job.stdout + job.stderr))
    return Workflow(folder, json.loads(output.read_text()))


@pytest.fixture
def smoke(finished_smoke, tmp_path) -> Workflow:
    """A copy of the finished study that a test may change. Files keep their times."""
    copy = tmp_path / "few-weights"
    shutil.copytree(finished_smoke.folder, copy)
    return Workflow(copy)


@pytest.fixture
def fresh(tmp_path) -> Workflow:
    """The workflow in a folder where nothing has been run yet."""
    return copy_workflow(ROOT, tmp_path / "few-weights")
