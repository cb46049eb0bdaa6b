"""Fingerprints of code: what a job's result depends on, as a short text that Snakemake can compare.

Snakemake's own triggers look at the file a rule calls, not at the modules it imports, and fire on a touched
file or a new comment. A fingerprint covers an entry point with everything it imports from here, and nothing
that leaves the meaning alone: comments, layout and docstrings.
"""

import ast
import hashlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parent


@cache
def code_fingerprint(entry_point: Path, architecture: str | None = None, also: tuple[Path, ...] = ()) -> str:
    """The fingerprint (16 hexadecimal digits) of a Python file and all it imports from this package.

    With `architecture`, the other networks of architectures.py are left out: a new network, or a change in
    one, says nothing about the results of the rest. `also` names further files that shape the result, such
    as templates; they count byte by byte.
    """
    digest = hashlib.sha256()
    for path in sorted(_closure(entry_point)):
        tree = _meaning(path)
        if architecture is not None and path == PACKAGE / "architectures.py":
            tree = _without_other_architectures(tree, architecture)
        digest.update(f"{path.name}\n{ast.dump(tree)}\n".encode())
    for path in also:
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _closure(entry_point: Path) -> set[Path]:
    """The file and every module of this package that it imports, directly or not."""
    found, waiting = set(), [entry_point]
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting.extend(_imported_files(path))
    return found


@cache
def _meaning(path: Path) -> ast.Module:
    """The syntax tree of a file without its docstrings."""
    tree = ast.parse(path.read_text(), filename=str(path))
    for node in ast.walk(tree):
        if (
            isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef))
            and ast.get_docstring(node) is not None
        ):
            node.body = node.body[1:]
    return tree


def _imported_files(path: Path) -> Iterable[Path]:
    for node in ast.walk(_meaning(path)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            # `from few_weights import engine` and `from few_weights.engine import Trainer` name modules alike
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        for name in names:
            parts = name.split(".")
            if parts[0] == PACKAGE.name:
                # importing a.b.c runs a and a.b as well
                for depth in range(1, len(parts) + 1):
                    module = PACKAGE.joinpath(*parts[1:depth])
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


def _without_other_architectures(tree: ast.Module, architecture: str) -> ast.Module:
    """The tree without the networks that `architecture` neither is nor calls."""
    builders = architecture_functions(tree)
    kept, waiting = set(), [architecture]
    while waiting:
        name = waiting.pop()
        if name in builders and name not in kept:
            kept.add(name)
            waiting.extend(node.id for node in ast.walk(builders[name]) if isinstance(node, ast.Name))
    return ast.Module(
        [node for node in tree.body if getattr(node, "name", None) not in set(builders) - kept], []
    )
