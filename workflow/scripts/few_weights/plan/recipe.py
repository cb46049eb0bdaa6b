"""What a study trains and how, as types.

They are kept apart from the rest of a study because the results of training depend only on these: a change
in this file trains everything again, a new key in `Study` must not.
"""

import json
from dataclasses import dataclass
from typing import Any, TypedDict, final


@final
class BuiltIn(TypedDict):
    """A network defined in networks/architectures.py."""

    architecture: str
    options: dict[str, Any]


@final
class UserFunction(TypedDict):
    """A function in a user's file that returns the network for a width."""

    file: str
    function: str
    options: dict[str, Any]


@final
class LayerList(TypedDict):
    """A list of Keras layers, each a name or a name with its arguments, as the YAML has them."""

    layers: list[Any]


#: How a study describes a network. A mapping, because it is passed on and stored as JSON.
Network = BuiltIn | UserFunction | LayerList


def file_of(network: Network) -> str | None:
    """The user's Python file that a network is in; None for other networks."""
    if "file" in network:
        return network["file"]
    return None


@dataclass(frozen=True)
class Recipe:
    """How a network is trained.

    Args:
        epochs: passes over the training images.
        batch_size: images per step.
        optimizer: its `name`, and its settings under Keras' names.
        schedule: how the learning rate changes: its `name` and settings; None for a constant learning rate.
        augmentation: how training images are randomly changed in every epoch; None for no change.
        quantisation: how many bits each weight has in the end, `weight_bits`, and the share of all steps
            after which weights are rounded to them, `rounded_after`; None for weights of float32.
    """

    epochs: int
    batch_size: int
    optimizer: dict[str, Any]
    schedule: dict[str, Any] | None = None
    augmentation: dict[str, Any] | None = None
    quantisation: dict[str, Any] | None = None

    def as_mapping(self) -> dict[str, Any]:
        """The recipe by key, without what is None."""
        return {key: value for key, value in vars(self).items() if value is not None}

    def to_json(self) -> str:
        """The recipe as JSON with sorted keys."""
        return json.dumps(self.as_mapping(), sort_keys=True)
