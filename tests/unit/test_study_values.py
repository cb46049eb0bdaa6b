"""Every value in a study is read as it was meant, or refused with its key, its line and how to fix it."""

import copy
import json
import re
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator
from samples.studies import resolve_values

from few_weights.errors import StudyError
from few_weights.plan.study_file.yaml_reader import read_study

ROOT = Path(__file__).parents[2]
SCHEMA = yaml.safe_load((ROOT / "workflow" / "schemas" / "study.schema.yaml").read_text())
TRACES = re.compile(
    r"Traceback|Error\b|additionalProperties|oneOf|jsonschema|Failed validating|<class|NoneType"
)

STUDY = {
    "study": "mine",
    "dataset": "digits",
    "targets": [0.5],
    "seeds": [0],
    "validation_examples": 0,
    "refine": False,
    "export_models": False,
    "published_records": False,
    "sources": ["bundled"],
    "architectures": {
        "mlp": {
            "widths": [8],
            "epochs": 2,
            "batch_size": 128,
            "optimizer": {"name": "adam", "learning_rate": 0.1, "beta_1": 0.9, "beta_2": 0.9, "epsilon": 0.1},
            "schedule": {"name": "warmup_cosine", "warmup": 0.1},
            "augmentation": {"shift": 1},
            "baseline": {"architecture": "mlp", "width": 8},
        },
        "sgd": {
            "architecture": "mlp",
            "widths": [8],
            "epochs": 2,
            "batch_size": 128,
            "optimizer": {"name": "sgd", "learning_rate": 0.1, "momentum": 0.5, "nesterov": True},
        },
        "full": {
            "architecture": "mlp",
            "widths": [8],
            "epochs": 2,
            "batch_size": 128,
            "optimizer": {
                "name": "full_matrix_adam",
                "learning_rate": 0.1,
                "beta_1": 0.9,
                "beta_2": 0.9,
                "refresh": 3,
            },
            "quantisation": {"weight_bits": 4, "rounded_after": 0.5},
        },
    },
}

REFUSED = object()

#: A text in the file -> its meaning as a whole number, a number, a truth value and a text.
MEANINGS = {
    "32": (32, 32, REFUSED, "32"),
    "32.0": (32, 32.0, REFUSED, "32.0"),
    "1.0e+2": (100, 100.0, REFUSED, "1.0e+2"),
    "1e1": (10, 10.0, REFUSED, "1e1"),
    "3E0": (3, 3.0, REFUSED, "3E0"),
    "5.": (5, 5.0, REFUSED, "5."),
    "+7": (7, 7, REFUSED, "+7"),
    "'12'": (12, 12, REFUSED, "12"),
    '"2.0"': (2, 2.0, REFUSED, "2.0"),
    "0x10": (16, 16, REFUSED, "0x10"),
    "0o17": (15, 15, REFUSED, "0o17"),
    "0b11": (3, 3, REFUSED, "0b11"),
    "1_000": (1000, 1000, REFUSED, "1_000"),
    "007": (7, 7, REFUSED, "007"),
    "!!int '3'": (3, 3, REFUSED, "3"),
    "!!str 3": (3, 3, REFUSED, "3"),
    "1e-3": (REFUSED, 0.001, REFUSED, "1e-3"),
    ".25": (REFUSED, 0.25, REFUSED, ".25"),
    "'0.5'": (REFUSED, 0.5, REFUSED, "0.5"),
    "2.5": (REFUSED, 2.5, REFUSED, "2.5"),
    "010": (REFUSED, REFUSED, REFUSED, "010"),
    "08": (REFUSED, REFUSED, REFUSED, "08"),
    "1:30": (REFUSED, REFUSED, REFUSED, "1:30"),
    "1,5": (REFUSED, REFUSED, REFUSED, "1,5"),
    "1,000": (REFUSED, REFUSED, REFUSED, "1,000"),
    "50%": (REFUSED, REFUSED, REFUSED, "50%"),
    "1/4": (REFUSED, REFUSED, REFUSED, "1/4"),
    "1 000": (REFUSED, REFUSED, REFUSED, "1 000"),
    "-1": (-1, -1, REFUSED, "-1"),
    "0": (0, 0, REFUSED, "0"),
    "-0.0": (0, -0.0, REFUSED, "-0.0"),
    "1099511627776": (2**40, 2**40, REFUSED, "1099511627776"),
    "1e30": (10**30, 1e30, REFUSED, "1e30"),
    "1e400": (REFUSED, REFUSED, REFUSED, "1e400"),
    "9" * 5000: (REFUSED, REFUSED, REFUSED, "9" * 5000),
    ".inf": (REFUSED, REFUSED, REFUSED, ".inf"),
    "-.inf": (REFUSED, REFUSED, REFUSED, "-.inf"),
    ".nan": (REFUSED, REFUSED, REFUSED, ".nan"),
    "nan": (REFUSED, REFUSED, REFUSED, "nan"),
    "１２": (REFUSED, REFUSED, REFUSED, "１２"),
    "−1": (REFUSED, REFUSED, REFUSED, "−1"),
    "true": (REFUSED, REFUSED, True, "true"),
    "'True'": (REFUSED, REFUSED, True, "True"),
    "yes": (REFUSED, REFUSED, True, "yes"),
    "on": (REFUSED, REFUSED, True, "on"),
    "No": (REFUSED, REFUSED, False, "No"),
    "OFF": (REFUSED, REFUSED, False, "OFF"),
    "n": (REFUSED, REFUSED, False, "n"),
    "maybe": (REFUSED, REFUSED, REFUSED, "maybe"),
    "None": (REFUSED, REFUSED, REFUSED, "None"),
    "2026-01-01": (REFUSED, REFUSED, REFUSED, "2026-01-01"),
    "2026-01-01 10:00:00": (REFUSED, REFUSED, REFUSED, "2026-01-01 10:00:00"),
    "~": (REFUSED, REFUSED, REFUSED, REFUSED),
    "null": (REFUSED, REFUSED, REFUSED, REFUSED),
    "": (REFUSED, REFUSED, REFUSED, REFUSED),
    "''": (REFUSED, REFUSED, REFUSED, ""),
    "' padded '": (REFUSED, REFUSED, REFUSED, "padded"),
    '"two\\nlines"': (REFUSED, REFUSED, REFUSED, "two\nlines"),
    "é": (REFUSED, REFUSED, REFUSED, "é"),
    "k" * 300: (REFUSED, REFUSED, REFUSED, "k" * 300),
    "[3]": (REFUSED, REFUSED, REFUSED, REFUSED),
    "{a: 3}": (REFUSED, REFUSED, REFUSED, REFUSED),
    "[]": (REFUSED, REFUSED, REFUSED, REFUSED),
    "{}": (REFUSED, REFUSED, REFUSED, REFUSED),
}
KINDS = ("integer", "number", "boolean", "string")


