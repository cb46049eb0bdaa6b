"""The parts of Snakemake that it does not offer publicly still do what this workflow needs of them."""

import json
import subprocess
import sys

from conftest import ROOT

INNER = """
import json, sys
sys.path.insert(0, "SCRIPTS")
from few_weights import snakemake_private as private

private.force(workflow, [private.with_prefix(workflow, "made.txt")])

rule make:
    output: "made.txt"
    shell: "echo made > {output}"

rule other:
    output: "other.txt"
    shell: "echo other > {output}"

known = {
    "main": private.is_main_process(workflow),
    "cores": private.cores(workflow),
    "path": private.with_prefix(workflow, "made.txt"),
    "absolute": private.with_prefix(workflow, "/made.txt"),
}

def seen():
    jobs = {job.rule.name: (job.jobid, done) for job, done in private.jobs(workflow)}
    made = private.outputs_of(workflow, next(number for name, (number, _) in jobs.items() if "make" in name))
    return known | {"done": {name: done for name, (_, done) in jobs.items()}, "made": made}
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


def test_forcing_prefix_jobs_and_cores(tmp_path):
    inner = INNER.replace("SCRIPTS", str(ROOT / "workflow" / "scripts"))
    alone = (
        inner + '\nonstart:\n    print("SEEN", json.dumps(seen()))\n\nrule all:\n    default_target: True\n'
    )
    (tmp_path / "Snakefile").write_text(alone + '    input: "made.txt", "other.txt"\n')
    command = [sys.executable, "-m", "snakemake", "--cores", "1"]

    def run():
        job = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert job.returncode == 0, job.stderr
        (line,) = [line for line in job.stdout.splitlines() if line.startswith("SEEN ")]
        return json.loads(line.removeprefix("SEEN "))

    first = run()
    assert first["main"] is True and first["cores"] == 1
    assert (first["path"], first["absolute"]) == ("made.txt", "/made.txt")
    assert first["done"] == {"all": False, "make": False, "other": False}
    assert first["made"] == ["made.txt"]
    # Forced, the first file is made again; the other is not.
    assert run()["done"] == {"all": False, "make": False, "other": True}


def test_a_module_with_a_prefix(tmp_path):
    (tmp_path / "inner.smk").write_text(INNER.replace("SCRIPTS", str(ROOT / "workflow" / "scripts")))
    (tmp_path / "Snakefile").write_text(OUTER)
    for planned in ({"inner_make", "inner_other"}, {"inner_make"}):
        job = subprocess.run(
            [sys.executable, "-m", "snakemake", "--cores", "1"], cwd=tmp_path, capture_output=True, text=True
        )
        assert job.returncode == 0, job.stderr
        assert {name for name in ("inner_make", "inner_other") if f"rule {name}:" in job.stderr} == planned
    assert (tmp_path / "below" / "made.txt").exists()
