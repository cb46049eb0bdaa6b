"""What is known of a study's data before it is fetched: of known data sets, and of a user's own file."""

import contextlib
import hashlib
import importlib.metadata
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from few_weights.data import datasets, sources
from few_weights.data.conversion import Conversion
from few_weights.data.data_warnings import data_warnings
from few_weights.data.datasets import KNOWN
from few_weights.data.readers.any_path import read_path
from few_weights.data.sources import convert_source, expand_home
from few_weights.errors import StudyError
from few_weights.files import write_atomically
from few_weights.plan.data_facts import DataFacts
from few_weights.plan.environment import CACHE
from few_weights.plan.fingerprints import code_fingerprint
from few_weights.plan.study_file.problems import suggestion


def own_facts(file: Path | str, dataset: str, validation_examples: int) -> DataFacts:
    """The facts of a user's own data, with what was converted and what is suspicious.

    `file` is a file or folder; ~ is the user's home. The facts are kept in Snakemake's folder for the next
    start, under a hash of all that was read: the age of a file says nothing.

    Raises:
        StudyError: the data cannot be read, or not be made into images and labels.
    """
    path = expand_home(file)
    cached = CACHE / f"data-{_content_key(path, dataset, validation_examples)}.json"
    with contextlib.suppress(OSError, ValueError, TypeError):
        known = json.loads(cached.read_text(encoding="utf-8"))
        return DataFacts(**{name: tuple(v) if isinstance(v, list) else v for name, v in known.items()})
    conversion = convert_source(read_path(path, dataset), dataset)
    _require_trained(conversion.arrays["y_train"], validation_examples)
    warnings = _warnings(conversion, validation_examples)
    facts = replace(
        datasets.array_facts(conversion.arrays),
        conversions=tuple(conversion.sentences),
        warnings=tuple(warnings),
    )
    with contextlib.suppress(StudyError):  # where it cannot be kept, it is found out again
        write_atomically(cached, json.dumps(asdict(facts)))
    return facts


def _content_key(path: Path, *also) -> str:
    """A hash of a file, or of the names and content in a folder; and of the code that reads them."""
    digest = hashlib.sha256(json.dumps(also).encode() + code_fingerprint(Path(__file__)).encode())
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        digest.update(importlib.metadata.version("pillow").encode())
    paths = [path]
    with contextlib.suppress(ValueError):  # no path at all
        # Not by `rglob`, which passes by what a link to a folder leads to.
        for folder, folders, files in os.walk(path, followlinks=True):
            paths += [Path(folder, name) for name in (*folders, *files)]
    for entry in sorted(paths):
        content = ""
        # What cannot be read is refused by who reads it.
        with contextlib.suppress(OSError):
            if entry.is_file():
                with entry.open("rb") as stream:
                    content = hashlib.file_digest(stream, "sha256").hexdigest()
        digest.update(f"{entry.relative_to(path)}\0{content}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()[:16]


def _require_trained(labels: np.ndarray, validation_examples: int) -> None:
    """Refuse held-out images of which a class has no other."""
    kept = len(labels) - validation_examples
    lost = np.setdiff1d(labels[kept:], labels[:kept])
    if kept > 0 and lost.size:  # that nothing would be left is refused elsewhere
        raise StudyError(
            f"its last {validation_examples:,} training images, which validation_examples holds "
            "out, are all that "
            f"there are of class {', '.join(map(str, lost))}; shuffle images and labels alike "
            "before you save them"
        )


def _warnings(conversion: Conversion, validation_examples: int) -> list[str]:
    """What is suspicious about data, and about how many of its images a study holds out."""
    brought = conversion.validation_examples
    warnings = []
    if brought and validation_examples != brought:
        what = (
            "they are trained on"
            if not validation_examples
            else f"the study holds out {validation_examples:,}"
        )
        warnings.append(
            f"the data bring {brought:,} validation images, but {what}; "
            f"validation_examples: {brought} holds out those and no others"
        )
    if validation_examples >= len(conversion.arrays["y_train"]):
        validation_examples = 0  # refused elsewhere
    return warnings + data_warnings(conversion.arrays, validation_examples)


def facts_of_study(study: Mapping) -> tuple[DataFacts | None, list, list[str]]:
    """What is known of a study's data before it is fetched.

    Args:
        study: `dataset`, `validation_examples` and, where it has some, `sources`.

    Returns:
        The facts, or None where there are none; the sources to fetch the data from, in order; and what is
        wrong, a sentence each.
    """
    dataset = study["dataset"]
    asked = study.get("sources", sources.SOURCES.get(dataset, []))
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


def _facts_of_file(dataset: str, asked: list, files: list[Mapping], validation_examples: int) -> DataFacts:
    if not files:
        raise StudyError(
            f"dataset: '{dataset}' is not known; {suggestion(dataset, KNOWN)} "
            "(data of your own take sources: [{file: PATH}])"
        )
    if len(asked) > 1:
        raise StudyError(
            f"sources: '{dataset}' is a data set of your own; name its one file and nothing else"
        )
    file = files[0]["file"]
    try:
        return own_facts(file, dataset, validation_examples)
    except StudyError as error:
        raise StudyError(f"sources[0].file: {file} cannot be used: {error}") from error
