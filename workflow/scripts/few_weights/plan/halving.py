"""Successive halving: many models are trained for few epochs, and the better part of them for more.

A stage's trainings are those of sections of their own, `recurrent-4-epochs` for `recurrent`, so that they
are planned, trained and stored like all others. After these stages, the study's own sections train what is
left.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from few_weights.plan.study import Architecture


@dataclass(frozen=True)
class Stage:
    """One stage before the last.

    Attributes:
        epochs: of all its trainings.
        sections: the section of each architecture, by the name of the study's own.
    """

    epochs: int
    sections: Mapping[str, Architecture]


def stage_name(architecture: str, epochs: int) -> str:
    """The name of an architecture's section in a stage of so many epochs."""
    return f"{architecture}-{epochs}-epochs"


def stages_of(architectures: Mapping[str, Architecture], epochs: Sequence[int]) -> list[Stage]:
    """The stages of a study before the last.

    Args:
        architectures: the study's sections.
        epochs: of each stage.
    """
    return [
        Stage(
            number,
            {
                name: replace(
                    section,
                    name=stage_name(name, number),
                    recipe=replace(section.recipe, epochs=number),
                )
                for name, section in architectures.items()
            },
        )
        for number in epochs
    ]
