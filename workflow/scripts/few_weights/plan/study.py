"""A study and its parts as types: what `resolve.py` makes of a YAML, and everything else reads."""

from collections.abc import Mapping
from dataclasses import dataclass

from few_weights.plan.data_facts import DataFacts
from few_weights.plan.recipe import Network, Recipe


@dataclass(frozen=True)
class Baseline:
    """The full-size model that a breakpoint is compared with; the study need not train it."""

    architecture: str
    width: int


@dataclass(frozen=True)
class Architecture:
    """One section of a study: a network, the widths to train it at, and how."""

    name: str
    widths: list[int]
    network: Network
    recipe: Recipe
    baseline: Baseline

    @property
    def file(self) -> str | None:
        """The user's Python file that the network is in, if it is in one."""
        return self.network.get("file")


@dataclass(frozen=True)
class Study:
    """A checked study with every default filled in; config/README.md explains each key.

    Args:
        name: its results lie under results/<name>/.
        dataset: the name of its data set.
        sources: where to fetch the data from, in order: names, or {"file": path}.
        targets: the accuracies to find breakpoints for, from 0 to 1.
        seeds: each model is trained once with each.
        validation_examples: how many of the last training images are held out to choose with.
        refine: whether to search for the exact breakpoint between the widths given.
        export_models: whether to write the trained networks for other programs.
        published_records: whether the comparison shows what others have published.
        architectures: the sections by name, in the order of the YAML.
        data: what is known of the data set.
    """

    name: str
    dataset: str
    sources: list[str | Mapping[str, str]]
    targets: list[float]
    seeds: list[int]
    validation_examples: int
    refine: bool
    export_models: bool
    published_records: bool
    architectures: dict[str, Architecture]
    data: DataFacts

    def network(self, architecture: str) -> Network:
        """The network of a section; of any other name the built-in one, as a baseline may name it."""
        if architecture in self.architectures:
            return self.architectures[architecture].network
        return {"architecture": architecture, "options": {}}
