"""Conversion of a study's values to the types of its schema where they can only mean one thing; defaults."""

import copy
import json
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import yaml
from jsonschema import Draft202012Validator, ValidationError, validators

from few_weights.errors import StudyError
from few_weights.plan.study_file.problems import key_path
from few_weights.plan.study_file.yaml_reader import Keys
from few_weights.plan.yaml_scalars import ambiguity, number_in, truth_in

SCHEMA_FILE = Path(__file__).parents[4] / "schemas" / "study.schema.yaml"

#: A JSON schema, or a part of one.
Schema: TypeAlias = Mapping[str, Any]


@cache
def study_schema() -> dict[str, Any]:
    """The JSON schema of a study, workflow/schemas/study.schema.yaml."""
    schema: dict[str, Any] = yaml.safe_load(SCHEMA_FILE.read_text(encoding="utf-8"))
    return schema


def plain_mapping(config: Mapping[Any, Any]) -> dict[str, Any]:
    """A copy of a mapping that Snakemake has read, with the types of JSON only.

    Raises:
        StudyError: a value has no counterpart in JSON, or the mapping contains itself.
    """
    return {_plain_key(key): _plain_value(item, (key,)) for key, item in config.items()}


def _plain_key(key: object) -> str:
    return key if isinstance(key, str) else json.dumps(key, default=str)


def _plain_value(value: object, path: Keys) -> object:
    if len(path) > 100:
        raise StudyError(f"the study contains itself, or is nested too deeply: {key_path(path[:3])}")
    if isinstance(value, Mapping):
        return {_plain_key(key): _plain_value(item, (*path, key)) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain_value(item, (*path, i)) for i, item in enumerate(value)]
    if isinstance(value, date):
        return value.isoformat()
    if value is None or isinstance(value, str | int | float):
        return value
    raise StudyError(f"{key_path(path)}: {type(value).__name__} has no meaning in a study")


def convert_mapping(values: Mapping[str, Any], schema: Schema, texts: Mapping[Keys, str]) -> dict[str, Any]:
    """A copy of a study in which values have the types of the schema, where they can only mean one thing.

    Values that fit no better in another type are not changed.

    Args:
        values: the study as it was read.
        schema: the schema of a study.
        texts: the text of each value that is written without quotes.
    """
    keys = schema["properties"]
    return {key: _convert(item, keys.get(key) or {}, (key,), texts, schema) for key, item in values.items()}


def _convert(value: Any, schema: Schema, path: Keys, texts: Mapping[Keys, str], root: Schema) -> Any:
    while "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rpartition("/")[2]]
    match schema.get("type"):
        case "object" if isinstance(value, dict):
            keys, other_keys = _properties(value, schema, root), schema.get("additionalProperties")
            return {
                key: _convert(item, keys.get(key, other_keys) or {}, (*path, key), texts, root)
                for key, item in value.items()
            }
        case "array":
            items = _as_list(value, path)
            if not isinstance(items, list):
                return items
            return [_convert(item, schema["items"], (*path, i), texts, root) for i, item in enumerate(items)]
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


def _properties(value: Mapping[str, Any], schema: Schema, root: Schema) -> dict[str, Any]:
    """The schemas of a mapping's keys; the `name` of an optimizer decides which other keys it has."""
    keys = dict(schema.get("properties", {}))
    for clause in schema.get("allOf", []):
        if clause["if"]["properties"]["name"]["const"] == str(value.get("name")).strip():
            settings = root["$defs"][clause["then"]["$ref"].rpartition("/")[2]]["properties"]
            keys = settings | {"name": keys["name"]}
    return keys


def _as_list(value: Any, path: Keys) -> Any:
    """A list where a value can only mean one: a single item, or numbers in brackets within a text.

    `seeds: 3` may mean the seed 3 or three seeds, so it is not changed; `seeds: 0` is one seed.
    """
    key = path[-1]
    if key in ("widths", "targets", "seeds"):
        if isinstance(value, str) and value.strip()[:1] in ("[", "("):
            numbers = [number_in(part) for part in value.strip(" [()]").split(",")]
            return value if None in numbers else numbers
        if isinstance(value, str):
            # A text that is one number, if a wrong one, is checked as a number.
            single = bool(
                number_in(value) is not None or ambiguity(value) or re.search(r"%$|,\d{3}$|^0,", value)
            )
        else:
            single = isinstance(value, int | float) and not isinstance(value, bool)
        return [value] if single and (key != "seeds" or value == 0) else value
    if key == "sources" and isinstance(value, str | dict):
        return [value]
    return [value] if key == "layers" and isinstance(value, str) else value


#: How jsonschema checks one keyword: from a validator, the keyword's value, an instance and its schema.
_Check: TypeAlias = Callable[[Any, Any, Any, Any], Iterator[ValidationError]]


def _fill_defaults(check_properties: _Check) -> _Check:
    """A check of `properties` that first writes the schema's defaults into the instance."""

    def fill(validator: Any, properties: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
        if validator.is_type(instance, "object"):
            for key, subschema in properties.items():
                if isinstance(subschema, dict) and "default" in subschema:
                    instance.setdefault(key, subschema["default"])
        yield from check_properties(validator, properties, instance, schema)

    return fill


#: Checks a study and fills in its defaults.
DefaultsValidator = validators.extend(  # type: ignore[no-untyped-call]  # not in the stubs
    Draft202012Validator, {"properties": _fill_defaults(Draft202012Validator.VALIDATORS["properties"])}
)
