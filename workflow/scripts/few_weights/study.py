"""A study, from its YAML to the list of runs: validation, defaults, expansion.

Imports neither Snakemake nor TensorFlow, so that the Snakefile can call it at every start.
"""

import ast
import difflib
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path

import yaml
from jsonschema import Draft202012Validator, ValidationError, validators

from few_weights import sources
from few_weights.datasets import KNOWN, Facts
from few_weights.errors import StudyError
from few_weights.fingerprint import architecture_functions

SCHEMA = Path(__file__).parents[2] / "schemas" / "study.schema.yaml"
ARCHITECTURES = Path(__file__).with_name("architectures.py")

#: Folders in results/ that a study of the same name would write over.
RESERVED_NAMES = {"benchmark", "data", "reference"}

#: An architecture's name becomes that of a folder.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")

#: JSON Schema's types in the words of a YAML file.
TYPE_NAMES = {
    "object": "a mapping of keys to values",
    "array": "a list such as [1, 2]",
    "string": "a text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
}


def architecture_names() -> list[str]:
    """The names under which architectures.py registers its networks, read without importing Keras."""
    return list(architecture_functions(ast.parse(ARCHITECTURES.read_text(encoding="utf-8"))))


def resolve_study(config: Mapping, files: Iterable[Path | str] = ()) -> dict:
    """Check a study and fill in its defaults.

    Beside the keys of its YAML, the result holds `data`, the facts of its data set (as `datasets.Facts` names
    them), and for each architecture `network`, as `networks.py` takes it.

    `files` are the YAML files that `config` was read from. They are read once more for what a parsed mapping
    no longer shows: a key that is given twice.

    Raises:
        StudyError: the study is not valid; the message lists every problem, one a line.
    """
    study = json.loads(json.dumps(config))
    schema = yaml.safe_load(SCHEMA.read_text(encoding="utf-8"))
    problems = [problem for file in files for problem in _repeated_keys(file)]
    violations = list(Draft202012Validator(schema).iter_errors(study))
    problems += [line for violation in violations for line in _explain(violation)]
    problems += _unnatural_numbers(study)
    facts = None
    if not violations:
        _DefaultsValidator(schema).validate(study)
        study.setdefault("sources", sources.SOURCES.get(study["dataset"], []))
        facts, unusable = _read_facts(study)
        problems += [*unusable, *_contradictions(study, facts)]
    elif isinstance(study.get("architectures"), dict):
        problems += _unusable_networks(study)
    if problems:
        origin = ", ".join(str(file) for file in files) or "the study"
        lines = "".join(f"\n  - {problem}" for problem in dict.fromkeys(problems))
        raise StudyError(f"{origin} cannot be used:{lines}\nconfig/README.md explains every key.")
    for name, section in study["architectures"].items():
        section.setdefault("baseline", {"architecture": name, "width": max(section["widths"])})
        section["network"] = _network_of(name, section)
    study["data"] = asdict(facts)
    return study


def results_folder(file: Path) -> Path:
    """Where the results of the study in a YAML file lie, by the name that the study gives itself.

    Raises:
        StudyError: the file is not a study.
    """
    try:
        study = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeError, yaml.YAMLError) as error:
        raise StudyError(f"{file} cannot be read: {' '.join(str(error).split())}") from error
    if not isinstance(study, Mapping) or not study.get("study"):
        raise StudyError(f"{file} is not a study: the key 'study' is missing")
    return Path("results", str(study["study"]))


def network_of_baseline(study: Mapping, name: str) -> dict:
    """The network behind the name of a baseline: a section of the study, else one of ours."""
    if name in study["architectures"]:
        return study["architectures"][name]["network"]
    return {"architecture": name, "options": {}}


def _network_of(name: str, section: Mapping) -> dict:
    if "layers" in section:
        return {"layers": section["layers"]}
    if "file" in section:
        function = section.get("function", name)
        return {"file": section["file"], "function": function, "options": section["options"]}
    return {"architecture": section.get("architecture", name), "options": section["options"]}


def _fill_defaults(properties_of):
    """A validator of `properties` that first writes the schema's defaults into the instance."""

    def fill(validator, properties, instance, schema):
        if validator.is_type(instance, "object"):
            for key, subschema in properties.items():
                if isinstance(subschema, dict) and "default" in subschema:
                    instance.setdefault(key, subschema["default"])
        yield from properties_of(validator, properties, instance, schema)

    return fill


