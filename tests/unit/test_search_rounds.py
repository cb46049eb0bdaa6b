"""A round of a search, as its rule calls it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from samples.runs import metrics_of

from few_weights.plan.runs import RUN_FILES, Run

SCRIPT = Path(__file__).parents[2] / "workflow" / "scripts" / "search_widths.py"
#: Stands for the command that prepares networks: it writes which runs it was asked for to its output.
PREPARE = """if True:
    import sys
    asked = dict(zip(sys.argv[1::2], sys.argv[2::2]))
    open(asked["--output"], "w").write(asked["--runs"])
"""


@pytest.mark.parametrize(
    ("finished", "prepared"),
    [([], {"6": [0, 1]}), ([Run("mlp", 6, 0)], {"6": [1]}), ([Run("mlp", 6, 0), Run("mlp", 6, 1)], None)],
)
def test_a_round_prepares_the_runs_that_it_asks_for_unless_they_are_finished(tmp_path, finished, prepared):
    judged = [Run("mlp", width, seed) for width in (4, 8) for seed in (0, 1)]
    for run in [*judged, *finished]:
        path = run.metrics_path(tmp_path)
        path.parent.mkdir(parents=True)
        for name in RUN_FILES:
            path.with_name(name).touch()
        path.write_text(json.dumps(metrics_of(run, correct=9_000 if run.width > 4 else 5_000)))
    options = {
        "study": "tiny",
        "folder": tmp_path,
        "architecture": "mlp",
        "round": 0,
        "trained": json.dumps({4: [0, 1], 8: [0, 1]}),
        "expected": json.dumps({"mlp": {}}),
        "prepare": json.dumps([sys.executable, "-c", PREPARE]),
        "prepared": tmp_path / "prepared.npz",
        "output": tmp_path / "round-0.json",
    }
    words = [str(word) for name, value in options.items() for word in (f"--{name}", value)]
    words += ["--given", "4", "8", "--seeds", "0", "1", "--targets", "0.7"]
    subprocess.run([sys.executable, SCRIPT, *words], check=True)
    assert json.loads((tmp_path / "round-0.json").read_text())["next"] == [6]
    file = tmp_path / "prepared.npz"
    assert (json.loads(file.read_text()) if file.exists() else None) == prepared
