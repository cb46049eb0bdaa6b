"""Reads a study as it is written: its YAML or JSON files, then the changes that `--config` makes to it.

YAML 1.1, which Snakemake and PyYAML read, takes `1e-3` for a text, `010` for 8, `1:30` for 90, `no` for false
and `2026-01-01` for a date. Here every value without quotes keeps the text that was written for it, so that
`resolve.py`, which knows the type of each key, can decide what it means.

It needs no package but PyYAML, because `profiles/default/` calls it before Snakemake reads a study itself.
"""

import json
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from few_weights.errors import StudyError, describe
from few_weights.plan.yaml_scalars import number_in, truth_in

#: The path to a value in a study: keys of mappings and indices of lists.
Keys: TypeAlias = tuple[str | int, ...]

#: An item of a YAML list, or a key and its value.
_Part: TypeAlias = yaml.Node | tuple[yaml.Node, yaml.Node]

#: More values than any real study has; only anchors that repeat anchors make so many.
MOST_VALUES = 100_000

_SPECIAL = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")

_NOTHING = {"", "~", "null", "Null", "NULL"}

#: Explicit tags that are allowed; all others would make objects that a study has no use for.
_STANDARD = "tag:yaml.org,2002:"

#: The tag that `_Loader` gives to values without quotes.
_PLAIN = "plain"

_TAGS = {_PLAIN, *(_STANDARD + name for name in ("str", "int", "float", "bool", "null", "seq", "map"))}

_INDENTATION = "it is not indented like the lines around it"

#: A part of PyYAML's message -> what to tell the user.
_SYNTAX = (
    ("'\\t'", "there is a tab; indent with spaces"),
    ("expected ':'", "there is no ': ' after the key"),
    ("expected ',' or", "a bracket is not closed, or a comma is missing"),
    ("expected the node content, but found", "there is a bracket or a comma where a value should be"),
    ("expected <block end>", _INDENTATION),
    ("found unexpected end of stream", "a quote is not closed"),
    ("special characters are not allowed", "there is a control character; delete it"),
    ("but found another document", "a second study begins with ---; keep one study per file"),
)