def scalars(value=STUDY, schema=SCHEMA, path=()):
    """The path of every scalar of STUDY with its schema."""
    while "$ref" in schema:
        schema = SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]]
    if isinstance(value, dict):
        for key, item in value.items():
            properties = schema.get("properties", {})
            if "allOf" in schema:
                properties = SCHEMA["$defs"][value["name"]]["properties"] | properties
            yield from scalars(item, properties.get(key) or schema["additionalProperties"], (*path, key))
    elif isinstance(value, list):
        for i, item in enumerate(value):
            yield from scalars(item, schema["items"], (*path, i))
    elif "type" in schema:
        yield path, schema


# The second and third section differ from the first only in the settings of their optimizers.
SCALARS = [part for part in scalars() if part[0][1:2] in ((), (0,), ("mlp",)) or "optimizer" in part[0]]


def key_path(path):
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")


def with_text_at(path, text, folder):
    """A file with STUDY in which the value at the path is this text, and the number of its line."""
    # With one section only, which takes a third of the time.
    name = path[1] if path[:1] == ("architectures",) and path[1:] else "mlp"
    study = copy.deepcopy(STUDY | {"architectures": {name: STUDY["architectures"][name]}})
    *parents, last = path
    section = study
    for step in parents:
        section = section[step]
    section[last] = "@@"
    lines = yaml.safe_dump(study, sort_keys=False).replace("'@@'", "@@").splitlines()
    number = next(i for i, line in enumerate(lines) if "@@" in line)
    lines[number] = lines[number].replace("@@", text)
    file = folder / "study.yaml"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file, number + 1


def value_at(study, path):
    for step in path:
        study = study[step]
    return study


