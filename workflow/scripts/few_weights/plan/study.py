"""The types of a study and its parts: `study_file/` makes them from a YAML, everything else reads them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from few_weights.plan.certainty import Certainty
from few_weights.plan.data_facts import DataFacts
from few_weights.plan.recipe import Network, Recipe, file_of

#: Where data can be fetched: the name of a source, or {"file": path}.
Source: TypeAlias = str | Mapping[str, str]


@dataclass(frozen=True)
class Baseline:
    """The full-size model that a breakpoint is compared with; the study need not train it."""

    architecture: str
    width: int


@dataclass(frozen=True)
class Architecture:
    """One section of a study: a network, the widths and seeds to train it with, and how to train it."""

    name: str
    widths: list[int]
    seeds: list[int]
    network: Network
    recipe: Recipe
    baseline: Baseline

    @property
    def file(self) -> str | None:
        """The user's Python file that builds the network; None for other networks."""
        return file_of(self.network)


@dataclass(frozen=True)
class Halving:
    """The section `halving` of a study.

    Attributes:
        epochs: of each stage before the last, ascending.
        keep: the share of a stage's models that goes on to the next.
    """

    epochs: list[int]
    keep: float


@dataclass(frozen=True)
class Study:
    """A checked study with all defaults filled in; config/README.md explains every key.

    Args:
        name: its results lie under results/<name>/.
        dataset: the name of its data set.
        sources: where to fetch the data from, in the order to try.
        targets: the accuracies to find breakpoints for, from 0 to 1.
        validation_examples: how many of the last training images are held out for choosing between models.
        refine: whether to search for the exact breakpoint between the widths given.
        certainty: when to stop adding seeds; None for a study with the same seeds everywhere.
        halving: the stages before the last; None for a study that trains all its models to the end.
        export_models: whether to write the trained networks for other programs.
        published_records: whether the comparison shows published results of other people.
        architectures: the sections by name, in the order of the YAML.
        data: what is known about the data set.
    """

    name: str
    dataset: str
    sources: list[Source]
    targets: list[float]
    validation_examples: int
    refine: bool
    certainty: Certainty | None
    halving: Halving | None
    export_models: bool
    published_records: bool
    architectures: dict[str, Architecture]
    data: DataFacts

    def network(self, architecture: str) -> Network:
        """The network of a section; for any other name, which a baseline may have, the built-in network."""
        if architecture in self.architectures:
            return self.architectures[architecture].network
        return {"architecture": architecture, "options": {}}
