"""Fingerprints of code: what a job's result depends on, as a short text that Snakemake can compare.

Snakemake's own triggers look at the file a rule calls, not at the modules it imports, and fire on a touched
file or a new comment. A fingerprint covers an entry point with everything it imports from here, and nothing
that leaves the meaning alone: comments, layout and docstrings.
"""

import ast
import hashlib
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

from few_weights.errors import StudyError

PACKAGE = Path(__file__).parents[1]


@cache
def code_fingerprint(entry_point: Path, also: tuple[Path, ...] = ()) -> str:
    """The fingerprint (16 hexadecimal digits) of a Python file and all it imports from this package.

    `also` names further files that shape the result, such as templates; they count byte by byte.
    """
    return _digest({path: _meaning(path) for path in _closure(entry_point)}, also)


@cache
def network_fingerprint(entry_point: Path, architecture: str | None = None, file: Path | None = None) -> str:
    """The same of an entry point that trains one network, of ours or in a file of the user's.

    The other networks of architectures.py are left out: a new network, or a change in one, says nothing about
    the results of the rest. A user's file counts with the modules beside it that it imports.

    Raises:
        StudyError: a file of the user's is not valid Python.
    """
    trees = {path: _meaning(path) for path in _closure(entry_point)}
    names = {architecture}
    if file is not None:
        own = {path: _meaning(path) for path in _closure(file.resolve(), beside=True)}
        trees |= own
        # It may build on networks of ours.
        names |= {name for tree in own.values() for name in _names_in(tree)}
    ours = PACKAGE / "networks" / "architectures.py"
    trees[ours] = _without_other_architectures(_meaning(ours), names)
    return _digest(trees)


def _digest(trees: Mapping[Path, ast.Module], also: Iterable[Path] = ()) -> str:
    digest = hashlib.sha256()
    for path in sorted(trees, key=lambda path: (path.name, path)):
        digest.update(f"{path.name}\n{ast.dump(trees[path])}\n".encode())
    for path in also:
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _closure(entry_point: Path, beside: bool = False) -> set[Path]:
    """The file and every module of this package that it imports, directly or not.

    With `beside`, the modules in the file's own folder are followed as well.
    """
    found, waiting = set(), [entry_point]
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting.extend(_imported_files(path, entry_point.parent if beside else None))
    return found


@cache
def _meaning(path: Path) -> ast.Module:
    """The syntax tree of a file without its docstrings."""
    try:
        # Bytes, so that a byte-order mark or a line that names the encoding is read as Python reads it.
        tree = ast.parse(path.read_bytes(), filename=str(path))
    except (SyntaxError, ValueError) as error:
        line = f", line {error.lineno}" if getattr(error, "lineno", None) else ""
        raise StudyError(
            f"{path}{line}: this is not valid Python ({getattr(error, 'msg', error)})"
        ) from error
    for node in ast.walk(tree):
        if (
            isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef))
            and ast.get_docstring(node) is not None
        ):
            node.body = node.body[1:]
    return tree


def _imported_files(path: Path, folder: Path | None) -> Iterable[Path]:
    """The files behind a file's imports: modules of this package, and those of `folder` where given."""
    for node in ast.walk(_meaning(path)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            # `from few_weights import engine` and `from few_weights.engine import Trainer` name modules alike
            module = f"{node.module}." if node.module else ""
            names = [module.removesuffix("."), *(f"{module}{alias.name}" for alias in node.names)]
        else:
            continue
        # `from . import blocks` in a package of the user's, `from .. import blocks` in one inside it
        level = getattr(node, "level", 0)
        for name in names:
            parts = name.split(".")
            if level:
                root = path.parents[level - 1]
            else:
                root = PACKAGE.parent if parts[0] == PACKAGE.name else folder
            if root is not None and name:
                # importing a.b.c runs a and a.b as well
                for depth in range(1, len(parts) + 1):
                    module = root.joinpath(*parts[:depth])
                    candidates = [module.with_suffix(".py"), module / "__init__.py"]
                    yield from (file for file in candidates if file.is_file())


def architecture_functions(tree: ast.Module) -> dict[str, ast.FunctionDef]:
    """The networks of architectures.py by name: its functions under `@architecture`."""
    return {
        node.name: node
        for node in tree.body
        if isinstance(node, ast.FunctionDef)
        and any(isinstance(d, ast.Name) and d.id == "architecture" for d in node.decorator_list)
    }


def _names_in(tree: ast.AST) -> Iterable[str]:
    """Every name that code uses, imported or as an attribute with them."""
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.alias(name=name):
                yield name


def _without_other_architectures(tree: ast.Module, names: Iterable[str | None]) -> ast.Module:
    """The tree without the networks that neither are among `names` nor are called by those."""
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
