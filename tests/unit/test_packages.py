"""The borders between the packages of few_weights: who may import whom, as each says in its docstring."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest
from conftest import ROOT

SCRIPTS = ROOT / "workflow" / "scripts"
PACKAGE = SCRIPTS / "few_weights"
#: In the order in which a study flows through them; the engine stands alone.
STAGES = ["plan", "data", "networks", "training", "analysis", "report"]
#: What a run by machine code needs.
RUNS_ALONE = (
    "engine/machine_loop.py",
    "engine/trainer.py",
    "training/checkpoint.py",
    "training/prepared.py",
    "training/run_files.py",
    "training/train_run.py",
)
FILES = sorted(PACKAGE.rglob("*.py"))
PACKAGES = [path.parent for path in FILES if path.name == "__init__.py" and path.parent != PACKAGE]


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


@cache
def imports_of(path: Path) -> frozenset[str]:
    """Every module that a file imports, at its top or inside a function."""
    names = set()
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(names)


def files_imported(path: Path) -> set[Path]:
    """The files of few_weights that a file imports."""
    found = set()
    for name in imports_of(path):
        parts = name.split(".")
        for depth in range(len(parts), 0, -1):
            file = SCRIPTS.joinpath(*parts[:depth]).with_suffix(".py")
            if file.is_file():
                found.add(file)
                break
    return found


def closure(path: Path) -> set[Path]:
    found, waiting = set(), [path]
    while waiting:
        if (file := waiting.pop()) not in found:
            found.add(file)
            waiting += files_imported(file)
    return found


def package_of(path: Path) -> str:
    """The stage that a file belongs to, or "" for a file that serves all."""
    return path.relative_to(PACKAGE).parts[0] if path.parent != PACKAGE else ""


def declared(package: Path) -> tuple[set[str], str]:
    """The stages that a package's docstring allows it to import, and the docstring."""
    docstring = ast.get_docstring(tree_of(package / "__init__.py")) or ""
    allowed = re.search(r"^May import: ([^.]*)\.", docstring, re.MULTILINE)
    assert allowed, f"{package.name} does not say what it may import"
    return set(re.findall(r"\w+", allowed[1])) - {"nothing"}, docstring


def name_of(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


@pytest.mark.parametrize("package", PACKAGES, ids=name_of)
def test_each_package_says_what_comes_in_and_out_and_holds_nothing_else(package):
    allowed, docstring = declared(package)
    assert re.search(r"^In: .*", docstring, re.MULTILINE) and "Out: " in docstring
    assert allowed <= {*STAGES, "engine"}
    assert len(tree_of(package / "__init__.py").body) == 1, "an __init__ is its docstring"


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_file_imports_what_its_package_may(path):
    own = package_of(path)
    used = {package_of(file) for file in files_imported(path)} - {"", own}
    if own == "engine":
        assert {file for file in files_imported(path) if package_of(file) != "engine"} == set()
    elif own:
        assert used <= declared(path.parent)[0]
        assert used - {"engine"} <= set(STAGES[: STAGES.index(own)]), "imports run upwards"
    else:
        assert used == set()


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_no_file_imports_itself_by_way_of_others(path):
    assert not any(path in closure(file) for file in files_imported(path))


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_tensorflow_stays_behind_its_border(path):
    heavy = {"tensorflow", "keras"}
    libraries = {
        name.partition(".")[0] for file in closure(path) for name in imports_of(file) if file.suffix == ".py"
    }
    if package_of(path) in ("analysis", "report"):
        # data.sources lets Keras download; it is no part of what these import.
        assert not libraries & heavy
    if package_of(path) in ("plan", "") or name_of(path) in RUNS_ALONE:
        assert not libraries & heavy


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_no_file_is_longer_than_one_can_read(path):
    assert len(path.read_text().splitlines()) <= 400
