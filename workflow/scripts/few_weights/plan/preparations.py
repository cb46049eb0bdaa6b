"""Networks prepared for training before the first job, so that their runs start without TensorFlow.

One process per architecture builds its networks, for all widths of the study and all seeds, and writes the
machine code that trains them. A run that finds its network in such a file needs no Keras; any other run, such
as one at a width that a search added, or where Snakemake's environment has no TensorFlow, prepares its own.

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
from few_weights.plan.study import Study

SCRIPT = Path(__file__).parents[2] / "prepare_networks.py"


def prepared_file(study: str, architecture: str) -> Path:
    """The file of an architecture's prepared networks."""
    return CACHE / "prepared" / study / f"{architecture}.npz"


def prepare_networks(study: Study, codes: Mapping[str, str], cores: int) -> None:
    """Prepare the networks of some architectures, unless that has been done already.

    If it fails, the runs prepare their networks themselves and report what is wrong.

    Args:
        study: the study.
        codes: the fingerprint of the training code, for each architecture to prepare.
        cores: how many processes may run simultaneously.
    """
    if importlib.util.find_spec("tensorflow") is None:
        return
    commands = {name: _command(study, name, code) for name, code in codes.items()}
    needed = [name for name, command in commands.items() if not _is_done(study.name, name, command)]
    if needed:
        print(f"Preparing the networks of {', '.join(needed)} …", file=sys.stderr)

    def prepare(name: str) -> None:
        path = prepared_file(study.name, name)
        job = subprocess.run(
            [*commands[name], "--output", str(path)], stdin=subprocess.DEVNULL, capture_output=True
        )
        if job.returncode == 0:
            path.with_suffix(".json").write_text(json.dumps(commands[name]), encoding="utf-8")

    with ThreadPoolExecutor(max(1, cores)) as pool:
        list(pool.map(prepare, needed))


def forget_prepared(study: str) -> None:
    """Remove the files of a finished study."""
    shutil.rmtree(CACHE / "prepared" / study, ignore_errors=True)


def _command(study: Study, architecture: str, code: str) -> list[str]:
    section = study.architectures[architecture]
    options: dict[str, Sequence[object]] = {
        "architecture": [architecture],
        "network": [json.dumps(section.network, sort_keys=True)],
        "recipe": [section.recipe.to_json()],
        "widths": section.widths,
        "seeds": study.seeds,
        "image-shape": study.data.image_shape,
        "classes": [study.data.classes],
        "examples": [study.data.train_examples - study.validation_examples],
        "code": [code],
    }
    words = [word for name, values in options.items() for word in (f"--{name}", *map(str, values))]
    return [sys.executable, str(SCRIPT), *words]


def _is_done(study: str, architecture: str, command: list[str]) -> bool:
    """Whether this command has made the file that is there."""
    path = prepared_file(study, architecture)
    try:
        return path.exists() and json.loads(path.with_suffix(".json").read_text("utf-8")) == command
    except (OSError, ValueError):
        return False
