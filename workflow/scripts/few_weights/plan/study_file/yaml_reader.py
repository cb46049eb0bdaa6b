"""Reads a study as it is written: its YAML or JSON files, then what `--config` changes in it.

YAML 1.1, which Snakemake and PyYAML read, takes `1e-3` for a text, `010` for 8, `1:30` for 90, `no` for false
and `2026-01-01` for a date. Here every plain value keeps what was written for it, so that
`plan.study_file.resolve`, which knows what each key takes, can decide.

Imports nothing but PyYAML: it is called before Snakemake reads a study itself, too (`profiles/default/`).
"""

import json
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from few_weights.errors import StudyError, describe
from few_weights.plan.yaml_scalars import number_in, truth_in

#: A path of keys and positions to a value in a study.
Keys = tuple[str | int, ...]


#: More values than any study has: anchors that repeat anchors, mostly.
MOST_VALUES = 100_000


_SPECIAL = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")


_NOTHING = {"", "~", "null", "Null", "NULL"}


#: What an explicit tag may say; all others would make something that a study has no use for.
_STANDARD = "tag:yaml.org,2002:"


_PLAIN = "plain"


_TAGS = {_PLAIN, *(_STANDARD + name for name in ("str", "int", "float", "bool", "null", "seq", "map"))}


_INDENTATION = "it is not indented like the lines around it"


_SYNTAX = (
    ("'\\t'", "there is a tab; indent with spaces"),
    ("expected ':'", "there is no ': ' after the key"),
    ("expected ',' or", "a bracket is not closed, or a comma is missing"),
    ("expected the node content, but found", "a bracket or a comma stands where a value should"),
    ("expected <block end>", _INDENTATION),
    ("found unexpected end of stream", "a quote is not closed"),
    ("special characters are not allowed", "there is a control character; delete it"),
    ("but found another document", "a second study begins with ---; keep one in a file"),
)


