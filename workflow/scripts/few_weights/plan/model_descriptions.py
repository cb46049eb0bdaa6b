"""The models of a study before the first job: built once in a process of their own, counted and checked."""

import hashlib
import importlib.util
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from few_weights.errors import StudyError
from few_weights.plan.environment import CACHE
from few_weights.plan.fingerprints import code_fingerprint, network_fingerprint
from few_weights.plan.study import Study

SCRIPT = Path(__file__).parents[2] / "describe_models.py"


def describe_models(study: Study) -> dict[tuple[str, int], dict]:
    """(architecture, width) -> parameters and multiply_adds of every model that the study names.

    Those are the models to train and the baselines. Each is built once, and the user's own take a step of
    training, in seconds; the answer is kept for the next start. What is suspicious is printed at each start.
    The answer is empty where Snakemake's own environment has no TensorFlow, as with `--sdm conda`: then
    jobs start in no particular order.

    Raises:
        StudyError: a model of the study cannot be built, trained or stored.
    """
    widths = baseline_widths(study)
    for name, section in study.architectures.items():
        widths[name] = list(dict.fromkeys([*section.widths, *widths.get(name, [])]))
    request = description_request(study, widths, trained=True)
    key = hashlib.sha256((request + description_code(study)).encode()).hexdigest()[:16]
    cached = CACHE / f"models-{key}.json"
    wanted = {(name, width) for name in widths for width in widths[name]}
    models = _read_description(cached, wanted)
    if models is None:
        if importlib.util.find_spec("tensorflow") is None:
            return {}
        command = [sys.executable, SCRIPT, "--models", request, "--output", cached]
        job = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace"
        )
        models = _read_description(cached, wanted) if job.returncode == 0 else None
        if models is None:
            message = f"\n{job.stderr}".partition("\nerror: ")[2]
            raise StudyError(message.strip() or f"the networks could not be built:\n{job.stderr[-2000:]}")
        print(job.stdout, end="", file=sys.stderr)
    for model in models.values():
        for warning in model["warnings"]:
            print(f"Warning: {warning}", file=sys.stderr)
    return models


def _read_description(path: Path, wanted: set[tuple[str, int]]) -> dict[tuple[str, int], dict] | None:
    """The models that describe_models.py wrote; None where the file is missing, damaged or incomplete."""
    try:
        records = json.loads(path.read_text(encoding="utf-8"))
        models = {
            (record["architecture"], record["width"]): {
                key: record[key]
                for key in ("architecture", "width", "parameters", "multiply_adds", "warnings")
            }
            for record in records
        }
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return models if set(models) == wanted else None


def description_request(study: Study, widths: Mapping[str, list[int]], trained: bool = False) -> str:
    """What describe_models.py is asked, as JSON: networks by name, at these widths, and the data's shape.

    `full_matrix` names the widths that are to be trained with an optimizer that takes small networks alone.
    With `trained`, the user's own networks are asked for a step of training and all that comes after.
    """
    networks = {
        name: {"network": study.network(name), "widths": its_widths, "full_matrix": []}
        for name, its_widths in widths.items()
    }
    for name, section in study.architectures.items():
        if name not in networks:
            continue
        optimizer = section.recipe.optimizer
        if optimizer["name"] == "full_matrix_adam":
            networks[name]["full_matrix"] = section.widths
        if trained and "architecture" not in section.network:
            networks[name]["training"] = {
                "optimizer": optimizer,
                # Two are enough to see whether they differ.
                "seeds": study.seeds[:2],
                "export": study.export_models,
            }
    data = {"image_shape": study.data.image_shape, "classes": study.data.classes}
    return json.dumps(data | {"networks": networks}, sort_keys=True)


def description_code(study: Study) -> str:
    """The fingerprint of all code that describe_models.py runs for a study."""
    files = sorted({section.file for section in study.architectures.values() if section.file})
    return "".join([code_fingerprint(SCRIPT), *(network_fingerprint(SCRIPT, file=Path(f)) for f in files)])


def baseline_widths(study: Study) -> dict[str, list[int]]:
    """Architecture -> the widths that serve as a baseline; the study need not train them."""
    widths: dict[str, list[int]] = {}
    for section in study.architectures.values():
        baseline = section.baseline
        if baseline.width not in widths.setdefault(baseline.architecture, []):
            widths[baseline.architecture].append(baseline.width)
    return widths
