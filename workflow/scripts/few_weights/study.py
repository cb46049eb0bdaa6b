"""A study, from its YAML to the list of runs: validation, defaults, expansion.

Imports neither Snakemake nor TensorFlow, so that the Snakefile can call it at every start.
"""

import ast
import copy
import difflib
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from datetime import date
from functools import cache
from pathlib import Path

import yaml
from jsonschema import Draft202012Validator, ValidationError, validators

from few_weights import sources
from few_weights.datasets import KNOWN, Facts
from few_weights.errors import StudyError
from few_weights.fingerprint import architecture_functions
from few_weights.scalars import disputed, number_in, truth_in
from few_weights.study_file import Written, read_study
from few_weights.study_hints import layer_hint, quote, type_hint

SCHEMA = Path(__file__).parents[2] / "schemas" / "study.schema.yaml"
ARCHITECTURES = Path(__file__).with_name("architectures.py")

#: Folders in results/ that a study of the same name would write over.
RESERVED_NAMES = {"benchmark", "data", "reference"}

#: An architecture's name becomes that of a folder and part of a file's, which may have 255 characters.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
LONGEST_NAME = 64

#: Keys of other tools, for which the nearest spelling here is not the one that is meant.
OTHER_NAMES = {"lr": "learning_rate", "eps": "epsilon"}

#: Keys of other tools, for which the nearest spelling here is not the one that is meant.
OTHER_NAMES = {"lr": "learning_rate", "eps": "epsilon"}

#: JSON Schema's types in the words of a YAML file.
TYPE_NAMES = {
    "object": "a mapping of keys to values",
    "array": "a list such as [1, 2]",
    "string": "a text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
}


@cache
def architecture_names() -> list[str]:
    """The names under which architectures.py registers its networks, read without importing Keras."""
    return list(architecture_functions(ast.parse(ARCHITECTURES.read_text(encoding="utf-8"))))


@cache
def _schema() -> dict:
    return yaml.safe_load(SCHEMA.read_text(encoding="utf-8"))


def resolve_study(config: Mapping | Written) -> dict:
    """Check a study, convert what can only mean one thing, and fill in its defaults.

    `config` is what `study_file.read_study` has read, else a parsed mapping, which no longer shows what was
    written: a `010` is 8 there, and a key given twice is not seen.

    `32.0`, `"32"` and `3.2e1` are whole numbers where one is meant, `yes` is true, `study: 42` is a text, and
    `widths: 8` is a list of one. Apart from the keys of its YAML, the result holds `data`, the facts of its
    data set (as `datasets.Facts` names them), and for each architecture `network`, as `networks.py` takes it.

    Raises:
        StudyError: the study is not valid; the message lists every problem, one per line.
    """
    written = config if isinstance(config, Written) else Written(_plain(config))
    schema = _schema()
    study = _as_meant(written.values, schema, (), written.texts, schema)
    problems = list(written.problems)
    violations = list(Draft202012Validator(schema).iter_errors(study))
    problems += _without_repetition(violations, schema)
    problems += _unnatural_numbers(study) + _disputed_values(written)
    facts = None
    if not violations:
        _DefaultsValidator(schema).validate(study)
        study.setdefault("sources", sources.SOURCES.get(study["dataset"], []))
        facts, unusable = _read_facts(study)
        problems += [*unusable, *_contradictions(study, facts)]
    elif isinstance(study.get("architectures"), dict):
        problems += _unusable_networks(study)
    if problems:
        places = {_place(path): line for path, line in written.lines.items()}
        lines = "".join(f"\n  - {_with_line(problem, places)}" for problem in dict.fromkeys(problems))
        raise StudyError(f"{written.origin} cannot be used:{lines}\nconfig/README.md explains every key.")
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
    written = read_study([file])
    name = written.texts.get(("study",), written.values.get("study"))
    if not name:
        raise StudyError(f"{file} is not a study: the key 'study' is missing")
    return Path("results", str(name).strip())


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


