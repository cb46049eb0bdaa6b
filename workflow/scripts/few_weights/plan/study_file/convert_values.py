"""A study's values as its schema means them: conversion of what can only mean one thing, and defaults."""

import copy
import json
import re
from collections.abc import Mapping
from datetime import date
from functools import cache
from pathlib import Path

import yaml
from jsonschema import Draft202012Validator, validators

from few_weights.errors import StudyError
from few_weights.plan.study_file.problems import key_path
from few_weights.plan.yaml_scalars import disputed, number_in, truth_in

SCHEMA = Path(__file__).parents[4] / "schemas" / "study.schema.yaml"


@cache
def study_schema() -> dict:
    return yaml.safe_load(SCHEMA.read_text(encoding="utf-8"))


def plain_mapping(value, path: tuple = ()):
    """A copy of a mapping that Snakemake has read, without the types that JSON does not have."""
    if len(path) > 100:
        raise StudyError(f"the study holds itself, or is nested too deeply: {key_path(path[:3])}")
    if isinstance(value, Mapping):
        return {
            key if isinstance(key, str) else json.dumps(key, default=str): plain_mapping(item, (*path, key))
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [plain_mapping(item, (*path, i)) for i, item in enumerate(value)]
    if isinstance(value, date):
        return value.isoformat()
    if value is None or isinstance(value, str | int | float):
        return value
    raise StudyError(f"{key_path(path)}: {type(value).__name__} means nothing in a study")


def convert_values(value, schema: Mapping, path: tuple, texts: Mapping[tuple, str], root: Mapping):
    """A copy of a value in which all that can only mean one thing has the type that the schema asks for.

    `texts` says how a value without quotes is written. What fits no better in another type stays as it is.
    """
    while "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rpartition("/")[2]]
    match schema.get("type"):
        case "object" if isinstance(value, dict):
            keys, others = _properties(value, schema, root), schema.get("additionalProperties")
            return {
                key: convert_values(item, keys.get(key, others) or {}, (*path, key), texts, root)
                for key, item in value.items()
            }
        case "array":
            items = _as_list(value, path)
            if not isinstance(items, list):
                return items
            return [
                convert_values(item, schema["items"], (*path, i), texts, root) for i, item in enumerate(items)
            ]
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


DefaultsValidator = validators.extend(
    Draft202012Validator, {"properties": _fill_defaults(Draft202012Validator.VALIDATORS["properties"])}
)
