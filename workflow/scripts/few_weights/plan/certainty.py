"""How a study that stops when it is sure shares its probability of error among its models.

A study with `certainty` may be wrong with a probability of at most 1 - level. Every model that it can compare
gets the same part: half of it for its interval, half for the collapses that it must not miss. A model counts
once, whatever the number of targets, because its interval and its collapses are the same for all of them.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from few_weights.plan.arguments import read_json


@dataclass(frozen=True)
class Certainty:
    """The section `certainty` of a study.

    Attributes:
        level: the probability with which all its certain answers are right.
        at_most: the most seeds that a width is trained with.
        collapse: the rarest collapse, as a share of the seeds, that must not go unnoticed.
    """

    level: float
    at_most: int
    collapse: float


@dataclass(frozen=True)
class Rules:
    """By what the rounds of one architecture decide.

    Attributes:
        level, collapse: as in `Certainty`.
        alpha: the probability with which a model's interval may ever leave out its mean.
        guard_seeds: how many seeds a width needs before it may be called certain to reach a target.
        at_most: as in `Certainty`.
        most_added: the most widths that the search may add.
    """

    level: float
    collapse: float
    alpha: float
    guard_seeds: int
    at_most: int
    most_added: int


def certainty_rules(
    certainty: Certainty, widths: Mapping[str, Sequence[int]], targets: int, refine: bool
) -> dict[str, Rules]:
    """The rules of each architecture.

    Args:
        certainty: the study's.
        widths: architecture -> the widths that the study gives.
        targets: how many there are.
        refine: whether a search may add widths.
    """
    added = {name: targets * most_steps(given) if refine else 0 for name, given in widths.items()}
    models = sum(len(given) + added[name] for name, given in widths.items())
    alpha = (1 - certainty.level) / 2 / models
    guard_seeds = math.ceil(math.log(alpha) / math.log1p(-certainty.collapse))
    return {
        name: Rules(certainty.level, certainty.collapse, alpha, guard_seeds, certainty.at_most, added[name])
        for name in widths
    }


def most_steps(widths: Iterable[int]) -> int:
    """The most widths that a search may add for one target.

    A bisection of the largest gap needs half of that. The other half is for a search that goes on because
    further seeds have moved a mean across the target.
    """
    tried = sorted({0, *widths})
    gap = max(wider - narrower for narrower, wider in zip(tried, tried[1:], strict=False))
    return 2 * math.ceil(math.log2(gap))


def rules_as_values(rules: Mapping[str, Rules]) -> dict[str, dict[str, Any]]:
    """The rules of all architectures as values for JSON."""
    return {name: asdict(of_architecture) for name, of_architecture in rules.items()}


def read_rules(path: str) -> dict[str, Rules]:
    """Architecture -> its rules, from a file that `json_file` wrote of `rules_as_values`."""
    return {name: Rules(**values) for name, values in read_json(path).items()}
