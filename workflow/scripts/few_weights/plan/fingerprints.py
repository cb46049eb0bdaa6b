"""Fingerprints of code: a short text that changes when a job has to run again because its code has changed.

Snakemake's own triggers look at the script that a rule calls, but not at the modules that it imports, and
they fire when a file is touched or a comment is added. A fingerprint covers a script and everything that it
imports from this package, but no comments, layout or docstrings.
"""

import ast
import contextlib
import hashlib
import json
import sys
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

from few_weights.errors import StudyError
from few_weights.files import write_atomically
from few_weights.plan.environment import CACHE

PACKAGE = Path(__file__).parents[1]


@cache
def code_fingerprint(entry_point: Path, also: tuple[Path, ...] = ()) -> str:
    """The fingerprint of a script and all that it imports from this package.

    Args:
        entry_point: the script.
        also: other files that the result depends on, such as templates; any change of a byte counts.

    Returns:
        16 hexadecimal digits.
    """
    return _digest({path: _read(path).meaning for path in _closure(entry_point)}, also)


@cache
def network_fingerprint(entry_point: Path, architecture: str | None = None, file: Path | None = None) -> str:
    """The fingerprint of a script that trains one network.

    The other networks in architectures.py are left out: a new network, or a change in one, does not affect
    the results of the rest. A user's file counts together with the modules in its folder that it imports.

    Args:
        entry_point: the script.
        architecture: the name of a network in architectures.py, if it is one of these.
        file: the user's file that the network is in, if it is in one.

    Returns:
        16 hexadecimal digits.

    Raises:
        StudyError: a user's file is not valid Python.
    """
    files = _closure(entry_point)
    names = {architecture}
    if file is not None:
        of_user = _closure(file.resolve(), with_folder=True)
        files |= of_user
        # It may call networks in architectures.py.
        names |= {name for path in of_user for name in _names_in(_tree(path))}
    meanings = {path: _read(path).meaning for path in files}
    built_in = PACKAGE / "networks" / "architectures.py"
    meanings[built_in] = _meaning(_without_other_architectures(_tree(built_in), names))
    return _digest(meanings)


def _digest(meanings: Mapping[Path, str], also: Iterable[Path] = ()) -> str:
    digest = hashlib.sha256()
    for path in sorted(meanings, key=lambda path: (path.name, path)):
        digest.update(f"{path.name}\n{meanings[path]}\n".encode())
    for path in also:
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _closure(entry_point: Path, with_folder: bool = False) -> set[Path]:
    """The file and every module of this package that it imports, directly or indirectly.

    `with_folder` adds the imported modules in the file's own folder.
    """
    closure, waiting = set(), [entry_point]
    while waiting:
        path = waiting.pop()
        if path not in closure:
            closure.add(path)
            waiting.extend(_imported_files(path, entry_point.parent if with_folder else None))
    return closure


class Source(NamedTuple):
    """What a file of Python says.

    Attributes:
        meaning: a digest of its syntax tree without docstrings.
        imports: what it imports: how many folders up, and the dotted name from there.
    """

    meaning: str
    imports: list[tuple[int, str]]


@cache
def _read(path: Path) -> Source:
    """What a file says; kept for the next start by its content, since parsing all files takes two seconds."""
    # Syntax trees differ between versions of Python, and what is read in them between versions of this file.
    key = hashlib.sha256(sys.version.encode() + _own_source() + path.read_bytes()).hexdigest()
    kept = CACHE / "sources" / f"{key[:32]}.json"
    try:
        meaning, imports = json.loads(kept.read_bytes())
        return Source(meaning, [(int(level), str(name)) for level, name in imports])
    except (OSError, ValueError, TypeError):
        tree = _tree(path)
        source = Source(_meaning(tree), _imports_in(tree))
        with contextlib.suppress(StudyError):  # the next start parses it again
            write_atomically(kept, json.dumps(source))
        return source


@cache
def _own_source() -> bytes:
    return Path(__file__).read_bytes()


def _meaning(tree: ast.Module) -> str:
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()


@cache
def _tree(path: Path) -> ast.Module:
    """The syntax tree of a file without docstrings."""
    try:
        # From bytes, so that Python itself handles a byte-order mark or an encoding declaration.
        tree = ast.parse(path.read_bytes(), filename=str(path))
    except SyntaxError as error:
        line = f", line {error.lineno}" if error.lineno else ""
        raise StudyError(f"{path}{line}: this is not valid Python ({error.msg})") from error
    except ValueError as error:
        raise StudyError(f"{path}: this is not valid Python ({error})") from error
    for node in ast.walk(tree):
        match node:
            case ast.Module() | ast.ClassDef() | ast.FunctionDef() if ast.get_docstring(node) is not None:
                node.body = node.body[1:]
    return tree


def _imports_in(tree: ast.Module) -> list[tuple[int, str]]:
    """What code imports: how many folders up, and the dotted name from there."""
    imports = []
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                imports += [(0, alias.name) for alias in names]
            case ast.ImportFrom(module=module, names=names, level=level):
                # both `from few_weights import engine` and `from few_weights.engine import Trainer` import a
                # module
                start = f"{module}." if module else ""
                of_node = [start.removesuffix("."), *(f"{start}{alias.name}" for alias in names)]
                imports += [(level, name) for name in of_node if name]
    return imports


@cache
def _imported_files(path: Path, folder: Path | None) -> list[Path]:
    """The files that a file imports: modules of this package, and of `folder` if given."""
    files = []
    for level, name in _read(path).imports:
        parts = name.split(".")
        root = PACKAGE.parent if parts[0] == PACKAGE.name else folder
        if level:
            # a user's own package may have `from . import blocks`, and its subpackage `from .. import blocks`
            root = path.parents[level - 1]
        if root is not None:
            # importing a.b.c runs a and a.b as well
            for depth in range(1, len(parts) + 1):
                target = root.joinpath(*parts[:depth])
                candidates = [target.with_suffix(".py"), target / "__init__.py"]
                files += [file for file in candidates if _is_file(file)]
    return files


_is_file = cache(Path.is_file)


def architecture_functions(tree: ast.Module) -> dict[str, ast.FunctionDef]:
    """The networks in architectures.py by name: its functions decorated with `@architecture`."""
    return {
        node.name: node
        for node in tree.body
        if isinstance(node, ast.FunctionDef)
        and any(isinstance(d, ast.Name) and d.id == "architecture" for d in node.decorator_list)
    }


def _names_in(tree: ast.AST) -> Iterable[str]:
    """Every name that code uses or imports, including attributes."""
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.alias(name=name):
                yield name


def _without_other_architectures(tree: ast.Module, names: Iterable[str | None]) -> ast.Module:
    """The tree of architectures.py without the networks that are neither in `names` nor called by those."""
    builders = architecture_functions(tree)
    kept, waiting = set(), list(names)
    while waiting:
        name = waiting.pop()
        if name in builders and name not in kept:
            kept.add(name)
            waiting.extend(_names_in(builders[name]))
    return ast.Module(
        [node for node in tree.body if getattr(node, "name", None) not in set(builders) - kept], []
    )
