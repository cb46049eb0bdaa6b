"""Which networks a study may name, and whether each of its sections says which network it trains."""

import ast
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from few_weights.plan.fingerprints import architecture_functions
from few_weights.plan.study_file.problems import key_path, unknown_architecture

ARCHITECTURES = Path(__file__).parents[2] / "networks" / "architectures.py"

#: The name of a section becomes the name of a folder and a part of file names, which may have 255 characters.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
LONGEST_NAME = 64


@cache
def architecture_names() -> list[str]:
    """The names of the networks in architectures.py, read without importing Keras."""
    return list(architecture_functions(ast.parse(ARCHITECTURES.read_text(encoding="utf-8"))))


def network_problems(architectures: Mapping[str, Any]) -> list[str]:
    """What is wrong with the names of a study's sections and the networks that they name, one sentence each.

    Args:
        architectures: the sections of a study by name; they need not fit the schema.
    """
    return [
        problem
        for name, section in architectures.items()
        for problem in _section_problems(name, section if isinstance(section, Mapping) else {})
    ]


def _section_problems(name: str, section: Mapping[str, Any]) -> list[str]:
    known, path, problems = architecture_names(), key_path(("architectures", name)), []
    given = [key for key in ("architecture", "file", "layers") if key in section]
    if not NAME.fullmatch(name):
        problems.append(f"{path}: a name must be letters, digits, '_', '-' or '.'")
    elif len(name) > LONGEST_NAME:
        problems.append(f"{path}: a name must have at most {LONGEST_NAME} characters, not {len(name)}")
    elif re.search(r"(.+?)\1{19,}$", name):  # Snakemake takes it for a mistake in a rule
        problems.append(f"{path}: a name must not end with the same letters repeated twenty times")
    elif not given and name not in known:
        problems.append(
            f"architectures: {unknown_architecture(name, known)} (a network of your own needs file or layers)"
        )
    if len(given) > 1:
        problems.append(f"{path}: {' and '.join(given)} each say which network it is; keep one of them")
    elif given and name in known and section.get("architecture") != name:
        problems.append(f"{path}: '{name}' is the name of a built-in network; choose another name for yours")
    elif (
        given == ["architecture"]
        and isinstance(architecture := section["architecture"], str)
        and architecture not in known
    ):
        problems.append(f"{path}.architecture: {unknown_architecture(architecture, known)}")
    if "function" in section and "file" not in section:
        problems.append(f"{path}.function: needs the key file, which is missing")
    if section.get("options") and "layers" in section:
        problems.append(f"{path}.options: are for networks in Python; write the values into the layers")
    if isinstance(section.get("file"), str) and section["file"] and not _is_file(section["file"]):
        problems.append(f"{path}.file: there is no {section['file']} in {Path.cwd()}")
    return problems


def _is_file(path: str) -> bool:
    try:
        return Path(path).is_file()
    except OSError:  # its name is too long, for example
        return False
