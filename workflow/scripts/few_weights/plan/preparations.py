"""Networks prepared for training before their jobs, so that these start without TensorFlow.

One process per architecture builds its networks, for all runs that are to be trained, and writes the machine
code that trains them: before the first job, and when a search adds runs. A run that finds its network in such
a file needs no Keras; any other run prepares its own, for example where Snakemake's environment has no
TensorFlow.

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

from few_weights.plan.environment import CACHE
from few_weights.plan.study import Architecture, Study

SCRIPT = Path(__file__).parents[2] / "prepare_networks.py"


def prepared_file(study: str, architecture: str) -> Path:
    """The file of an architecture's prepared networks."""
    return CACHE / "prepared" / study / f"{architecture}.npz"


#: Width -> the seeds to prepare.
Seeds = Mapping[int, Sequence[int]]


def prepare_networks(
    study: Study, commands: Mapping[str, list[str]], runs: Mapping[str, Seeds], cores: int
) -> None:
    """Prepare the networks of some architectures, unless that has been done already.

    Args:
        study: the study.
        commands: the `preparation_command` of each architecture.
        runs: for each architecture, what is to be trained.
        cores: how many processes may run simultaneously.
    """
    if importlib.util.find_spec("tensorflow") is None:
        return
    files = {name: prepared_file(study.name, name) for name in runs}
    needed = [name for name in runs if not _is_done(commands[name], runs[name], files[name])]
    if needed:
        print(f"Preparing the networks of {', '.join(needed)} …", file=sys.stderr)
    with ThreadPoolExecutor(max(1, cores)) as pool:
        list(pool.map(lambda name: prepare_runs(commands[name], runs[name], files[name]), needed))


def prepare_runs(command: list[str], runs: Seeds, path: Path) -> None:
    """Prepare runs of one architecture; they replace those that are in the file.

    If it fails, the runs prepare their networks themselves and report what is wrong.

    Args:
        command: the architecture's `preparation_command`.
        runs: what is to be trained.
        path: its `prepared_file`.
    """
    words = [*command, "--runs", json.dumps(runs), "--output", str(path)]
    job = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True)
    if job.returncode == 0:
        path.with_suffix(".json").write_text(json.dumps([command, runs]), encoding="utf-8")


def forget_prepared(study: str) -> None:
    """Remove the files of a finished study."""
    shutil.rmtree(CACHE / "prepared" / study, ignore_errors=True)


def preparation_command(study: Study, section: Architecture, code: str) -> list[str]:
    """The command that prepares runs of an architecture, without the runs.

    Args:
        study: the study.
        section: the architecture.
        code: the fingerprint of the training code.
    """
    options: dict[str, Sequence[object]] = {
        "architecture": [section.name],
        "network": [json.dumps(section.network, sort_keys=True)],
        "recipe": [section.recipe.to_json()],
        "image-shape": study.data.image_shape,
        "classes": [study.data.classes],
        "examples": [study.data.train_examples - study.validation_examples],
        "code": [code],
    }
    words = [word for name, values in options.items() for word in (f"--{name}", *map(str, values))]
    return [sys.executable, str(SCRIPT), *words]


def _is_done(command: list[str], runs: Seeds, path: Path) -> bool:
    """Whether this command has made the file that is there, for these runs among others."""
    try:
        known, prepared = json.loads(path.with_suffix(".json").read_text("utf-8"))
    except (OSError, ValueError):
        return False
    has_all = all(set(seeds) <= set(prepared.get(str(width), ())) for width, seeds in runs.items())
    return path.exists() and known == command and has_all
