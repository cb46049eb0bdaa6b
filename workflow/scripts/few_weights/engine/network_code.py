"""A network's training as code: `preparation.py` writes it with Keras, and `MachineLoop` runs it without."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from few_weights.engine.leading_layers import Pool
from few_weights.engine.learning_rate import LearningRate


@dataclass(frozen=True)
class NetworkCode:
    """The code that trains one network with one recipe, and where its variables are in the arena.

    Its functions are "evaluate" and "train", or "differentiate" where NumPy takes the steps. They take
    (examples, step; data, labels, order, losses, predictions, arena), and "train" the rate of each step, too.

    Args:
        name: of the program, for people.
        source: LLVM's intermediate representation.
        arena_size: how many float32 the functions need.
        batch_size: images per step.
        leading: pooling that is applied to the images beforehand; without any, the data are uint8.
        optimizer: its name, and the settings that rates and NumPy's steps need.
        rate: the learning rate.
        places: for each variable of the model and then of the optimizer, where it begins in the arena; None
            for one that no function reads.
        steps: which of these variables counts the steps.
        gradient: where the weights and their gradients begin in the arena, and how many there are, if NumPy
            takes the steps; its state is in the last variables.
    """

    name: str
    source: str
    arena_size: int
    batch_size: int
    leading: list[Pool]
    optimizer: Mapping[str, Any]
    rate: LearningRate
    places: list[int | None]
    steps: int
    gradient: tuple[int, int, int] | None = None

    def to_json(self) -> str:
        """All of it as text."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "NetworkCode":
        """Read what `to_json` wrote."""
        values = json.loads(text)
        leading, gradient = values.pop("leading"), values.pop("gradient")
        return cls(
            **values | {"rate": LearningRate(*values["rate"])},
            leading=[Pool.from_list(each) for each in leading],
            gradient=tuple(gradient) if gradient else None,
        )
