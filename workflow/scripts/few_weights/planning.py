"""What the Snakefile must know before the first job: the models, their cost, and where to write."""

import hashlib
import importlib.util
import json
import math
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from few_weights.errors import StudyError
from few_weights.fingerprint import code_fingerprint, network_fingerprint
from few_weights.study import network_of_baseline

SCRIPT = Path(__file__).parents[1] / "describe_models.py"
#: Trainings of a lower `training_cost` are cheap: they take a minute or so, of which a cluster's own
#: overhead would be a good part.
CHEAP = 10_000

CACHE = Path(".snakemake", "few-weights")


def describe_models(study: Mapping) -> dict[tuple[str, int], dict]:
    """(architecture, width) -> parameters and multiply_adds of every model that the study names.

    Those are the models to train and the baselines. Each is built once, and the user's own take a step of
    training, in seconds; the answer is kept for the next start. What is suspicious is printed at each start.
    The answer is empty where Snakemake's own environment has no TensorFlow, as with `--sdm conda`: then
    jobs start in no particular order.

    Raises:
        StudyError: a model of the study cannot be built, trained or stored.
    """
    widths = baseline_widths(study)
    for name, section in study["architectures"].items():
        widths[name] = list(dict.fromkeys([*section["widths"], *widths.get(name, [])]))
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


def description_request(study: Mapping, widths: Mapping[str, list[int]], trained: bool = False) -> str:
    """What describe_models.py is asked, as JSON: networks by name, at these widths, and the data's shape.

    `full_matrix` names the widths that are to be trained with an optimizer that takes small networks alone.
    With `trained`, the user's own networks are asked for a step of training and all that comes after.
    """
    networks = {
        name: {"network": network_of_baseline(study, name), "widths": its_widths, "full_matrix": []}
        for name, its_widths in widths.items()
    }
    for name, section in study["architectures"].items():
        if name not in networks:
            continue
        if section["optimizer"]["name"] == "full_matrix_adam":
            networks[name]["full_matrix"] = section["widths"]
        if trained and "architecture" not in section["network"]:
            networks[name]["training"] = {
                "optimizer": section["optimizer"],
                # Two are enough to see whether they differ.
                "seeds": study["seeds"][:2],
                "export": study["export_models"],
            }
    data = {key: study["data"][key] for key in ("image_shape", "classes")}
    return json.dumps(data | {"networks": networks}, sort_keys=True)


def description_code(study: Mapping) -> str:
    """The fingerprint of all code that describe_models.py runs for a study."""
    files = sorted({s["network"]["file"] for s in study["architectures"].values() if "file" in s["network"]})
    return "".join([code_fingerprint(SCRIPT), *(network_fingerprint(SCRIPT, file=Path(f)) for f in files)])


def baseline_widths(study: Mapping) -> dict[str, list[int]]:
    """Architecture -> the widths that serve as a baseline; the study need not train them."""
    widths: dict[str, list[int]] = {}
    for section in study["architectures"].values():
        baseline = section["baseline"]
        if baseline["width"] not in widths.setdefault(baseline["architecture"], []):
            widths[baseline["architecture"]].append(baseline["width"])
    return widths


def training_cost(model: Mapping, epochs: int) -> int:
    """How long a training takes, relative to others: for ordering jobs, not for promising times.

    Forward and backward pass cost about three times the forward multiply-adds; a million of them for each
    image and epoch is a fair unit, and every model has some overhead however small it is.
    """
    return epochs * (3 * model["multiply_adds"] // 1000 + 100)


def training_seconds(cost: int, train_examples: int) -> float:
    """About how long a training of that `training_cost` takes on one core, with its start, in seconds.

    The 24 models of the article's study took 0.3 to 1.5 ms for each unit of cost and 60,000 images on an
    AMD EPYC with AVX-512, 1.0 in the middle. Only the first guess of a study's length rests on it.
    """
    return 4 + (cost or 1000) / 1000 * train_examples / 60_000


def training_minutes(cost: int, epochs: int) -> int:
    """A time limit for a training of that `training_cost`, in minutes.

    On one core of an AMD EPYC no run of the article's study took longer than cost / 400 + 5 seconds an epoch.
    Three times that leaves room for slower processors, and two minutes for the start on a busy node. Two
    hours where the cost is unknown (0).
    """
    if cost == 0:
        return 120
    return math.ceil(3 * (cost / 400 + 5 * epochs) / 60) + 2


def put_own_python_first() -> None:
    """Let the jobs' `python` be the one that runs Snakemake, also where its environment is not activated."""
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"


def require_writable(folder: Path) -> None:
    """Refuse to start where results cannot be written.

    Raises:
        StudyError: the folder, or the nearest that exists above it, is not writable.
    """
    nearest = next(path for path in (folder, *folder.parents) if path.exists())
    if not nearest.is_dir():
        raise StudyError(f"{nearest} is a file; results go to {folder}/: move it away")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise StudyError(
            f"{nearest.resolve()} is not writable, and results go to {folder}/: "
            "mend its permissions, or run in another folder with --directory"
        )
