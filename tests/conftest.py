"""What the tests share: a copy of the workflow to run and to change, and a finished small study."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PARTS = ("Snakefile", "workflow", "config", "profiles", "envs")


def pytest_report_header() -> str:
    networks, seed = (os.environ.get(name, "the default") for name in ("FUZZ_NETWORKS", "FUZZ_SEED"))
    return f"fuzz: FUZZ_NETWORKS is {networks}, FUZZ_SEED is {seed} (tests/unit/test_fuzz.py)"


class Workflow:
    """A copy of the workflow in a folder of its own."""

    def __init__(self, folder: Path):
        self.folder = folder

    def snakemake(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess:
        """Run Snakemake there as a user would, two jobs at a time."""
        command = [sys.executable, "-m", "snakemake", "--cores", "2", *arguments]
        job = subprocess.run(command, cwd=self.folder, capture_output=True, text=True)
        assert not check or job.returncode == 0, job.stdout + job.stderr
        return job

    def planned_jobs(self, *arguments: str) -> dict[str, int]:
        """How many jobs of each rule a dry run would start."""
        job = self.snakemake("--dry-run", *arguments)
        counts = re.findall(r"^(\w+) +(\d+)$", job.stdout + job.stderr, re.MULTILINE)
        return {rule: int(count) for rule, count in counts if rule not in ("all", "total")}

    def edit(self, file: str, old: str, new: str) -> None:
        path = self.folder / file
        text = path.read_text()
        assert old in text, f"{file} does not hold {old!r}"
        path.write_text(text.replace(old, new))


def copy_workflow(source: Path, target: Path) -> Workflow:
    target.mkdir()
    for part in PARTS:
        if (source / part).is_dir():
            shutil.copytree(source / part, target / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source / part, target / part)
    return Workflow(target)


@pytest.fixture(scope="session")
def finished_smoke(tmp_path_factory) -> Workflow:
    """config/smoke.yaml run to its end, on real data, with all four architectures. Not to be changed."""
    workflow = copy_workflow(ROOT, tmp_path_factory.mktemp("smoke") / "few-weights")
    workflow.log = workflow.snakemake("--configfile", "config/smoke.yaml")
    return workflow


@pytest.fixture
def smoke(finished_smoke, tmp_path) -> Workflow:
    """A copy of the finished study that a test may change; times of files are kept."""
    copy = tmp_path / "few-weights"
    shutil.copytree(finished_smoke.folder, copy)
    return Workflow(copy)


@pytest.fixture
def fresh(tmp_path) -> Workflow:
    """The workflow in a folder where nothing was run yet."""
    return copy_workflow(ROOT, tmp_path / "few-weights")