@pytest.mark.parametrize(("path", "schema"), SCALARS, ids=[key_path(path) for path, _ in SCALARS])
def test_every_key_takes_the_value_that_is_meant_or_says_what_is_wrong(path, schema, tmp_path):
    accepted = 0
    for text, meanings in MEANINGS.items():
        meant = meanings[KINDS.index(schema["type"])]
        file, line = with_text_at(path, text, tmp_path)
        try:
            value = value_at(resolve_values(read_study([file])), path)
        except StudyError as error:
            message = str(error)
            assert not TRACES.search(message), message
            assert key_path(path) in message, (text, message)
            assert f"(line {line})" in message, (text, message)
            assert len(message.splitlines()) == 3, (text, message)
            # A value that is understood is refused if the schema forbids it, or another part of the study.
            elsewhere = path[-1] in ("dataset", "architecture", "validation_examples")
            possible = meant is not REFUSED and Draft202012Validator(schema).is_valid(meant)
            assert elsewhere or not possible, (text, message)
        else:
            accepted += 1
            assert meant is not REFUSED, (text, value)
            assert (value, type(value)) == (meant, type(meant)), text
    assert accepted or path[-1] in ("dataset", "architecture")


@pytest.mark.parametrize(
    ("path", "text", "meant"),
    [
        (("architectures", "mlp", "widths"), "8", [8]),
        (("architectures", "mlp", "widths"), "8.0", [8]),
        (("architectures", "mlp", "widths"), "(16, 8)", [16, 8]),
        (("architectures", "mlp", "widths"), "'[16, 8]'", [16, 8]),
        (("targets",), "0.97", [0.97]),
        (("targets",), "'.97'", [0.97]),
        (("seeds",), "0", [0]),
        (("seeds",), "[0.0, 1e0]", [0, 1]),
        (("sources",), "bundled", ["bundled"]),
        (("architectures", "mlp", "widths"), "8, 4", "write [8, 4]"),
        (("architectures", "mlp", "widths"), "8 4", "write [8, 4]"),
        (("architectures", "mlp", "widths"), "{8, 4}", "write [8, 4]"),
        (("architectures", "mlp", "widths"), "[8, 8.0]", "8 is given more than once"),
        (("architectures", "mlp", "widths"), "010", "write 10 or 8"),
        (("architectures", "mlp", "widths"), "1000000000", "must be at most 1000000"),
        (("seeds",), "3", "write [3] for that one seed, [0, 1, 2] for 3 seeds"),
        (("seeds",), "10", "write [10] for that one seed, [0, 1, …, 9] for 10 seeds"),
        (("seeds",), "range(3)", "write [0, 1, 2]"),
        (("targets",), "97%", "write 0.97"),
        (("targets",), "0,97", "write 0.97"),
        (("targets",), "[97]", "for 97 % write 0.97"),
        (("sources",), "mine.npz", "write {file: mine.npz}"),
        (("architectures", "mlp", "optimizer", "learning_rate"), "1/1000", "write 0.001"),
        (("architectures", "mlp", "optimizer", "learning_rate"), "1:30", "write 90"),
        (("architectures", "mlp", "optimizer"), "adam", "write {name: adam, …}"),
        (("architectures", "mlp", "epochs"), "1,000", "write 1000"),
    ],
)
def test_lists_and_hints(path, text, meant, tmp_path):
    file, _ = with_text_at(path, text, tmp_path)
    if isinstance(meant, list):
        found = value_at(resolve_values(read_study([file])), path)
        assert json.dumps(found) == json.dumps(meant)
    else:
        with pytest.raises(StudyError, match=re.escape(meant)):
            resolve_values(read_study([file]))


OWN = "architectures:\n  {}:\n    layers: [Flatten]\n    widths: [1]\n    epochs: 1\n    batch_size: 1\n"
HEAD = "study: mine\ndataset: digits\ntargets: [0.5]\nseeds: [0]\n"
SGD = "    optimizer: {name: sgd, learning_rate: 0.1}\n"


@pytest.mark.parametrize(
    "name", ["no", "on", "yes", "true", "010", "1", "1e3", "2026-01-01", "null", "nan", "0x1"]
)
def test_a_name_is_read_as_it_is_written(name, tmp_path):
    (tmp_path / "study.yaml").write_text(HEAD + OWN.format(name) + SGD)
    assert list(resolve_values(read_study([tmp_path / "study.yaml"]))["architectures"]) == [name]


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("é", "must be letters"),
        ("a b", "must be letters"),
        ("1:30", "must be letters"),
        ('"a\\nb"', "must be letters"),
        ("~", "must be letters"),
        ("a" * 65, "at most 64 characters, not 65"),
        ("a" * 64, "must not end with the same letters repeated twenty times"),
    ],
)
def test_a_name_that_cannot_be_a_folder_is_refused(name, problem, tmp_path):
    (tmp_path / "study.yaml").write_text(HEAD + OWN.format(name) + SGD)
    with pytest.raises(StudyError, match=problem) as error:
        resolve_values(read_study([tmp_path / "study.yaml"]))
    assert len(str(error.value).splitlines()) == 3


