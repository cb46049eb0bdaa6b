"""What is trained and how, as types: apart from the rest of a study, since runs depend on these alone."""

import json
from dataclasses import dataclass
from typing import Any, TypedDict, final


@final
class BuiltIn(TypedDict):
    """A network of networks/architectures.py."""

    architecture: str
    options: dict[str, Any]


@final
class UserFunction(TypedDict):
    """A function in a file of the user's that returns the network of a width."""

    file: str
    function: str
    options: dict[str, Any]


@final
class LayerList(TypedDict):
    """A list of Keras layers, each a name or a name with its arguments, as the YAML has them."""

    layers: list[Any]


#: What a study says of a network. A mapping, since it is passed on and stored as JSON.
Network = BuiltIn | UserFunction | LayerList


@dataclass(frozen=True)
class Recipe:
    """How a network is trained.

    Args:
        epochs: passes over the training images.
        batch_size: images per step.
        optimizer: its `name`, and its settings under Keras' names.
        schedule: how the learning rate changes, by `name`; None leaves it as it is.
        augmentation: how images are changed anew in each epoch; None leaves them as they are.
    """

    epochs: int
    batch_size: int
    optimizer: dict[str, Any]
    schedule: dict[str, Any] | None = None
    augmentation: dict[str, Any] | None = None

    def as_mapping(self) -> dict[str, Any]:
        """The recipe by key, without what it leaves as it is."""
        return {key: value for key, value in vars(self).items() if value is not None}

    def to_json(self) -> str:
        """The recipe as JSON, with its keys in one order."""
        return json.dumps(self.as_mapping(), sort_keys=True)
