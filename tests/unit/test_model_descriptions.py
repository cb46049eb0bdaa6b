"""The descriptions of a study's models are kept for the next start, and made again if they are damaged."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from samples.studies import resolve

from few_weights.plan import environment, model_descriptions

STUDY = {
    "study": "tiny",
    "dataset": "digits",
    "targets": [0.5],
    "seeds": [3, 4, 5],
    "architectures": {
        "listed": {
            "layers": ["Flatten", {"Dense": {"units": "classes", "activation": "softmax"}}],
            "widths": [2, 4],
            "epochs": 1,
            "batch_size": 8,
            "optimizer": {"name": "sgd", "learning_rate": 0.1},
        }
    },
}


@pytest.fixture
def described(tmp_path, monkeypatch):
    """A study, and the commands that described it, which write a record with a warning for each model."""
    monkeypatch.chdir(tmp_path)
    commands = []

    def run(command, **options):
        commands.append(command)
        records = [
            {"architecture": "listed", "width": w, "parameters": w, "multiply_adds": w, "warnings": [f"w{w}"]}
            for w in (2, 4)
        ]
        output = Path(command[command.index("--output") + 1])
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(json.dumps(records))
        return subprocess.CompletedProcess(command, 0, "Parameters of listed\n", "")

    monkeypatch.setattr(model_descriptions.subprocess, "run", run)
    return resolve(STUDY), commands


def test_a_description_is_made_once_and_warns_at_every_start(described, capsys):
    study, commands = described
    for start in range(3):
        models = model_descriptions.describe_models(study)
        assert models["listed", 4]["parameters"] == 4
        printed = capsys.readouterr().err
        assert printed.endswith("Warning: w2\nWarning: w4\n")
        assert ("Parameters" in printed) == (start == 0)
    assert len(commands) == 1


@pytest.mark.parametrize(
    "content", ["", "[", "null", "[]", "[1]", "[{}]", '[{"architecture": "listed", "width": 2}]', "\udcff"]
)
def test_a_damaged_description_is_made_again(described, content):
    study, commands = described
    model_descriptions.describe_models(study)
    (cached,) = environment.CACHE.glob("models-*")
    cached.write_bytes(content.encode(errors="surrogateescape"))
    assert set(model_descriptions.describe_models(study)) == {("listed", 2), ("listed", 4)}
    assert len(commands) == 2


def test_models_that_the_start_has_described_are_not_built_again(tmp_path):
    record = {"architecture": "cnn", "width": 2, "parameters": 7, "multiply_adds": 5, "warnings": []}
    known, output = tmp_path / "known.json", tmp_path / "output.json"
    known.write_text(json.dumps([record | {"width": 4}, record]))
    network = {"network": {"architecture": "cnn", "options": {}}, "full_matrix": []}
    for widths, parameters in (([2], [7]), ([2, 3], None)):
        request = {
            "image_shape": [12, 12, 1],
            "classes": 3,
            "networks": {"cnn": network | {"widths": widths}},
        }
        models = tmp_path / "models.json"
        models.write_text(json.dumps(request))
        command = [sys.executable, model_descriptions.SCRIPT, "--models", models]
        subprocess.run([*command, "--output", output, "--known", known], check=True)
        counted = [model["parameters"] for model in json.loads(output.read_text())]
        assert len(counted) == len(widths)
        assert counted == parameters if parameters else 7 not in counted


def test_only_users_networks_are_trained_for_a_step(described):
    study, _ = described
    widths = {"listed": [2, 4], "cnn": [8]}
    networks = model_descriptions.description_request(study, widths, trained=True)["networks"]
    assert networks["listed"]["training"]["seeds"] == [3, 4]
    assert "training" not in networks["cnn"]
    networks = model_descriptions.description_request(study, widths)["networks"]
    assert "training" not in networks["listed"]
