"""From the values of a study's YAML to a checked `Study` with all defaults filled in."""

import math
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeAlias

from jsonschema import Draft202012Validator

from few_weights.errors import StudyError
from few_weights.plan.certainty import Certainty, certainty_rules
from few_weights.plan.data_facts import DataFacts
from few_weights.plan.halving import stage_name
from few_weights.plan.recipe import Network, Recipe
from few_weights.plan.runs import LARGEST_SEED
from few_weights.plan.study import Architecture, Baseline, Halving, Source, Study
from few_weights.plan.study_file.convert_values import (
    DefaultsValidator,
    convert_mapping,
    plain_mapping,
    study_schema,
)
from few_weights.plan.study_file.networks import architecture_names, network_problems
from few_weights.plan.study_file.problems import (
    ambiguous_values,
    explain_violations,
    infinite_numbers,
    key_path,
    unknown_architecture,
    with_line,
)
from few_weights.plan.study_file.yaml_reader import Written, read_study

#: Folders in results/ that a study of the same name would overwrite.
RESERVED_NAMES = {"benchmark", "data", "reference"}

#: Keys that a YAML and a `Study`, or a section and its `Recipe`, have in common.
COMMON_KEYS = {field.name for field in fields(Study)} - {
    "name",
    "architectures",
    "certainty",
    "halving",
    "data",
}
RECIPE_KEYS = {field.name for field in fields(Recipe)}

#: From the values of a study that fits the schema to: the facts of its data (None where there are none), the
#: sources to fetch the data from, and what is wrong, one sentence each.
FindFacts: TypeAlias = Callable[[Mapping[str, Any]], tuple[DataFacts | None, list[Source], list[str]]]


def resolve_study(config: Mapping[str, Any] | Written, find_facts: FindFacts) -> Study:
    """Check a study, convert values that can only mean one thing, and fill in the defaults.

    `32.0`, `"32"` and `3.2e1` are whole numbers where one is expected, `yes` is true, `study: 42` is a text,
    and `widths: 8` is a list of one.

    Args:
        config: what `yaml_reader.read_study` has read; or a parsed mapping, which no longer shows what was
            written: there `010` is 8 already, and a key that was given twice cannot be noticed.
        find_facts: see `FindFacts`; usually `data.find_facts.facts_of_study`.

    Raises:
        StudyError: the study is not valid; the message lists all mistakes, one per line.
    """
    values, facts = checked_values(config, find_facts)
    return Study(
        name=values["study"],
        architectures={
            name: _architecture(name, section, values["seeds"])
            for name, section in values["architectures"].items()
        },
        certainty=Certainty(**values["certainty"]) if "certainty" in values else None,
        halving=Halving(**values["halving"]) if "halving" in values else None,
        data=facts,
        **{key: values[key] for key in COMMON_KEYS},
    )


def checked_values(
    config: Mapping[str, Any] | Written, find_facts: FindFacts
) -> tuple[dict[str, Any], DataFacts]:
    """Check the values of a study by the keys of its YAML, convert them, and fill in the defaults.

    Args:
        config: see `resolve_study`.
        find_facts: see `FindFacts`.

    Returns:
        The values, and the facts of the data set.

    Raises:
        StudyError: the study is not valid; the message lists all mistakes, one per line.
    """
    written = config if isinstance(config, Written) else Written(plain_mapping(config))
    schema = study_schema()
    study = convert_mapping(written.values, schema, written.texts)
    problems = list(written.problems)
    violations = list(Draft202012Validator(schema).iter_errors(study))
    problems += explain_violations(violations, schema)
    problems += infinite_numbers(study) + ambiguous_values(written)
    facts = None
    if not violations:
        DefaultsValidator(schema).validate(study)
        facts, study["sources"], data_problems = find_facts(study)
        problems += [*data_problems, *_contradictions(study, facts)]
    elif isinstance(study.get("architectures"), dict):
        problems += network_problems(study["architectures"])
    if problems or facts is None:
        lines_of_keys = {key_path(path): line for path, line in written.lines.items()}
        lines = "".join(f"\n  - {with_line(problem, lines_of_keys)}" for problem in dict.fromkeys(problems))
        raise StudyError(f"{written.origin} cannot be used:{lines}\nconfig/README.md explains every key.")
    return study, facts


def results_folder(file: Path) -> Path:
    """The folder of a study's results, from the name in its YAML file.

    Raises:
        StudyError: the file is not a study.
    """
    written = read_study([file])
    name = written.texts.get(("study",), written.values.get("study"))
    if not name:
        raise StudyError(f"{file} is not a study: the key 'study' is missing")
    return Path("results", str(name).strip())


def _architecture(name: str, section: Mapping[str, Any], seeds: list[int]) -> Architecture:
    baseline = section.get("baseline", {"architecture": name, "width": max(section["widths"])})
    return Architecture(
        name=name,
        widths=section["widths"],
        seeds=section.get("seeds", seeds),
        network=_network(name, section),
        recipe=Recipe(**{key: section[key] for key in RECIPE_KEYS if key in section}),
        baseline=Baseline(**baseline),
    )