_DefaultsValidator = validators.extend(
    Draft202012Validator, {"properties": _fill_defaults(Draft202012Validator.VALIDATORS["properties"])}
)


def _place(path: Iterable) -> str:
    """`architectures.vgg.widths[2]` for the path of a value in the study."""
    place = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return place.removeprefix(".")


def _suggestion(word: str, known: Iterable[str]) -> str:
    known = sorted(known)
    near = difflib.get_close_matches(str(word), known, n=1, cutoff=0.5)
    return f"did you mean '{near[0]}'?" if near else f"known are: {', '.join(known)}"


def _explain(violation: ValidationError) -> Iterator[str]:
    """What is wrong, where, and how to mend it, in a line for each problem of one violation."""
    place, value, rule = _place(violation.absolute_path), violation.instance, violation.validator_value
    at = f"{place}: " if place else ""
    match violation.validator:
        case "additionalProperties" if rule is False:
            known = violation.schema["properties"]
            for key in value:
                if key not in known:
                    yield f"{at}unknown key '{key}'; {_suggestion(key, known)}"
        case "required":
            # jsonschema reports each missing key by itself, and names it only in its message
            key = violation.message.split("'")[1]
            yield f"{at}the key '{key}' is missing"
        case "type":
            yield f"{at}must be {TYPE_NAMES[rule]}, not {_quote(value)}{_number_hint(value, rule)}"
        case "enum":
            known = ", ".join(map(str, rule))
            yield f"{at}must be one of {known}, not {_quote(value)}; {_suggestion(value, rule)}"
        case "oneOf" if violation.absolute_path[0] == "sources":
            yield f"{at}must be keras, wheel, bundled or {{file: PATH}}, not {_quote(value)}"
        case "oneOf":
            yield f"{at}must be a layer such as Flatten or Dense: {{units: width}}, not {_quote(value)}"
        case "minItems" | "minProperties":
            yield f"{at}must not be empty"
        case "uniqueItems":
            repeated = [item for i, item in enumerate(value) if item in value[:i]]
            yield f"{at}{_quote(repeated[0])} is given more than once"
        case "minimum":
            yield f"{at}must be at least {rule}, not {_quote(value)}"
        case "maximum":
            yield f"{at}must be at most {rule}, not {_quote(value)}"
        case "exclusiveMinimum" | "exclusiveMaximum" if violation.absolute_path[0] == "targets":
            hint = f"; for {value} % write {value / 100:g}" if 1 < value < 100 else ""
            yield f"{at}must lie between 0 and 1, both excluded, not {_quote(value)}{hint}"
        case "exclusiveMinimum":
            yield f"{at}must be greater than {rule}, not {_quote(value)}"
        case "exclusiveMaximum":
            yield f"{at}must be less than {rule}, not {_quote(value)}"
        case "pattern":
            yield f"{at}must be letters, digits, '_', '-' or '.', not {_quote(value)}"
        case _:
            yield f"{at}{violation.message}"


def _quote(value) -> str:
    if value is None:
        return "empty"
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "…"


def _number_hint(value, expected: str) -> str:
    """YAML 1.1 reads 1e-3 as a text; that is too common a slip to leave unexplained."""
    if expected in ("number", "integer") and isinstance(value, str):
        try:
            number = float(value)
        except ValueError:
            return ""
        return f"; write {number:.1e}" if "e" in value.lower() else "; leave the quotes out"
    return ""


def _unnatural_numbers(value, path: tuple = ()) -> list[str]:
    """Infinities and NaN pass every bound of JSON Schema."""
    if isinstance(value, dict):
        return [p for key, item in value.items() for p in _unnatural_numbers(item, (*path, key))]
    if isinstance(value, list):
        return [p for i, item in enumerate(value) for p in _unnatural_numbers(item, (*path, i))]
    if isinstance(value, float) and not math.isfinite(value):
        return [f"{_place(path)}: must be a finite number, not {value}"]
    return []


