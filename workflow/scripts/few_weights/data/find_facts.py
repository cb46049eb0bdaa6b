"""The facts of a study's data set before it is fetched: of a built-in data set, or of a user's own file."""

import contextlib
import hashlib
import importlib.metadata
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from few_weights.data import datasets, sources
from few_weights.data.conversion import Conversion
from few_weights.data.data_warnings import data_warnings
from few_weights.data.datasets import KNOWN, Array
from few_weights.data.readers.any_path import read_path
from few_weights.data.sources import convert_source, expand_home
from few_weights.errors import StudyError
from few_weights.files import write_atomically
from few_weights.plan.data_facts import DataFacts
from few_weights.plan.environment import CACHE
from few_weights.plan.fingerprints import code_fingerprint
from few_weights.plan.study import Source
from few_weights.plan.study_file.problems import suggestion


def own_facts(file: Path | str, dataset: str, validation_examples: int) -> DataFacts:
    """The facts of a user's own data, including conversions and warnings.

    They are kept in Snakemake's folder for the next start, under a hash of the data's content.

    Args:
        file: a file or folder; ~ is the user's home.
        dataset: the name that the study gives to the data.
        validation_examples: the number of training images that the study holds out.

    Raises:
        StudyError: the data cannot be read or converted.
    """
    path = expand_home(file)
    cached = CACHE / f"data-{_content_key(path, dataset, validation_examples)}.json"
    with contextlib.suppress(OSError, ValueError, TypeError):
        kept: dict[str, Any] = json.loads(cached.read_text(encoding="utf-8"))
        values: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in kept.items()}
        return DataFacts(**values)
    conversion = convert_source(read_path(path, dataset), dataset)
    _require_trained(conversion.arrays["y_train"], validation_examples)
    warnings = _warnings(conversion, validation_examples)
    facts = replace(
        datasets.array_facts(conversion.arrays),
        conversions=tuple(conversion.sentences),
        warnings=tuple(warnings),
    )
    with contextlib.suppress(StudyError):  # if they cannot be kept, they are computed again
        write_atomically(cached, json.dumps(asdict(facts)))
    return facts


def _content_key(path: Path, dataset: str, validation_examples: int) -> str:
    """A hash of a file, or of the names and content in a folder; and of the code that reads them."""
    settings = json.dumps([dataset, validation_examples])
    digest = hashlib.sha256(settings.encode() + code_fingerprint(Path(__file__)).encode())
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        digest.update(importlib.metadata.version("pillow").encode())
    paths = [path]
    with contextlib.suppress(ValueError):  # not a valid path
        # Not `rglob`, which does not follow links to folders.
        for folder, folders, files in os.walk(path, followlinks=True):
            paths += [Path(folder, name) for name in (*folders, *files)]
    for entry in sorted(paths):
        content = ""
        # The reader reports what cannot be read.
        with contextlib.suppress(OSError):
            if entry.is_file():
                with entry.open("rb") as stream:
                    content = hashlib.file_digest(stream, "sha256").hexdigest()
        digest.update(f"{entry.relative_to(path)}\0{content}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()[:16]


def _require_trained(labels: Array, validation_examples: int) -> None:
    """Refuse to hold out all images of a class."""
    kept = len(labels) - validation_examples
    lost = np.setdiff1d(labels[kept:], labels[:kept])
    if kept > 0 and lost.size:  # the study is refused elsewhere if no image would be left
        raise StudyError(
            f"its last {validation_examples:,} training images, which validation_examples holds out, are the "
            f"only ones of class {', '.join(map(str, lost))}; shuffle images and labels together before you "
            "save them"
        )


def _warnings(conversion: Conversion, validation_examples: int) -> list[str]:
    """Warnings about data, and about how many of its images a study holds out."""
    provided = conversion.validation_examples
    warnings = []
    if provided and validation_examples != provided:
        use = (
            "they are used for training"
            if not validation_examples
            else f"the study holds out {validation_examples:,}"
        )
        warnings.append(
            f"the data has {provided:,} validation images, but {use}; "
            f"validation_examples: {provided} holds out exactly those"
        )
    if validation_examples >= len(conversion.arrays["y_train"]):
        validation_examples = 0  # refused elsewhere
    return warnings + data_warnings(conversion.arrays, validation_examples)


def facts_of_study(study: Mapping[str, Any]) -> tuple[DataFacts | None, list[Source], list[str]]:
    """What is known about a study's data before it is fetched.

    Args:
        study: the values of a study: `dataset`, `validation_examples` and optionally `sources`.

    Returns:
        The facts, or None if the data cannot be used; the sources to fetch the data from, in the order to
        try; and what is wrong, one sentence each.
    """
    dataset = study["dataset"]
    asked: list[Source] = [*study.get("sources", sources.SOURCES.get(dataset, []))]
    files = [source for source in asked if isinstance(source, Mapping)]
    if dataset in KNOWN:
        known = sources.SOURCES[dataset]
        problems = [
            f"sources[{i}]: {source} does not have {dataset}; write {', '.join(known)} or {{file: PATH}}"
            for i, source in enumerate(asked)
            if source not in (*known, *files)
        ]
        return KNOWN[dataset], asked, problems
    try:
        return _facts_of_file(dataset, asked, files, study["validation_examples"]), asked, []
    except StudyError as error:
        return None, asked, [str(error)]


def _facts_of_file(
    dataset: str, asked: list[Source], files: list[Mapping[str, str]], validation_examples: int
) -> DataFacts:
    if not files:
        raise StudyError(
            f"dataset: '{dataset}' is not known; {suggestion(dataset, KNOWN)} "
            "(your own data needs sources: [{file: PATH}])"
        )
    if len(asked) > 1:
        raise StudyError(
            f"sources: '{dataset}' is your own data set; give one file or folder and nothing else"
        )
    file = files[0]["file"]
    try:
        return own_facts(file, dataset, validation_examples)
    except StudyError as error:
        raise StudyError(f"sources[0].file: {file} cannot be used: {error}") from error
