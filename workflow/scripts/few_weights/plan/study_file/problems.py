"""What is wrong with a study, in sentences that name the key, its line and the fix."""

import difflib
import math
import re
from collections.abc import Iterable, Iterator, Mapping

from jsonschema import ValidationError

from few_weights.plan.study_file.hints import layer_hint, quote, type_hint
from few_weights.plan.study_file.yaml_reader import Written
from few_weights.plan.yaml_scalars import disputed

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


def key_path(path: Iterable) -> str:
    """`architectures.vgg.widths[2]` for the path of a value in the study."""
    place = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return place.removeprefix(".").replace("\n", "\\n")


def with_line(problem: str, places: Mapping[str, str]) -> str:
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


def unknown_architecture(word: str, known: Iterable[str]) -> str:
    shown = word.replace("\n", "\\n")
    return f"unknown architecture '{shown}'; {suggestion(word, known)}"


def suggestion(word: str, known: Iterable[str]) -> str:
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
    return suggestion(key, known)


def explain_violations(violations: Iterable[ValidationError], schema: Mapping) -> list[str]:
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
    place, value, rule = key_path(path), violation.instance, violation.validator_value
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
            yield f"{at}must be one of {known}, not {quote(value)}; {suggestion(value, rule)}"
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


def infinite_numbers(value, path: tuple = ()) -> list[str]:
    """Infinities and NaN pass every bound of JSON Schema."""
    if isinstance(value, dict):
        return [p for key, item in value.items() for p in infinite_numbers(item, (*path, key))]
    if isinstance(value, list):
        return [p for i, item in enumerate(value) for p in infinite_numbers(item, (*path, i))]
    if isinstance(value, float) and not math.isfinite(value):
        return [f"{key_path(path)}: must be a finite number, not {value}"]
    return []


def ambiguous_values(written: Written) -> list[str]:
    """Numbers that readers of YAML disagree on, where the schema does not say what is meant."""
    return [
        f"{key_path(path)}: {disputed(text)}"
        for path, text in written.texts.items()
        if path[:1] == ("architectures",) and path[2:3] in (("options",), ("layers",))
        if path[-1] != "name" and disputed(text)
    ]