def _unusable_networks(study: Mapping) -> list[str]:
    """Sections that say of no network, or of two, what it is."""
    known, problems = architecture_names(), []
    for name, section in study["architectures"].items():
        place = f"architectures.{name}"
        section = section if isinstance(section, Mapping) else {}
        given = [key for key in ("architecture", "file", "layers") if key in section]
        if not NAME.fullmatch(str(name)):
            problems.append(f"{place}: a name must be letters, digits, '_', '-' or '.'")
        if len(given) > 1:
            problems.append(f"{place}: {' and '.join(given)} each say which network it is; keep one of them")
        elif given and name in known and section.get("architecture") != name:
            problems.append(f"{place}: '{name}' is the name of a network of ours; give yours another")
        elif given == ["architecture"] and section["architecture"] not in known:
            word = section["architecture"]
            problems.append(
                f"{place}.architecture: unknown architecture '{word}'; {_suggestion(word, known)}"
            )
        elif not given and name not in known:
            problems.append(
                f"architectures: unknown architecture '{name}'; {_suggestion(name, known)} "
                "(one of your own takes file or layers)"
            )
        if "function" in section and "file" not in section:
            problems.append(f"{place}.function: goes with file, which is missing")
        if section.get("options") and "layers" in section:
            problems.append(f"{place}.options: go with a function; write them into the layers")
        if isinstance(section.get("file"), str) and not Path(section["file"]).is_file():
            problems.append(f"{place}.file: there is no {section['file']} in {Path.cwd()}")
    return problems


def _read_facts(study: Mapping) -> tuple[Facts | None, list[str]]:
    """What there is to know of a data set before it is fetched, or what is wrong with it."""
    dataset, files = study["dataset"], [source for source in study["sources"] if isinstance(source, Mapping)]
    if dataset in KNOWN:
        known = sources.SOURCES[dataset]
        return KNOWN[dataset], [
            f"sources[{i}]: {source} does not have {dataset}; write {', '.join(known)} or {{file: PATH}}"
            for i, source in enumerate(study["sources"])
            if source not in (*known, *files)
        ]
    if not files:
        return None, [
            f"dataset: '{dataset}' is not known; {_suggestion(dataset, KNOWN)} "
            "(data of your own take sources: [{file: PATH}])"
        ]
    if len(study["sources"]) > 1:
        return None, [f"sources: '{dataset}' is a data set of your own; name its one file and nothing else"]
    file = files[0]["file"]
    try:
        return sources.own_facts(file, dataset, study["validation_examples"]), []
    except StudyError as error:
        return None, [f"sources[0].file: {file} cannot be used: {error}"]


def _contradictions(study: Mapping, facts: Facts | None) -> list[str]:
    """What each key by itself does not show."""
    problems = _unusable_networks(study)
    if study["study"] in RESERVED_NAMES:
        problems.append(f"study: results/{study['study']}/ serves another purpose; choose another name")
    if facts and study["validation_examples"] >= facts.train_examples:
        problems.append(
            f"validation_examples: must be less than the {facts.train_examples} training images of "
            f"{study['dataset']}, not {study['validation_examples']}"
        )
    known = [*architecture_names(), *study["architectures"]]
    for name, section in study["architectures"].items():
        baseline = section.get("baseline")
        if baseline and baseline["architecture"] not in known:
            problems.append(
                f"architectures.{name}.baseline: unknown architecture '{baseline['architecture']}'; "
                f"{_suggestion(baseline['architecture'], known)}"
            )
    return problems


class _StrictLoader(yaml.SafeLoader):
    """Reads YAML like its parent and notes the keys that are given twice."""

    def __init__(self, stream):
        super().__init__(stream)
        self.problems: list[str] = []

    def construct_mapping(self, node, deep=False):
        seen: dict = {}
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key, line = self.construct_object(key_node, deep=True), key_node.start_mark.line + 1
            if key in seen:
                self.problems.append(
                    f"line {line}: the key '{key}' stands on line {seen[key]} already; keep one of the two"
                )
            seen[key] = line
        return super().construct_mapping(node, deep)


def _repeated_keys(file: Path | str) -> list[str]:
    loader = _StrictLoader(Path(file).read_text(encoding="utf-8"))
    try:
        loader.get_single_data()
    finally:
        loader.dispose()
    return loader.problems
