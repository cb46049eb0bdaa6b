"""Every command in the documentation, run as it is written there.

Commands that install something, submit to a cluster or take hours are run elsewhere or not at all. Each of
them is listed here with the reason, so that a new command cannot stay untested by mistake.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml
from conftest import ROOT, Workflow, copy_workflow

PAGES = [ROOT / "README.md", *sorted((ROOT / ".github").glob("*.md"))]
PAGES += [
    page
    for folder in ("config", "workflow", "tests", "results/reference")
    for page in sorted((ROOT / folder).rglob("*.md"))
]
TUTORIAL = "config/examples/README.md"

#: Commands that are not run here: where they are run instead, or why they are not run.
ELSEWHERE = {
    "make study": "takes ten minutes; a dry run below",
    "make check": "runs part of the tests",
    "make test": "runs this test",
    "make reproduce": "needs our committed runs; test_reproduce.py, with a small study",
    "make reproduce STUDY=article RUNS=2 SEED=325": "needs our committed runs, too; the smoke study below",
    "make format": "would change the copy; `make check` runs the same tools",
    ".venv/bin/python -m pytest tests/unit/test_breakpoints.py": "part of `make test`",
    ".venv/bin/python -m pytest tests/unit/test_breakpoints.py -k breakpoint": "part of `make test`",
    "make env": "made the environment that this test runs in",
    "$EDITOR workflow/profiles/slurm/config.yaml": "tests/cluster edits the lines that the page names",
    ".venv/bin/snakemake --workflow-profile workflow/profiles/slurm --configfile config/smoke.yaml": (
        "tests/cluster, with a smaller study"
    ),
    ".venv/bin/snakemake --workflow-profile workflow/profiles/slurm --configfile config/NAME.yaml": (
        "tests/cluster"
    ),
    ".venv/bin/python -m pip uninstall --yes tensorflow-cpu": "needs CUDA; the page says so",
    ".venv/bin/python -m pip install --require-hashes --requirement envs/training-gpu.txt": "needs CUDA, too",
    "squeue --me -h -o \"%i %j\" | awk '$2 ~ /^fewweights_/ {print $1}' | xargs --no-run-if-empty scancel": (
        "tests/cluster takes this line from the page"
    ),
}


def commands_of(page: Path) -> list[str]:
    """The commands in a page's ```sh blocks, without comments; a backslash or << joins lines."""
    commands = []
    for block in re.findall(r"^```sh\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE):
        block = re.sub(r" +# .*", "", block)
        pieces = re.findall(r"(?:.*<<'END'\n(?:.*\n)*?END\n|(?:.*\\\n)*.*\n)", block)
        commands += [piece.strip() for piece in pieces if piece.strip()]
    return commands


def run(folder: Path, command: str, **environment: str) -> str:
    # Without what `make test` leaves there: as one of its own, a make would print where it works.
    mine = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    job = subprocess.run(
        command, shell=True, cwd=folder, env=mine | environment, capture_output=True, text=True
    )
    output = job.stdout + job.stderr
    assert job.returncode == 0, f"{command}\n{output}"
    return output


def with_environment(workflow: Workflow) -> Workflow:
    """Add what a clone has besides the workflow: the Makefile, and the environment made by `make env`."""
    (workflow.folder / "Makefile").write_bytes((ROOT / "Makefile").read_bytes())
    # A folder of links, so that nothing that make does to it can change the real environment.
    environment = workflow.folder / ".venv"
    environment.mkdir()
    for name in ("bin", "lib", "pyvenv.cfg"):
        (environment / name).symlink_to(Path(sys.prefix, name))
    (environment / "installed").touch()
    return workflow


@pytest.fixture(scope="module")
def clone(finished_smoke, tmp_path_factory) -> Workflow:
    """A fresh clone in a home folder, with the smoke study; commands run in the order of the pages."""
    home = tmp_path_factory.mktemp("home")
    workflow = with_environment(copy_workflow(ROOT, home / "few-weights"))
    for name in ("results", ".snakemake"):
        shutil.copytree(finished_smoke.folder / name, workflow.folder / name)
    return workflow


def test_every_command_works_or_is_listed(clone):
    study = yaml.safe_load((ROOT / "config" / "smoke.yaml").read_text())
    mine = {"study": "mine", "architectures": {"mlp": study["architectures"]["mlp"] | {"widths": [8]}}}
    (clone.folder / "config" / "mine.yaml").write_text(yaml.safe_dump(study | mine))
    own = clone.folder.parent / "my-study"
    own.mkdir()
    (own / "study.yaml").write_text(yaml.safe_dump(study | mine))
    shutil.copytree(clone.folder / "results" / "data", own / "results" / "data")
    unused = set(ELSEWHERE)
    for page in PAGES:
        if page == ROOT / TUTORIAL:
            continue
        folder = clone.folder
        for command in commands_of(page):
            if command in ELSEWHERE:
                unused.discard(command)
            elif command.startswith("cd "):
                folder = clone.folder.parent / command.removeprefix("cd ")
            else:
                run(folder, command, HOME=str(clone.folder.parent))
    assert not unused
    assert (own / "results" / "mine" / "report.html").exists()
    answers = pd.read_csv(clone.folder / "results/digits/breakpoints.csv")
    assert answers["architecture"].tolist() == ["mlp", "residual", "small_cnn"]
    assert answers["reached"].any()


def test_the_tutorial_ends_in_an_answer(clone):
    for command in commands_of(ROOT / TUTORIAL):
        run(clone.folder, command)
    results = clone.folder / "my-study" / "results" / "mine"
    answer = pd.read_csv(results / "breakpoints.csv").iloc[0]
    assert (answer["architecture"], answer["seeds"], answer["selection"]) == ("residual", 3, "validation")
    assert answer["reached"]
    assert (results / "report.html").exists()


def test_a_finished_study_is_reported_and_compared(clone):
    """Commands that the documents mention outside their code blocks."""
    run(clone.folder, "make report STUDY=smoke && make reference STUDY=smoke")
    compared = run(clone.folder, "make compare STUDY=smoke")
    assert "8 of 8 shared runs are equal" in compared and compared.splitlines()[-1] == "equal"
    again = run(clone.folder, "make reproduce STUDY=smoke RUNS=1 SEED=1")
    assert re.search(r"^equal$", again, re.MULTILINE)
    assert "--configfile" not in run(clone.folder, "make --dry-run reproduce")
    benchmark = ".venv/bin/python workflow/scripts/benchmark_training.py --models mlp:16 --rounds 1"
    run(clone.folder, f"{benchmark} --output benchmark")
    assert len(pd.read_csv(clone.folder / "benchmark" / "benchmark.csv")) == 1


def test_the_default_study_is_that_of_the_article(clone):
    plan = run(clone.folder, ".venv/bin/snakemake --cores all --dry-run")
    assert re.search(r"^train_model +24$", plan, re.MULTILINE)