@dataclass
class Written:
    """A study as it is written, before anything was checked.

    Args:
        values: the study as nested mappings and lists.
        origin: the files that it was read from, for messages.
        lines: the position of each value, such as `line 3`.
        texts: the text of each value that is written without quotes.
        problems: keys that are given twice, one sentence each.
    """

    values: dict[str, Any] = field(default_factory=dict)
    origin: str = "the study"
    lines: dict[Keys, str] = field(default_factory=dict)
    texts: dict[Keys, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def read_study(files: Iterable[Path | str], settings: Iterable[str] = ()) -> Written:
    """Read the files of a study, each on top of the ones before, then the `KEY=VALUE` of `--config`.

    Raises:
        StudyError: a file cannot be read or is not a YAML mapping; the message names the file and the line.
    """
    files, study = list(files), Written()
    parts = [_read_file(file, f"{Path(file).name}, " if len(files) > 1 else "") for file in files]
    parts += [_read_setting(setting) for setting in settings]
    for part in parts:
        _merge(study.values, part.values)
        for path in part.lines:
            study.texts.pop(path, None)
        study.lines |= part.lines
        study.texts |= part.texts
        study.problems += part.problems
    if parts:
        study.origin = ", ".join([*map(str, files), *(["--config"] if len(parts) > len(files) else [])])
    return study


def stop_if_unreadable(files: Iterable[Path | str], settings: Iterable[str]) -> None:
    """End the process with one sentence if a study cannot be read."""
    try:
        read_study(files, settings)
    except StudyError as error:
        sys.exit(f"error: {error}")


def _merge(values: dict[str, Any], changes: dict[str, Any]) -> None:
    """Change `values` like Snakemake does: mappings are merged, everything else is replaced."""
    for key, value in changes.items():
        if isinstance(value, dict) and isinstance(values.get(key), dict):
            _merge(values[key], value)
        else:
            values[key] = value


def _read_file(file: Path | str, prefix: str) -> Written:
    try:
        content = Path(file).read_bytes()
    except OSError as error:
        raise StudyError(describe(error)) from None
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if encoding == "utf-16":
            raise StudyError(f"{file}: is in UTF-16; save it as UTF-8") from None
        line = content.count(b"\n", 0, error.start) + 1
        guess = content.splitlines()[line - 1].decode("latin-1").strip()[:60]
        raise StudyError(f"{file}, line {line}: is not UTF-8 ('{guess}'?); save it as UTF-8") from None
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        pass
    else:
        text = text.replace("\t", " ")  # JSON may be indented with tabs; its strings cannot contain any
    reader = _Reader(text, str(file), lambda line: f"{prefix}line {line}")
    values = reader.read(())
    if values is None:
        raise StudyError(f"{file}: is empty; config/README.md explains what a study contains")
    if not isinstance(values, dict):
        kind = "a list" if isinstance(values, list) else f"'{str(values)[:60]}'"
        raise StudyError(f"{file}: contains {kind} instead of a study's keys, such as 'study: NAME'")
    reader.written.values = values
    return reader.written


def _read_setting(setting: str) -> Written:
    key, equals, text = str(setting).partition("=")
    if not equals:
        raise StudyError(f"--config {setting}: write KEY=VALUE")
    # Snakemake's own rule, which it reports with a traceback.
    if not re.fullmatch(r"[a-zA-Z_][\w-]*\w", key):
        raise StudyError(
            f"--config {setting}: '{key}' is not a key of a study; write nested keys as "
            "'architectures={mlp: {epochs: 2}}'"
        )
    reader = _Reader(text, f"--config {key}", lambda line: "--config")
    reader.written.values = {key: reader.read((key,))}
    return reader.written


class _Loader(yaml.SafeLoader):
    """Composes YAML like its parent class, but does not decide the type of values without quotes."""

    def resolve(self, kind: type[yaml.Node], value: Any, implicit: Any) -> str:
        if kind is yaml.ScalarNode and implicit[0] and value != "<<":
            return _PLAIN
        return super().resolve(kind, value, implicit)  # type: ignore[no-untyped-call]  # not in the stubs


def _rejoined(parts: Sequence[_Part]) -> list[_Part]:
    """The items of `[…]` or `{…}`, with a value that a comma within parentheses has split put together again.

    To YAML, `{kernel_size: (3, 3)}` has a value `(3` and a second key `3)`.
    """
    joined: list[_Part] = []
    for part in parts:
        whole = _continued(joined[-1], part) if joined else None
        if whole is None:
            joined.append(part)
        else:
            joined[-1] = whole
    return joined


def _continued(before: _Part, part: _Part) -> _Part | None:
    """`before` with `part` appended where a comma within parentheses has split them; None elsewhere."""
    opened = before[1] if isinstance(before, tuple) else before
    key, value = part if isinstance(part, tuple) else (part, None)
    first, rest = _plain_text(opened), _plain_text(key)
    if first is None or rest is None or not (value is None or _plain_text(value) == ""):
        return None
    if first.count("(") <= first.count(")"):
        return None
    whole = yaml.ScalarNode(_PLAIN, f"{first}, {rest}", opened.start_mark, key.end_mark, style=None)
    return (before[0], whole) if isinstance(before, tuple) else whole


def _plain_text(node: yaml.Node) -> str | None:
    """The text of a value without quotes; None for any other node."""
    return node.value if isinstance(node, yaml.ScalarNode) and node.tag == _PLAIN else None


class _Reader:
    """Reads one YAML text and records for each value where and how it is written.

    Args:
        text: the YAML.
        origin: the name of its file, or of a `--config` setting.
        where: from a line number to how messages name it.
    """

    def __init__(self, text: str, origin: str, where: Callable[[int], str]):
        self.text, self.origin, self.where = text, origin, where
        self.written = Written()
        self.parents: list[yaml.Node] = []

    def read(self, path: Keys) -> Any:
        """The value of the whole text, which belongs at `path` of the study."""
        try:
            node = _Loader(self.text).get_single_node()
            return None if node is None else self.value_of(node, path)
        except yaml.MarkedYAMLError as error:
            raise StudyError(self.syntax_error(error)) from None
        except yaml.reader.ReaderError as error:
            line = self.text.count("\n", 0, error.position) + 1
            raise StudyError(
                f"{self.at(line)}: there is the control character U+{error.character:04X}; delete it"
            ) from None
        except RecursionError:
            raise StudyError(f"{self.origin}: is nested too deeply") from None

    def at(self, line: int) -> str:
        return self.origin if self.origin.startswith("--config") else f"{self.origin}, line {line}"

    def value_of(self, node: yaml.Node, path: Keys) -> Any:
        line = node.start_mark.line + 1
        self.written.lines[path] = self.where(line)
        if len(self.written.lines) > MOST_VALUES:
            raise StudyError(f"{self.origin}: its anchors expand to more than {MOST_VALUES:,} values")
        if any(node is parent for parent in self.parents):
            raise StudyError(f"{self.at(line)}: this value contains itself; remove the alias (*)")
        if node.tag not in _TAGS:
            tag = node.tag.replace(_STANDARD, "!!")
            raise StudyError(f"{self.at(line)}: the tag {tag} has no meaning in a study; remove it")
        if isinstance(node, yaml.ScalarNode):
            return self.scalar(node, path)
        self.parents.append(node)
        value: Any
        if isinstance(node, yaml.MappingNode):
            value = self.mapping(node, path)
        else:
            items = _rejoined(node.value) if getattr(node, "flow_style", False) else node.value
            value = [self.value_of(item, (*path, i)) for i, item in enumerate(items)]
        self.parents.pop()
        return value

    def mapping(self, node: yaml.MappingNode, path: Keys) -> dict[str, Any]:
        if node.flow_style:
            node.value = _rejoined(node.value)
        seen: dict[str, int] = {}
        for key_node, _ in node.value:
            key, line = self.key(key_node), key_node.start_mark.line + 1
            if key in seen and key != "<<":
                where = self.where(line)
                self.written.problems.append(
                    f"{where}: the key '{key}' is already on line {seen[key]}; keep one of the two"
                )
            seen[key] = line
        yaml.constructor.SafeConstructor().flatten_mapping(node)  # resolves <<
        result = {}
        for key_node, value_node in node.value:
            key = self.key(key_node)
            result[key] = self.value_of(value_node, (*path, key))
            self.written.lines[*path, key] = self.where(key_node.start_mark.line + 1)
        return result

    def key(self, node: yaml.Node) -> str:
        if not isinstance(node, yaml.ScalarNode):
            start = self.at(node.start_mark.line + 1)
            raise StudyError(f"{start}: there is a list or a mapping where a key should be")
        return node.value.strip()

    def scalar(self, node: yaml.ScalarNode, path: Keys) -> str | int | float | None:
        text = node.value
        if node.tag == _STANDARD + "str":
            return text
        if node.tag == _PLAIN:
            self.written.texts[path] = text
        if text in _NOTHING:
            return None
        if _SPECIAL.fullmatch(text):
            return float(text.replace(".", ""))
        truth = truth_in(text) if len(text) > 1 else None
        if truth is not None and text in (text.lower(), text.title(), text.upper()):
            return truth
        number = number_in(text)
        return text if number is None else number

    def syntax_error(self, error: yaml.MarkedYAMLError) -> str:
        """What is wrong with the YAML, where, and how to fix it, instead of PyYAML's message."""
        problem = error.problem or error.context or "is not valid YAML"
        at_start = "expected ':'" in problem or "expected ',' or" in problem
        mark = (error.context_mark if at_start else None) or error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        lines = self.text.splitlines()
        content = lines[mark.line] if mark and mark.line < len(lines) else ""
        what = _explain_syntax(problem, content)
        if "bracket" in what and error.problem_mark and error.problem_mark.line + 1 != line:
            what += f" before line {error.problem_mark.line + 1}"
        excerpt = f" in '{content.strip()[:60]}'" if content.strip() else ""
        return f"{self.at(line)}: {what}{excerpt}"


def _explain_syntax(problem: str, content: str) -> str:
    """What to tell the user of PyYAML's `problem` in a line with that `content`."""
    if undefined := re.search(r"found undefined alias '(.*)'", problem):
        return f"*{undefined[1]} refers to an anchor (&{undefined[1]}) that is not defined before it"
    if "\u00a0" in content:
        return "there is a no-break space; replace it with a space"
    if re.match(r"\s*\t", content):
        return _SYNTAX[0][1]
    if missing := re.search(r"(?:-|\[|,)\s*([A-Z]\w+)\s*\{", content):
        return f"a colon is missing; write {missing[1]}: {{…}}"
    if "mapping values are not allowed" in problem:
        second = len(re.findall(r":(?:\s|$)", content)) > 1
        return "there is a second ': '; put braces or quotes around the value" if second else _INDENTATION
    if "'%'" in problem or "'@'" in problem or "'`'" in problem:
        return f"{problem}; put quotes around the text"
    return next((explanation for part, explanation in _SYNTAX if part in problem), problem)