def _plain(value, path: tuple = ()):
    """A copy of a mapping that Snakemake has read, without the types that JSON does not have."""
    if len(path) > 100:
        raise StudyError(f"the study holds itself, or is nested too deeply: {_place(path[:3])}")
    if isinstance(value, Mapping):
        return {
            key if isinstance(key, str) else json.dumps(key, default=str): _plain(item, (*path, key))
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [_plain(item, (*path, i)) for i, item in enumerate(value)]
    if isinstance(value, date):
        return value.isoformat()
    if value is None or isinstance(value, str | int | float):
        return value
    raise StudyError(f"{_place(path)}: {type(value).__name__} means nothing in a study")


def _as_meant(value, schema: Mapping, path: tuple, texts: Mapping[tuple, str], root: Mapping):
    """A copy of a value in which all that can only mean one thing has the type that the schema asks for.

    `texts` says how a value without quotes is written. What fits no better in another type stays as it is.
    """
    while "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rpartition("/")[2]]
    match schema.get("type"):
        case "object" if isinstance(value, dict):
            keys, others = _properties(value, schema, root), schema.get("additionalProperties")
            return {
                key: _as_meant(item, keys.get(key, others) or {}, (*path, key), texts, root)
                for key, item in value.items()
            }
        case "array":
            items = _as_list(value, path)
            if not isinstance(items, list):
                return items
            return [_as_meant(item, schema["items"], (*path, i), texts, root) for i, item in enumerate(items)]
        case "integer" | "number" as kind:
            number = number_in(value) if isinstance(value, str) else value
            if kind == "integer" and isinstance(number, float) and number.is_integer():
                number = int(number)
            return value if number is None else number
        case "boolean" if isinstance(value, str):
            truth = truth_in(value)
            return value if truth is None else truth
        case "string" if value is not None and path in texts:
            return texts[path].strip()
        case "string" if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
    if isinstance(value, str) and ("enum" in schema or schema.get("type") == "string"):
        return value.strip()
    if "oneOf" in schema and isinstance(value, str | dict) and path[0] == "sources":
        return {k: texts.get((*path, k), v) for k, v in value.items()} if isinstance(value, dict) else value
    return copy.deepcopy(value)


def _properties(value: dict, schema: Mapping, root: Mapping) -> dict:
    """The schemas of a mapping's keys; an optimizer's `name` decides which others it has."""
    keys = dict(schema.get("properties", {}))
    for clause in schema.get("allOf", []):
        if clause["if"]["properties"]["name"]["const"] == str(value.get("name")).strip():
            settings = root["$defs"][clause["then"]["$ref"].rpartition("/")[2]]["properties"]
            keys = settings | {"name": keys["name"]}
    return keys


def _as_list(value, path: tuple):
    """A list for what can only mean one: a single item, or numbers in brackets within a text.

    `seeds: 3` may mean the seed 3 or three seeds, so it stays what it is; `seeds: 0` is one seed.
    """
    key = path[-1]
    if key in ("widths", "targets", "seeds"):
        if isinstance(value, str) and value.strip()[:1] in ("[", "("):
            numbers = [number_in(part) for part in value.strip(" [()]").split(",")]
            return value if None in numbers else numbers
        if isinstance(value, str):
            # what is one number, if a wrong one, is judged as such
            single = number_in(value) is not None or disputed(value) or re.search(r"%$|,\d{3}$|^0,", value)
        else:
            single = isinstance(value, int | float) and not isinstance(value, bool)
        return [value] if single and (key != "seeds" or value == 0) else value
    one_item = {"sources": str | dict, "layers": str}.get(key)
    return [value] if one_item and isinstance(value, one_item) else value


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
    return place.removeprefix(".").replace("\n", "\\n")


def _with_line(problem: str, places: Mapping[str, str]) -> str:
    """The problem with its line in the file, else that of the nearest key around it."""
    place, colon, _ = problem.partition(": ")
    if unknown := re.search(r"unknown (?:key|architecture) '([^']*)'", problem):
        around = problem[: unknown.start()].removesuffix(": ")
        place = f"{around}.{unknown[1]}" if around else unknown[1]
    elif not colon or "the key '" in problem[: problem.index(": ")]:
        return problem
    while place:
        if place in places:
            return f"{problem} ({places[place]})"
        place = re.sub(r"\[\d+\]$|\.?[^.\[\]]*$", "", place, count=1)
    return problem


def _unknown(word: str, known: Iterable[str]) -> str:
    shown = word.replace("\n", "\\n")
    return f"unknown architecture '{shown}'; {_suggestion(word, known)}"


def _suggestion(word: str, known: Iterable[str]) -> str:
    known = sorted(set(known))
    by_lower = {name.lower(): name for name in known}
    word = str(word).strip()
    near = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=0.5)
    if OTHER_NAMES.get(word.lower()) in known:
        near = [OTHER_NAMES[word.lower()]]
    if not near:
        return f"known are: {', '.join(known)}"
    strange = next((letter for letter in word if not letter.isascii()), None)
    code = f" ('{strange}' in it is U+{ord(strange):04X})" if strange else ""
    return f"did you mean '{by_lower.get(near[0], near[0])}'?{code}"