@dataclass
class Written:
    """A study as it is written, before anything was checked.

    `values` is the plain nested mapping. For the path of each value, `lines` says where it stands (`line 3`),
    and `texts` how it is written if it stands there without quotes. `problems` are keys given twice.
    """

    values: dict = field(default_factory=dict)
    origin: str = "the study"
    lines: dict[Keys, str] = field(default_factory=dict)
    texts: dict[Keys, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def read_study(files: Iterable[Path | str], settings: Iterable[str] = ()) -> Written:
    """Read the files of a study, each on top of the ones before, then the `KEY=VALUE` of `--config`.

    Raises:
        StudyError: one is not readable, no YAML, or not a mapping; the message names the file and the line.
    """
    files, study = list(files), Written()
    parts = [_read_file(file, f"{Path(file).name}, " if len(files) > 1 else "") for file in files]
    parts += [_read_setting(setting) for setting in settings]
    for part in parts:
        _merge(study.values, part.values)
        for place in part.lines:
            study.texts.pop(place, None)
        study.lines |= part.lines
        study.texts |= part.texts
        study.problems += part.problems
    if parts:
        study.origin = ", ".join([*map(str, files), *(["--config"] if len(parts) > len(files) else [])])
    return study


def stop_if_unreadable(files: Iterable[Path | str], settings: Iterable[str]) -> None:
    """End the process with one sentence if these cannot be read."""
    try:
        read_study(files, settings)
    except StudyError as error:
        sys.exit(f"error: {error}")


def _merge(values: dict, others: dict) -> None:
    """As Snakemake does: mappings are merged, everything else is replaced."""
    for key, value in others.items():
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
        text = text.replace("\t", " ")  # JSON may be indented with tabs; a text in it holds none
    reader = _Reader(text, str(file), lambda line: f"{prefix}line {line}")
    values = reader.read(())
    if values is None:
        raise StudyError(f"{file}: is empty; config/README.md says what a study holds")
    if not isinstance(values, dict):
        kind = "a list" if isinstance(values, list) else f"'{str(values)[:60]}'"
        raise StudyError(f"{file}: holds {kind} instead of a study's keys, such as 'study: NAME'")
    reader.written.values = values
    return reader.written


def _read_setting(setting: str) -> Written:
    key, equals, text = str(setting).partition("=")
    if not equals:
        raise StudyError(f"--config {setting}: write KEY=VALUE")
    # Snakemake's own rule, which it states in a traceback.
    if not re.fullmatch(r"[a-zA-Z_][\w-]*\w", key):
        raise StudyError(
            f"--config {setting}: '{key}' is no key of a study; what lies deeper is written "
            "'architectures={mlp: {epochs: 2}}'"
        )
    reader = _Reader(text, f"--config {key}", lambda line: "--config")
    reader.written.values = {key: reader.read((key,))}
    return reader.written


class _Loader(yaml.SafeLoader):
    """Composes YAML like its parent, but leaves open what a plain value means."""

    def resolve(self, kind, value, implicit):
        if kind is yaml.ScalarNode and implicit[0] and value != "<<":
            return _PLAIN
        return super().resolve(kind, value, implicit)


def _rejoined(parts: list) -> list:
    """The items of `[…]` or `{…}` with those put together again that a comma within brackets has split.

    To YAML, `{kernel_size: (3, 3)}` holds a text `(3` and a key `3)`.
    """
    joined: list = []
    for part in parts:
        *_, before = joined[-1] if joined and isinstance(joined[-1], tuple) else [None, *joined[-1:]]
        key, value = part if isinstance(part, tuple) else (part, None)
        bare = key.tag == _PLAIN and (value is None or (value.tag == _PLAIN and not value.value))
        if joined and bare and before.tag == _PLAIN and before.value.count("(") > before.value.count(")"):
            before = yaml.ScalarNode(
                _PLAIN, f"{before.value}, {key.value}", before.start_mark, key.end_mark, style=None
            )
            joined[-1] = (joined[-1][0], before) if isinstance(joined[-1], tuple) else before
        else:
            joined.append(part)
    return joined


class _Reader:
    """Reads one text of YAML, and notes for each value where and how it is written."""

    def __init__(self, text: str, origin: str, where):
        self.text, self.origin, self.where = text, origin, where
        self.written = Written()
        self.parents: list[yaml.Node] = []

    def read(self, path: Keys):
        try:
            loader = _Loader(self.text)
            self.flatten = loader.flatten_mapping
            node = loader.get_single_node()
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

    def value_of(self, node: yaml.Node, path: Keys):
        line = node.start_mark.line + 1
        self.written.lines[path] = self.where(line)
        if len(self.written.lines) > MOST_VALUES:
            raise StudyError(f"{self.origin}: its anchors make more than {MOST_VALUES:,} values")
        if any(node is parent for parent in self.parents):
            raise StudyError(f"{self.at(line)}: what stands here holds itself; take the alias (*) out")
        if node.tag not in _TAGS:
            tag = node.tag.replace(_STANDARD, "!!")
            raise StudyError(f"{self.at(line)}: the tag {tag} means nothing in a study; take it out")
        if isinstance(node, yaml.ScalarNode):
            return self.scalar(node, path)
        self.parents.append(node)
        if node.flow_style:
            node.value = _rejoined(node.value)
        if isinstance(node, yaml.SequenceNode):
            value = [self.value_of(item, (*path, i)) for i, item in enumerate(node.value)]
        else:
            value = self.mapping(node, path)
        self.parents.pop()
        return value

    def mapping(self, node: yaml.MappingNode, path: Keys) -> dict:
        seen: dict[str, int] = {}
        for key_node, _ in node.value:
            key, line = self.key(key_node), key_node.start_mark.line + 1
            if key in seen and key != "<<":
                where = self.where(line)
                self.written.problems.append(
                    f"{where}: the key '{key}' stands on line {seen[key]} already; keep one of the two"
                )
            seen[key] = line
        self.flatten(node)
        result = {}
        for key_node, value_node in node.value:
            key = self.key(key_node)
            result[key] = self.value_of(value_node, (*path, key))
            self.written.lines[*path, key] = self.where(key_node.start_mark.line + 1)
        return result

    def key(self, node: yaml.Node) -> str:
        if not isinstance(node, yaml.ScalarNode):
            start = self.at(node.start_mark.line + 1)
            raise StudyError(f"{start}: a list or a mapping stands where a key should")
        return node.value.strip()

    def scalar(self, node: yaml.ScalarNode, path: Keys):
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
        problem = error.problem or error.context or "is not valid YAML"
        at_start = "expected ':'" in problem or "expected ',' or" in problem
        mark = (at_start and error.context_mark) or error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        lines = self.text.splitlines()
        content = lines[mark.line] if mark and mark.line < len(lines) else ""
        undefined = re.search(r"found undefined alias '(.*)'", problem)
        missing = re.search(r"(?:-|\[|,)\s*([A-Z]\w+)\s*\{", content)
        if undefined:
            what = f"*{undefined[1]} names an anchor (&{undefined[1]}) that is not there before it"
        elif "\u00a0" in content:
            what = "there is a no-break space; replace it with a space"
        elif re.match(r"\s*\t", content):
            what = _SYNTAX[0][1]
        elif missing:
            what = f"a colon is missing; write {missing[1]}: {{…}}"
        elif "mapping values are not allowed" in problem:
            second = len(re.findall(r":(?:\s|$)", content)) > 1
            what = "there is a second ': '; put braces or quotes around the value" if second else _INDENTATION
        else:
            what = next((words for part, words in _SYNTAX if part in problem), problem)
            if "'%'" in problem or "'@'" in problem or "'`'" in problem:
                what = f"{problem}; put quotes around the text"
            if "bracket" in what and error.problem_mark and error.problem_mark.line + 1 != line:
                what += f" before line {error.problem_mark.line + 1}"
        shown = f" in '{content.strip()[:60]}'" if content.strip() else ""
        return f"{self.at(line)}: {what}{shown}"
