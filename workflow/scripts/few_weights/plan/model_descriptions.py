"""The parameters and cost of a study's models, known before the first job: a separate process builds them."""

import hashlib
import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypedDict

from few_weights.errors import StudyError
from few_weights.plan.arguments import json_file
from few_weights.plan.environment import CACHE
from few_weights.plan.fingerprints import code_fingerprint, network_fingerprint
from few_weights.plan.recipe import Network
from few_weights.plan.study import Study

SCRIPT = Path(__file__).parents[2] / "describe_models.py"


class Description(TypedDict):
    """What is known about a model before it is trained.

    `multiply_adds` is for one forward pass of one image; `warnings` are sentences.
    """

    architecture: str
    width: int
    parameters: int
    multiply_adds: int
    warnings: list[str]


class TrainingRequest(TypedDict):
    """How a network is to be trained for one step, to see that it can be trained, stored and exported."""

    optimizer: dict[str, Any]
    seeds: list[int]
    export: bool


class _NetworkRequest(TypedDict):
    network: Network
    widths: list[int]
    full_matrix: list[int]


class NetworkRequest(_NetworkRequest, total=False):
    """The models of one section that are to be described.

    `full_matrix` lists the widths to be trained with an optimizer that is only for small networks. Without
    `training`, models are built and counted only.
    """

    training: TrainingRequest


class DescriptionRequest(TypedDict):
    """What describe_models.py is asked: networks by the name of their section."""

    image_shape: tuple[int, int, int]
    classes: int
    networks: dict[str, NetworkRequest]


def describe_models(study: Study) -> dict[tuple[str, int], Description]:
    """The descriptions of all models to train and all baselines of a study, by architecture and width.

    Each model is built once, and a user's own network is trained for one step, which takes seconds; the
    result is kept for the next start. Warnings are printed at every start. The result is empty where
    Snakemake's own environment has no TensorFlow, as with `--sdm conda`: then jobs start in no particular
    order.

    Raises:
        StudyError: a model of the study cannot be built, trained or stored.
    """
    widths = _all_widths(study)
    request = description_request(study, widths, trained=True)
    cached = description_file(study)
    wanted = [(name, width) for name in widths for width in widths[name]]
    models = read_descriptions(cached, wanted)
    if models is None:
        if importlib.util.find_spec("tensorflow") is None:
            return {}
        command = [sys.executable, str(SCRIPT), "--models", json_file(request), "--output", str(cached)]
        job = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace"
        )
        models = read_descriptions(cached, wanted) if job.returncode == 0 else None
        if models is None:
            message = f"\n{job.stderr}".partition("\nerror: ")[2]
            raise StudyError(message.strip() or f"the networks could not be built:\n{job.stderr[-2000:]}")
        print(job.stdout, end="", file=sys.stderr)
    for model in models.values():
        for warning in model["warnings"]:
            print(f"Warning: {warning}", file=sys.stderr)
    return models


def description_file(study: Study) -> Path:
    """Where the descriptions of all models of a study are kept."""
    request = description_request(study, _all_widths(study), trained=True)
    text = json.dumps(request, sort_keys=True) + description_code(study)
    key = hashlib.sha256(text.encode()).hexdigest()[:16]
    return CACHE / f"models-{key}.json"


def _all_widths(study: Study) -> dict[str, list[int]]:
    """Architecture -> the widths to train, and those that are baselines."""
    widths = baseline_widths(study)
    for name, section in study.architectures.items():
        widths[name] = list(dict.fromkeys([*section.widths, *widths.get(name, [])]))
    return widths


def read_descriptions(
    path: Path, wanted: Iterable[tuple[str, int]]
) -> dict[tuple[str, int], Description] | None:
    """The models that describe_models.py wrote, by architecture and width; None where its file is missing or
    damaged, or lacks one that is wanted."""
    try:
        records = json.loads(path.read_text(encoding="utf-8"))
        models = {
            (record["architecture"], record["width"]): Description(
                architecture=record["architecture"],
                width=record["width"],
                parameters=record["parameters"],
                multiply_adds=record["multiply_adds"],
                warnings=record["warnings"],
            )
            for record in records
        }
        return {model: models[model] for model in wanted}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def description_request(
    study: Study, widths: Mapping[str, list[int]], trained: bool = False
) -> DescriptionRequest:
    """What describe_models.py is asked about a study.

    Args:
        study: the study.
        widths: architecture -> the widths to describe.
        trained: whether users' own networks are to be trained for one step, stored and exported as well.
    """
    networks: dict[str, NetworkRequest] = {
        name: {"network": study.network(name), "widths": of_network, "full_matrix": []}
        for name, of_network in widths.items()
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
                # Two seeds are enough to see whether the initial weights depend on the seed.
                "seeds": section.seeds[:2],
                "export": study.export_models,
            }
    return {
        "image_shape": study.data.image_shape,
        "classes": study.data.classes,
        "networks": networks,
    }


def description_code(study: Study) -> str:
    """A fingerprint of all code that describe_models.py runs for a study."""
    files = sorted({section.file for section in study.architectures.values() if section.file})
    return "".join([code_fingerprint(SCRIPT), *(network_fingerprint(SCRIPT, file=Path(f)) for f in files)])


def baseline_widths(study: Study) -> dict[str, list[int]]:
    """Architecture -> the widths that are baselines, whether or not the study trains them."""
    widths: dict[str, list[int]] = {}
    for section in study.architectures.values():
        baseline = section.baseline
        if baseline.width not in widths.setdefault(baseline.architecture, []):
            widths[baseline.architecture].append(baseline.width)
    return widths