def _unknown_key(key: str, path: tuple, known: Iterable[str], schema: Mapping) -> str:
    """What to do about a key that does not exist at this level."""
    section = schema["$defs"]["architecture"]["properties"]
    optimizers = schema["$defs"]["optimizer"]["properties"]["name"]["enum"]
    settings = set().union(*(schema["$defs"][name]["properties"] for name in optimizers))
    in_section = len(path) == 2 and path[0] == "architectures"
    if re.match(r"\w+:", key):
        return "put a space after the colon"
    if key in section and (not path or len(path) == 3):
        return "it belongs in a section under architectures, next to widths and epochs"
    if (in_section or not path) and key in settings - {"name"}:
        return f"it belongs in a section's optimizer: {{name: …, {key}: …}}"
    if re.fullmatch(r"\d+", key):
        return "write decimals with a point, not with a comma"
    if path and key in schema["properties"]:
        return "it belongs at the top level, without indentation"
    return _suggestion(key, known)


def _without_repetition(violations: Iterable[ValidationError], schema: Mapping) -> list[str]:
    """What is wrong, without what only follows: the bounds of a text, and that a misspelt key is missing."""
    violations = [
        violation
        for violation in violations
        if not (isinstance(violation.instance, float) and not math.isfinite(violation.instance))
    ]
    mistyped = {tuple(violation.absolute_path) for violation in violations if violation.validator == "type"}
    problems = [
        problem
        for violation in violations
        if violation.validator == "type" or tuple(violation.absolute_path) not in mistyped
        for problem in _explain(violation, schema)
    ]
    misspelt = {
        f"{unknown[1]}the key '{unknown[2]}' is missing"
        for problem in problems
        if (unknown := re.match(r"(.*?)unknown key '.*'; did you mean '(.*?)'\?", problem))
    }
    return [problem for problem in problems if problem not in misspelt]