def _network(name: str, section: Mapping[str, Any]) -> Network:
    if "layers" in section:
        return {"layers": section["layers"]}
    if "file" in section:
        function = section.get("function", name)
        return {"file": section["file"], "function": function, "options": section["options"]}
    return {"architecture": section.get("architecture", name), "options": section["options"]}


def _contradictions(study: Mapping[str, Any], facts: DataFacts | None) -> list[str]:
    """Mistakes that show only when keys are compared with each other or with the data."""
    problems = network_problems(study["architectures"])
    if study["study"] in RESERVED_NAMES:
        problems.append(f"study: results/{study['study']}/ has another purpose; choose another name")
    if facts and study["validation_examples"] >= facts.train_examples:
        problems.append(
            f"validation_examples: must be less than the {facts.train_examples} training images of "
            f"{study['dataset']}, not {study['validation_examples']}"
        )
    problems += _too_few_seeds(study) + _wrong_stages(study)
    known = [*architecture_names(), *study["architectures"]]
    for name, section in study["architectures"].items():
        if "quantisation" in section:
            problems += _useless_quantisation(name, section, study, facts)
        baseline = section.get("baseline")
        if baseline and baseline["architecture"] not in known:
            unknown = baseline["architecture"]
            problems.append(
                f"architectures.{name}.baseline.architecture: {unknown_architecture(unknown, known)}"
            )
    return problems


def _useless_quantisation(
    name: str, section: Mapping[str, Any], study: Mapping[str, Any], facts: DataFacts | None
) -> list[str]:
    """Why a section's training would not end with weights of few bits."""
    optimizer = section["optimizer"]["name"]
    if optimizer != "full_matrix_adam":
        return [
            f"architectures.{name}.quantisation: {optimizer} cannot train weights of few bits; choose "
            "the optimizer full_matrix_adam, or remove quantisation"
        ]
    if facts is None:
        return []
    batches = math.ceil((facts.train_examples - study["validation_examples"]) / section["batch_size"])
    steps = batches * min([section["epochs"], *study.get("halving", {}).get("epochs", ())])
    after = section["quantisation"]["rounded_after"]
    if round(after * steps) < steps:
        return []
    return [
        f"architectures.{name}.quantisation.rounded_after: {after:.12g} of {steps} steps leaves none with "
        "rounded weights; write a smaller share"
    ]


def _wrong_stages(study: Mapping[str, Any]) -> list[str]:
    """Why the stages of a study with halving cannot be trained, or could not choose honestly."""
    if "halving" not in study:
        return []
    problems = []
    epochs, sections = study["halving"]["epochs"], study["architectures"]
    if epochs != sorted(epochs):
        problems.append(
            f"halving.epochs: must grow from stage to stage, as in {sorted(epochs)}, not {epochs}"
        )
    for name, section in sections.items():
        if section["epochs"] <= max(epochs):
            problems.append(
                f"architectures.{name}.epochs: the last stage must take more epochs than the one before, "
                f"{max(epochs)}, not {section['epochs']}"
            )
        problems += [
            f"architectures.{other}: halving needs this name for a stage of {name}; choose another"
            for other in sections
            if other in {stage_name(name, number) for number in epochs}
        ]
    if not study["validation_examples"]:
        problems.append(
            "halving: chooses models, which would be by the test images; hold out others for that with "
            "validation_examples"
        )
    problems += [
        f"halving: cannot be combined with {key}; search first, then refine what it found in another study"
        for key in ("refine", "certainty")
        if study.get(key)
    ]
    return problems


def _too_few_seeds(study: Mapping[str, Any]) -> list[str]:
    """Why a study could never be certain, or would run out of seeds."""
    if "certainty" not in study:
        return []
    sections = study["architectures"]
    certainty = Certainty(**study["certainty"])
    for name, section in sections.items():
        seeds, of_section = section.get("seeds", study["seeds"]), f" of {name}" if "seeds" in section else ""
        given = len(seeds)
        if certainty.at_most < given:
            return [
                f"certainty.at_most: must be at least {given}, the number of seeds{of_section}, not "
                f"{certainty.at_most}"
            ]
        if max(seeds) + certainty.at_most - given > LARGEST_SEED:
            return [
                f"certainty.at_most: further seeds{of_section} would exceed {LARGEST_SEED}; give smaller ones"
            ]
    widths = {name: section["widths"] for name, section in sections.items()}
    rules = certainty_rules(certainty, widths, len(study["targets"]), study["refine"])
    needed = next(iter(rules.values())).guard_seeds
    if certainty.at_most >= needed:
        return []
    return [
        f"certainty.at_most: {certainty.at_most} seeds of a width are too few to notice collapses of "
        f"{certainty.collapse:.12g} of them with {certainty.level:.12g} certainty, which takes {needed}; "
        f"write at_most: {needed} or more, or a larger share for collapse"
    ]
