"""Which networks a study may name, and whether each section says which one it is."""

import ast
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from few_weights.plan.fingerprints import architecture_functions
from few_weights.plan.study_file.problems import key_path, unknown_architecture

ARCHITECTURES = Path(__file__).parents[2] / "networks" / "architectures.py"


#: An architecture's name becomes that of a folder and part of a file's, which may have 255 characters.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


LONGEST_NAME = 64


@cache
def architecture_names() -> list[str]:
    """The names under which architectures.py registers its networks, read without importing Keras."""
    return list(architecture_functions(ast.parse(ARCHITECTURES.read_text(encoding="utf-8"))))


def unusable_networks(study: Mapping) -> list[str]:
    """Sections that say of no network, or of two, what it is."""
    known, problems = architecture_names(), []
    for name, section in study["architectures"].items():
        place = key_path(("architectures", name))
        section = section if isinstance(section, Mapping) else {}
        given = [key for key in ("architecture", "file", "layers") if key in section]
        if not NAME.fullmatch(name):
            problems.append(f"{place}: a name must be letters, digits, '_', '-' or '.'")
        elif len(name) > LONGEST_NAME:
            problems.append(f"{place}: a name must have at most {LONGEST_NAME} characters, not {len(name)}")
        elif re.search(r"(.+?)\1{19,}$", name):  # Snakemake takes it for a mistake in a rule
            problems.append(f"{place}: a name must not end in the same letters twenty times")
        elif not given and name not in known:
            problems.append(
                f"architectures: {unknown_architecture(name, known)} (one of your own takes file or layers)"
            )
        if len(given) > 1:
            problems.append(f"{place}: {' and '.join(given)} each say which network it is; keep one of them")
        elif given and name in known and section.get("architecture") != name:
            problems.append(f"{place}: '{name}' is the name of a network of ours; give yours another")
        elif (
            given == ["architecture"]
            and isinstance(word := section["architecture"], str)
            and word not in known
        ):
            problems.append(f"{place}.architecture: {unknown_architecture(word, known)}")
        if "function" in section and "file" not in section:
            problems.append(f"{place}.function: goes with file, which is missing")
        if section.get("options") and "layers" in section:
            problems.append(f"{place}.options: go with a function; write them into the layers")
        if isinstance(section.get("file"), str) and section["file"] and not _is_file(section["file"]):
            problems.append(f"{place}.file: there is no {section['file']} in {Path.cwd()}")
    return problems


def _is_file(path: str) -> bool:
    try:
        return Path(path).is_file()
    except OSError:  # its name is too long, say
        return False