def _explain(violation: ValidationError, schema: Mapping) -> Iterator[str]:
    """What is wrong, where, and how to fix it, in a line for each problem of one violation."""
    path = tuple(violation.absolute_path)
    place, value, rule = _place(path), violation.instance, violation.validator_value
    at = f"{place}: " if place else ""
    match violation.validator:
        case "additionalProperties" if rule is False:
            known = violation.schema["properties"]
            for key in value:
                if key not in known:
                    yield f"{at}unknown key '{key}'; {_unknown_key(key, path, known, schema)}"
        case "required":
            # jsonschema reports each missing key by itself, and names it only in its message
            key = violation.message.split("'")[1]
            # which keys an optimizer may have, its name decides
            hint = f"; it has {', '.join(value)}" if key == "name" and value else ""
            yield f"{at}the key '{key}' is missing{hint}"
        case "type":
            yield f"{at}must be {TYPE_NAMES[rule]}, not {quote(value)}{type_hint(value, rule, path)}"
        case "enum":
            known = ", ".join(map(str, rule))
            yield f"{at}must be one of {known}, not {quote(value)}; {_suggestion(value, rule)}"
        case "oneOf" if path[0] == "sources":
            is_path = isinstance(value, str) and re.search(r"[./\\]", value)
            hint = f"; write {{file: {value}}}" if is_path else ""
            yield f"{at}must be keras, wheel, bundled or {{file: PATH}}, not {quote(value)}{hint}"
        case "oneOf":
            yield (
                f"{at}must be a layer such as Flatten or Dense: {{units: width}}, not {quote(value)}"
                f"{layer_hint(value)}"
            )
        case "minItems" | "minProperties" | "minLength":
            yield f"{at}must not be empty"
        case "maxLength":
            yield f"{at}must have at most {rule} characters, not {len(value)}"
        case "uniqueItems":
            repeated = [item for i, item in enumerate(value) if item in value[:i]]
            yield f"{at}{quote(repeated[0])} is given more than once"
        case "minimum":
            yield f"{at}must be at least {rule}, not {quote(value)}"
        case "maximum":
            yield f"{at}must be at most {rule}, not {quote(value)}"
        case "exclusiveMinimum" | "exclusiveMaximum" if path[0] == "targets":
            hint = f"; for {value} % write {value / 100:g}" if 1 < value < 100 else ""
            yield f"{at}must lie between 0 and 1, both excluded, not {quote(value)}{hint}"
        case "exclusiveMinimum":
            yield f"{at}must be greater than {rule}, not {quote(value)}"
        case "exclusiveMaximum":
            yield f"{at}must be less than {rule}, not {quote(value)}"
        case "pattern":
            yield f"{at}must be letters, digits, '_', '-' or '.', not {quote(value)}"
        case _:
            yield f"{at}{violation.message}"


def _unnatural_numbers(value, path: tuple = ()) -> list[str]:
    """Infinities and NaN pass every bound of JSON Schema."""
    if isinstance(value, dict):
        return [p for key, item in value.items() for p in _unnatural_numbers(item, (*path, key))]
    if isinstance(value, list):
        return [p for i, item in enumerate(value) for p in _unnatural_numbers(item, (*path, i))]
    if isinstance(value, float) and not math.isfinite(value):
        return [f"{_place(path)}: must be a finite number, not {value}"]
    return []


def _disputed_values(written: Written) -> list[str]:
    """Numbers that readers of YAML disagree on, where the schema does not say what is meant."""
    return [
        f"{_place(path)}: {disputed(text)}"
        for path, text in written.texts.items()
        if path[:1] == ("architectures",) and path[2:3] in (("options",), ("layers",))
        if path[-1] != "name" and disputed(text)
    ]


def _unusable_networks(study: Mapping) -> list[str]:
    """Sections that say of no network, or of two, what it is."""
    known, problems = architecture_names(), []
    for name, section in study["architectures"].items():
        place = _place(("architectures", name))
        section = section if isinstance(section, Mapping) else {}
        given = [key for key in ("architecture", "file", "layers") if key in section]
        if not NAME.fullmatch(name):
            problems.append(f"{place}: a name must be letters, digits, '_', '-' or '.'")
        elif len(name) > LONGEST_NAME:
            problems.append(f"{place}: a name must have at most {LONGEST_NAME} characters, not {len(name)}")
        elif re.search(r"(.+?)\1{19,}$", name):  # Snakemake takes it for a mistake in a rule
            problems.append(f"{place}: a name must not end in the same letters twenty times")
        elif not given and name not in known:
            problems.append(f"architectures: {_unknown(name, known)} (one of your own takes file or layers)")
        if len(given) > 1:
            problems.append(f"{place}: {' and '.join(given)} each say which network it is; keep one of them")
        elif given and name in known and section.get("architecture") != name:
            problems.append(f"{place}: '{name}' is the name of a network of ours; give yours another")
        elif (
            given == ["architecture"]
            and isinstance(word := section["architecture"], str)
            and word not in known
        ):
            problems.append(f"{place}.architecture: {_unknown(word, known)}")
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
            word = baseline["architecture"]
            problems.append(f"architectures.{name}.baseline.architecture: {_unknown(word, known)}")
    return problems