def free_form(where, text, tmp_path):
    """The value that is read for a text in `options`, or in the arguments of a layer."""
    given = {
        "options": "    file: study.yaml\n    options: {value: TEXT}\n",
        "layers": "    layers: [{Dense: {value: TEXT}}]\n",
    }[where]
    section = OWN.format("mine").replace("    layers: [Flatten]\n", given.replace("TEXT", text))
    (tmp_path / "study.yaml").write_text(HEAD + section + SGD)
    section = resolve_values(read_study([tmp_path / "study.yaml"]))["architectures"]["mine"]
    return section["options"]["value"] if where == "options" else section["layers"][0]["Dense"]["value"]


@pytest.mark.parametrize("where", ["options", "layers"])
def test_values_that_the_schema_does_not_describe_are_read_as_written(where, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for text, value in {
        "1e-3": 0.001,
        "2.0": 2.0,
        "yes": True,
        "off": False,
        "'yes'": "yes",
        "0x10": 16,
        "relu": "relu",
        "2026-01-01": "2026-01-01",
        "'010'": "010",
        "(3, 3)": "(3, 3)",
        "max(1, width // 2)": "max(1, width // 2)",
        "[max(1, 2), (3, 4)]": ["max(1, 2)", "(3, 4)"],
        "~": None,
    }.items():
        found = free_form(where, text, tmp_path)
        assert (found, type(found)) == (value, type(value)), text
    for text in ("010", "1:30", ".nan"):
        with pytest.raises(StudyError, match="value: "):
            free_form(where, text, tmp_path)


def damages(value, path=()):
    """(kind, path, change of the value, what the message must name), for types, spelling and nesting."""
    if isinstance(value, dict):
        for key, item in value.items():
            here = (*path, key)
            free = len(here) > 2 and here[2] in ("options", "layers")
            is_architecture = here[0] == "architectures" and len(here) == 2
            own_name = is_architecture and {"architecture", "file", "layers"} & item.keys()
            if not free and not own_name:
                yield (
                    f"misspelt {key}",
                    path,
                    lambda d, key=key: {f"{k}x" if k == key else k: v for k, v in d.items()},
                    f"{key}x",
                )
                yield "nested list", here, lambda item: [[item]], key
                yield "mapping", here, lambda item: {"wrong": item}, key if key != "baseline" else "wrong"
                yield "empty", here, lambda item: None, key
                yield from damages(item, here)
    elif isinstance(value, list):
        for i, item in enumerate(value):
            if not isinstance(item, dict):
                yield "list", (*path, i), lambda item: [item], f"{path[-1]}[{i}]"
                yield "text", (*path, i), lambda item: "wrong", f"{path[-1]}[{i}]"
                yield "empty", (*path, i), lambda item: None, f"{path[-1]}[{i}]"


def distinct_damages(study):
    """The damages of a study, each once for all sections and for all items of a list."""
    distinct = {}
    for kind, path, *damage in damages(study):
        section_free = ("architectures", *path[2:]) if path[:1] == ("architectures",) and path[1:] else path
        general = tuple("item" if isinstance(step, int) else step for step in section_free)
        distinct.setdefault((kind, len(path), general), (path, *damage))
    return list(distinct.values())


def changed(value, path, change):
    if not path:
        return change(value)
    if isinstance(value, dict):
        return {
            key: changed(item, path[1:], change) if key == path[0] else item for key, item in value.items()
        }
    return [changed(item, path[1:], change) if i == path[0] else item for i, item in enumerate(value)]


@pytest.mark.parametrize("file", sorted((ROOT / "config").rglob("*.yaml")), ids=lambda file: file.name)
def test_one_change_that_breaks_a_study_is_one_line_that_names_it(file, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    study = yaml.safe_load(file.read_text())
    kinds = distinct_damages(study)
    assert len(kinds) > 50
    for path, change, name in kinds:
        damaged = tmp_path / "study.yaml"
        damaged.write_text(yaml.safe_dump(changed(study, path, change), sort_keys=False))
        with pytest.raises(StudyError) as error:
            resolve_values(read_study([damaged]))
        message = str(error.value)
        assert name in message, (path, message)
        assert not TRACES.search(message), message
        problems = [line for line in message.splitlines() if line.startswith("  - ")]
        assert len(problems) == len(message.splitlines()) - 2
        # A misspelt key may also be reported as missing; nothing else has two messages.
        assert len(problems) == 1 or any(word in message for word in ("is missing", "unknown")), message
