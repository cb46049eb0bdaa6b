"""Networks prepared for training before their jobs, so that these start without TensorFlow.

Separate processes build the networks of all runs that are to be trained, and write the machine code that
trains them: before the first job, and when a search adds runs. A run that finds its network in such a file
needs no Keras; any other run prepares its own, for example where Snakemake's environment has no TensorFlow.

The files are no input of the runs, because Snakemake would repeat finished runs whenever another seed makes
such a file again, or it is gone.
"""

import importlib.util
import json
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from few_weights.plan.arguments import json_file
from few_weights.plan.environment import CACHE
from few_weights.plan.recipe import file_of
from few_weights.plan.study import Architecture, Study

SCRIPT = Path(__file__).parents[2] / "prepare_networks.py"

#: Width -> the seeds to prepare.
Seeds = Mapping[int, Sequence[int]]


class Preparation(NamedTuple):
    """What is to be prepared of one architecture.

    Args:
        request: as `preparation_request` makes it.
        runs: what is to be trained.
        path: the file to write, a `prepared_file`.
    """

    request: dict[str, Any]
    runs: Seeds
    path: str


def prepared_file(study: str, architecture: str) -> Path:
    """The file of an architecture's prepared networks."""
    return CACHE / "prepared" / study / f"{architecture}.npz"


def prepare_networks(wanted: Sequence[Preparation], cores: int) -> None:
    """Prepare the networks of some architectures, unless that has been done already.

    Args:
        wanted: what is to be prepared.
        cores: how many processes may run simultaneously.
    """
    if importlib.util.find_spec("tensorflow") is None:
        return
    if needed := [each for each in wanted if not _is_done(each)]:
        names = ", ".join(each.request["architecture"] for each in needed)
        print(f"Preparing the networks of {names} …", file=sys.stderr)
        prepare_runs(needed, cores)


def prepare_runs(wanted: Sequence[Preparation], cores: int = 1) -> None:
    """Prepare runs; they replace those that are in the files.

    If that fails for an architecture, its runs prepare their networks themselves and report what is wrong.
    """
    own_code = [each for each in wanted if file_of(each.request["network"])]
    others = [each for each in wanted if each not in own_code]
    # Importing TensorFlow takes four seconds, so processes share the work; but what a user's file changes in
    # its process must not reach other networks.
    parts = [[each] for each in own_code] + [others[first::cores] for first in range(min(cores, len(others)))]
    with ThreadPoolExecutor(max(1, cores)) as pool:
        list(pool.map(_prepare_apart, parts))


def _prepare_apart(wanted: Sequence[Preparation]) -> None:
    """Prepare runs in one other process."""
    command = [sys.executable, str(SCRIPT), "--wanted", json_file(wanted)]
    subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True)


def forget_prepared(study: str) -> None:
    """Remove the files of a finished study."""
    shutil.rmtree(CACHE / "prepared" / study, ignore_errors=True)


def preparation_request(study: Study, section: Architecture, code: str) -> dict[str, Any]:
    """What prepare_networks.py needs to know of an architecture, besides the runs, as values for JSON.

    Args:
        study: the study.
        section: the architecture.
        code: the fingerprint of the training code.
    """
    request = {
        "architecture": section.name,
        "network": section.network,
        "recipe": section.recipe.as_mapping(),
        "image_shape": study.data.image_shape,
        "classes": study.data.classes,
        "examples": study.data.train_examples - study.validation_examples,
        "code": code,
    }
    values: dict[str, Any] = json.loads(json.dumps(request))  # as it is read from a file: without tuples
    return values


def mark_done(done: Preparation) -> None:
    """Note next to a file what it has been prepared for."""
    Path(done.path).with_suffix(".json").write_text(json.dumps([done.request, done.runs]), encoding="utf-8")


def _is_done(wanted: Preparation) -> bool:
    """Whether the file that is there was prepared for this, these runs among others."""
    path = Path(wanted.path)
    try:
        request, prepared = json.loads(path.with_suffix(".json").read_text("utf-8"))
        has_all = all(set(seeds) <= set(prepared.get(str(width), ())) for width, seeds in wanted.runs.items())
    except (OSError, ValueError, TypeError, AttributeError):
        return False
    return path.exists() and request == wanted.request and has_all
