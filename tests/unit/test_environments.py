"""There is one source of versions: the conda environments pin the versions of the lock file."""

import re
from pathlib import Path

import pytest
import yaml

ENVS = Path(__file__).parents[2] / "envs"
LOCK = (ENVS / "requirements.txt").read_text()
GPU_LOCK = (ENVS / "training-gpu.txt").read_text()


def locked_versions(lock=LOCK):
    return dict(re.findall(r"^([\w.-]+)==([\w.]+)", lock, re.MULTILINE))


@pytest.mark.parametrize("environment", sorted(ENVS.glob("*.yaml")), ids=lambda path: path.stem)
def test_conda_environments_agree_with_the_lock(environment):
    locked = locked_versions(GPU_LOCK if environment.stem == "training-gpu" else LOCK)
    (pins,) = [
        part["pip"]
        for part in yaml.safe_load(environment.read_text())["dependencies"]
        if isinstance(part, dict)
    ]
    assert pins
    for pin in pins:
        name, version = pin.replace("[and-cuda]", "").split("==")
        assert locked[name] == version, f"{environment.name} has {pin}, the lock {locked[name]}"


def test_the_lock_follows_the_requirements():
    locked = locked_versions()
    wanted = re.findall(r"^([\w.-]+)==([\w.]+)", (ENVS / "requirements.in").read_text(), re.MULTILINE)
    assert wanted
    for name, version in wanted:
        assert locked[name.lower()] == version


def test_the_gpu_environment_differs_only_in_tensorflow():
    """Which environment trained a run must not matter, apart from the GPU itself."""
    gpu, cpu = locked_versions(GPU_LOCK), locked_versions()
    assert any(name.startswith("nvidia-cudnn") for name in gpu)
    assert gpu["tensorflow"] == cpu["tensorflow-cpu"]
    for name in gpu.keys() & cpu.keys():
        assert gpu[name] == cpu[name], name


@pytest.mark.parametrize("lock", [LOCK, GPU_LOCK], ids=["requirements", "training-gpu"])
def test_every_locked_package_has_hashes_and_no_url(lock):
    packages = re.split(r"^(?=[\w.-]+==)", lock, flags=re.MULTILINE)[1:]
    assert len(packages) > 50
    for package in packages:
        assert "--hash=sha256:" in package, package.splitlines()[0]
    assert "://" not in lock


def test_only_trainings_are_sent_to_a_cluster():
    """All other rules take seconds. `use rule … with` inherits everything except `localrule`."""
    sent = []
    for file in (ENVS.parent / "workflow" / "rules").glob("*.smk"):
        for rule in re.split(r"^(?=(?:use )?rule |checkpoint )", file.read_text(), flags=re.MULTILINE)[1:]:
            if "    localrule: True\n" not in rule:
                sent.append(rule.partition(":")[0])
    assert sent == ["rule train_model"]


def test_every_rule_has_an_environment_that_exists():
    rules = ENVS.parent / "workflow" / "rules"
    for file in rules.glob("*.smk"):
        text = file.read_text()
        environments = re.findall(r'conda:\s+"([^"]+)"', text)
        assert len(environments) == len(re.findall(r"^(?:rule|checkpoint) ", text, re.MULTILINE)), file.name
        for environment in environments:
            assert (rules / environment).resolve().exists(), environment
