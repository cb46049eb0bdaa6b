"""What is wrong with a study, in sentences that name the key, its line and how to fix it."""

import difflib
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from jsonschema import ValidationError

from few_weights.plan.study_file.hints import layer_hint, quote, type_hint
from few_weights.plan.study_file.yaml_reader import Keys, Written
from few_weights.plan.yaml_scalars import ambiguity

#: Keys of other tools, for which the key with the nearest spelling is not the one that is meant.
OTHER_NAMES = {"lr": "learning_rate", "eps": "epsilon"}

#: What JSON Schema's types are called in messages.
TYPE_NAMES = {
    "object": "a mapping of keys to values",
    "array": "a list such as [1, 2]",
    "string": "a text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
}


def key_path(path: Iterable[object]) -> str:
    """The path to a value in a study as messages show it, such as `architectures.vgg.widths[2]`."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.removeprefix(".").replace("\n", "\\n")


def with_line(problem: str, lines: Mapping[str, str]) -> str:
    """A problem with the line of its key, or of the nearest key around it.

    Args:
        problem: a sentence that begins with the path of a key.
        lines: path of a key -> its line in the file.
    """
    path, colon, _ = problem.partition(": ")
    if unknown := re.search(r"unknown (?:key|architecture) '([^']*)'", problem):
        around = problem[: unknown.start()].removesuffix(": ")
        path = f"{around}.{unknown[1]}" if around else unknown[1]
    elif not colon or "the key '" in path:
        return problem
    while path:
        if path in lines:
            return f"{problem} ({lines[path]})"
        path = re.sub(r"\[\d+\]$|\.?[^.\[\]]*$", "", path, count=1)
    return problem


def unknown_architecture(name: str, known: Iterable[str]) -> str:
    """The sentence for the name of an architecture that does not exist."""
    on_one_line = name.replace("\n", "\\n")
    return f"unknown architecture '{on_one_line}'; {suggestion(name, known)}"


def suggestion(name: object, known: Iterable[str]) -> str:
    """The known name that was probably meant, or the list of them all."""
    known, text = sorted(set(known)), str(name).strip()
    by_lower = {each.lower(): each for each in known}
    near = difflib.get_close_matches(text.lower(), by_lower, n=1, cutoff=0.5)
    if (other := OTHER_NAMES.get(text.lower())) in known:
        near = [other]
    if not near:
        return f"known are: {', '.join(known)}"
    strange = next((letter for letter in text if not letter.isascii()), None)
    code = f" ('{strange}' in it is U+{ord(strange):04X})" if strange else ""
    return f"did you mean '{by_lower.get(near[0], near[0])}'?{code}"


def _unknown_key(key: str, path: Keys, known: Iterable[str], schema: Mapping[str, Any]) -> str:
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


def explain_violations(violations: Iterable[ValidationError], schema: Mapping[str, Any]) -> list[str]:
    """The violations of the schema, one sentence each, without those that only follow from others.

    A value of the wrong type is not checked against bounds, and a misspelt key is not reported as missing.
    """
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


def _explain(violation: ValidationError, schema: Mapping[str, Any]) -> Iterator[str]:
    """One sentence per problem of a violation: what is wrong, where, and how to fix it."""
    path: Keys = tuple(violation.absolute_path)
    # The type of each depends on which rule of the schema is violated.
    value: Any = violation.instance
    rule: Any = violation.validator_value
    subschema: Any = violation.schema
    at = f"{key_path(path)}: " if path else ""
    match violation.validator:
        case "additionalProperties" if rule is False:
            known = subschema["properties"]
            for key in value:
                if key not in known:
                    yield f"{at}unknown key '{key}'; {_unknown_key(key, path, known, schema)}"
        case "required":
            # jsonschema reports each missing key separately, and names it only in its message
            key = violation.message.split("'")[1]
            # the name of an optimizer decides which keys it may have
            hint = f"; it has {', '.join(value)}" if key == "name" and value else ""
            yield f"{at}the key '{key}' is missing{hint}"
        case "type":
            yield f"{at}must be {TYPE_NAMES[rule]}, not {quote(value)}{type_hint(value, rule, path)}"
        case "enum":
            names = ", ".join(map(str, rule))
            yield f"{at}must be one of {names}, not {quote(value)}; {suggestion(value, rule)}"
        case "oneOf" if path[0] == "sources":
            is_path = isinstance(value, str) and re.search(r"[./\\]", value)
            hint = f"; write {{file: {value}}}" if is_path else ""
            yield f"{at}must be keras, wheel, bundled or {{file: PATH}}, not {quote(value)}{hint}"
        case "oneOf":
            yield (
                f"{at}must be a layer such as Flatten or Dense: {{units: width}}, not {quote(value)}"
                f"{layer_hint(value)}"
            )
        case "exclusiveMinimum" | "exclusiveMaximum" if path[0] in ("targets", "certainty"):
            hint = f"; for {value} % write {value / 100:g}" if 1 < value < 100 else ""
            yield f"{at}must lie between 0 and 1, both excluded, not {quote(value)}{hint}"
        case _:
            yield f"{at}{_explain_bound(str(violation.validator), rule, value) or violation.message}"


def _explain_bound(keyword: str, bound: Any, value: Any) -> str:
    """The sentence for a value that violates a bound of the schema; empty for any other keyword."""
    match keyword:
        case "minItems" | "minProperties" | "minLength":
            return "must not be empty"
        case "maxLength":
            return f"must have at most {bound} characters, not {len(value)}"
        case "uniqueItems":
            repeated = [item for i, item in enumerate(value) if item in value[:i]]
            return f"{quote(repeated[0])} is given more than once"
        case "minimum":
            return f"must be at least {bound}, not {quote(value)}"
        case "maximum":
            return f"must be at most {bound}, not {quote(value)}"
        case "exclusiveMinimum":
            return f"must be greater than {bound}, not {quote(value)}"
        case "exclusiveMaximum":
            return f"must be less than {bound}, not {quote(value)}"
        case "pattern":
            return f"must be letters, digits, '_', '-' or '.', not {quote(value)}"
    return ""


def infinite_numbers(value: object, path: Keys = ()) -> list[str]:
    """The infinities and NaNs in a study, one sentence each; they pass every bound of JSON Schema."""
    if isinstance(value, dict):
        return [p for key, item in value.items() for p in infinite_numbers(item, (*path, key))]
    if isinstance(value, list):
        return [p for i, item in enumerate(value) for p in infinite_numbers(item, (*path, i))]
    if isinstance(value, float) and not math.isfinite(value):
        return [f"{key_path(path)}: must be a finite number, not {value}"]
    return []


def ambiguous_values(written: Written) -> list[str]:
    """Numbers that readers of YAML disagree on, where the schema does not say which type is meant."""
    return [
        f"{key_path(path)}: {explanation}"
        for path, text in written.texts.items()
        if path[:1] == ("architectures",) and path[2:3] in (("options",), ("layers",))
        if path[-1] != "name" and (explanation := ambiguity(text))
    ]
