"""A round of a search, as its rule calls it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from samples.runs import metrics_of

from few_weights.plan.runs import RUN_FILES, Run

SCRIPT = Path(__file__).parents[2] / "workflow" / "scripts" / "search_widths.py"
#: A network that takes little to prepare.
REQUEST = {
    "architecture": "mlp",
    "network": {"architecture": "mlp", "options": {}},
    "recipe": {"epochs": 1, "batch_size": 32, "optimizer": {"name": "sgd", "learning_rate": 0.1}},
    "image_shape": [4, 4, 1],
    "classes": 3,
    "examples": 64,
    "code": "",
}


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
    (tmp_path / "trained.json").write_text(json.dumps({4: [0, 1], 8: [0, 1]}))
    options = {
        "study": "tiny",
        "folder": tmp_path,
        "architecture": "mlp",
        "round": 0,
        "trained": tmp_path / "trained.json",
        "expected": json.dumps({}),
        "prepare": json.dumps(REQUEST),
        "prepared": tmp_path / "prepared.npz",
        "output": tmp_path / "round-0.json",
    }
    words = [str(word) for name, value in options.items() for word in (f"--{name}", value)]
    words += ["--given", "4", "8", "--seeds", "0", "1", "--targets", "0.7"]
    subprocess.run([sys.executable, SCRIPT, *words], check=True, cwd=tmp_path)
    assert json.loads((tmp_path / "round-0.json").read_text())["next"] == [6]
    done = tmp_path / "prepared.json"
    assert (json.loads(done.read_text())[1] if done.exists() else None) == prepared
    assert (tmp_path / "prepared.npz").exists() == done.exists()
