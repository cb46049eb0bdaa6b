"""The parts of Snakemake that are not its public interface still do what this workflow needs."""

import json
import subprocess
import sys

from conftest import ROOT

IMPORT = f"""
import json, sys
from pathlib import Path
sys.path.insert(0, "{ROOT / "workflow" / "scripts"}")
from few_weights.plan import snakemake_private as private
"""

INNER = f"""
{IMPORT}
private.force(workflow, [private.with_prefix(workflow, "made.txt")])

rule make:
    output: "made.txt"
    shell: "echo made > {{output}}"

rule other:
    output: "other.txt"
    shell: "echo other > {{output}}"

known = {{
    "main": private.is_main_process(workflow),
    "cores": private.cores(workflow),
    "path": private.with_prefix(workflow, "made.txt"),
    "absolute": private.with_prefix(workflow, "/made.txt"),
}}

def observed():
    jobs = {{job.rule.name: (job.jobid, done) for job, done in private.jobs(workflow)}}
    made = private.outputs_of(workflow, next(number for name, (number, _) in jobs.items() if "make" in name))
    return known | {{"done": {{name: done for name, (_, done) in jobs.items()}}, "made": made}}
"""

ALONE = f"""
{INNER}
onstart:
    print("OBSERVED", json.dumps(observed()))

rule all:
    default_target: True
    input: "made.txt", "other.txt"
"""

OUTER = """
module inner:
    snakefile: "inner.smk"
    prefix: "below"

use rule * from inner as inner_*

rule all:
    default_target: True
    input: "below/made.txt", "below/other.txt"
"""

#: As in workflow/rules: the other rules depend on the stamp, and the data is fetched when it is missing. Each
#: job writes a line to order.txt.
FETCH = f"""
{IMPORT}
if not Path("data.txt").exists() and Path("stamp.txt").exists():
    private.run_first(workflow, "data.txt", Path("stamp.txt"))

rule fetch:
    output:
        data="data.txt",
        stamp=touch("stamp.txt"),
    shell: "echo data > {{output.data}}; echo fetch >> order.txt"

rule train:
    input: ancient("stamp.txt")
    output: "run-{{number}}.txt"
    params: recipe=Path("recipe.txt").read_text()
    shell: "cat data.txt > {{output}}; echo train-{{wildcards.number}} >> order.txt"

rule merge:
    input: "run-1.txt", "run-2.txt"
    output: "merged.txt"
    shell: "cat {{input}} > {{output}}; echo merge >> order.txt"

rule all:
    default_target: True
    input: "merged.txt", "data.txt", "run-1.txt", "run-2.txt"
"""


def run(folder, *targets):
    """Snakemake's finished process in a folder; it must succeed."""
    command = [sys.executable, "-m", "snakemake", "--cores", "1", *targets]
    job = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert job.returncode == 0, job.stderr
    return job


def test_forcing_prefix_jobs_and_cores(tmp_path):
    (tmp_path / "Snakefile").write_text(ALONE)

    def observe():
        (line,) = [line for line in run(tmp_path).stdout.splitlines() if line.startswith("OBSERVED ")]
        return json.loads(line.removeprefix("OBSERVED "))

    first = observe()
    assert first["main"] is True and first["cores"] == 1
    assert (first["path"], first["absolute"]) == ("made.txt", "/made.txt")
    assert first["done"] == {"all": False, "make": False, "other": False}
    assert first["made"] == ["made.txt"]
    # The first file is forced and made again; the other is not.
    assert observe()["done"] == {"all": False, "make": False, "other": True}


def test_a_module_with_a_prefix(tmp_path):
    (tmp_path / "inner.smk").write_text(INNER)
    (tmp_path / "Snakefile").write_text(OUTER)
    for planned in ({"inner_make", "inner_other"}, {"inner_make"}):
        output = run(tmp_path).stderr
        assert {name for name in ("inner_make", "inner_other") if f"rule {name}:" in output} == planned
    assert (tmp_path / "below" / "made.txt").exists()
    # What is forced is not made for a user who asked for something else.
    (tmp_path / "below" / "other.txt").unlink()
    output = run(tmp_path, "below/other.txt").stderr
    assert "rule inner_other:" in output and "rule inner_make:" not in output


def test_a_job_that_runs_first_repeats_no_other_job(tmp_path):
    (tmp_path / "Snakefile").write_text(FETCH)
    (tmp_path / "recipe.txt").write_text("1 epoch")

    def jobs_without(*missing):
        """The jobs that run after these files have been deleted, in their order."""
        (tmp_path / "order.txt").unlink(missing_ok=True)
        for name in missing:
            (tmp_path / name).unlink()
        run(tmp_path)
        order = tmp_path / "order.txt"
        return order.read_text().split() if order.exists() else []

    first, *trainings, last = jobs_without()
    assert (first, sorted(trainings), last) == ("fetch", ["train-1", "train-2"], "merge")
    assert jobs_without() == []
    # Only the data is missing: nothing that was made from it is repeated.
    assert jobs_without("data.txt") == ["fetch"]
    # The data and a run are missing: the data is fetched before the run, and the other run is not repeated.
    assert jobs_without("data.txt", "run-2.txt") == ["fetch", "train-2", "merge"]
    # Jobs that have changed are noticed although the data is fetched.
    (tmp_path / "recipe.txt").write_text("2 epochs")
    first, *trainings, last = jobs_without("data.txt")
    assert (first, sorted(trainings), last) == ("fetch", ["train-1", "train-2"], "merge")
    assert jobs_without() == []
