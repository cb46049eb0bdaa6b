"""Networks that are ready to be trained, in a file: a run by machine code reads it and imports no TensorFlow.

The file, an .npz that `prepare.py` writes, holds for each width of an architecture what is the same for all
seeds, its `PreparedNetwork`, and for each seed the values that the network's variables begin with.
"""

import json
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from few_weights.engine.machine_loop import MachineLoop
from few_weights.engine.network_code import NetworkCode
from few_weights.engine.trainer import Loop
from few_weights.networks.count_types import LayerRow, WeightCounts
from few_weights.plan.recipe import Network, Recipe
from few_weights.plan.runs import Run


class NetworkFacts(TypedDict):
    """What metrics.json says of a network, under the same names."""

    parameters: int
    weight_bytes: int
    multiply_adds: int
    layers: list[LayerRow]
    weights: WeightCounts


@dataclass(frozen=True)
class PreparedNetwork:
    """A network at one width, prepared for one recipe.

    Args:
        facts: counts of the network.
        path: how it is computed, in words.
        weight_names: for each array of weights.npz, the number of its variable; variables of the model come
            first, then those of the optimizer.
        trainable: the numbers of the variables that are trained.
        code: its machine code; None if Keras computes it.
    """

    facts: NetworkFacts
    path: str
    weight_names: Mapping[str, int]
    trainable: list[int]
    code: NetworkCode | None

    def to_json(self) -> str:
        """All of it as text."""
        code = self.code.to_json() if self.code else None
        return json.dumps(asdict(replace(self, code=None)) | {"code": code})

    @classmethod
    def from_json(cls, text: str) -> "PreparedNetwork":
        """Read what `to_json` wrote."""
        values = json.loads(text)
        code = values.pop("code")
        return cls(**values, code=NetworkCode.from_json(code) if code else None)


@dataclass(frozen=True)
class PreparedRun:
    """A network in training: what it is, and the loop that trains it."""

    network: PreparedNetwork
    loop: Loop

    def weights(self) -> dict[str, NDArray[Any]]:
        """All weights now, trainable or not, by their names in weights.npz."""
        variables = self.loop.state()
        return {name: variables[number] for name, number in self.network.weight_names.items()}

    def facts(self) -> NetworkFacts:
        """The facts now: training may make weights 0."""
        variables = self.loop.state()
        non_zero = sum(int(np.count_nonzero(variables[number])) for number in self.network.trainable)
        counts: WeightCounts = {**self.network.facts["weights"], "non_zero": non_zero}
        return {**self.network.facts, "weights": counts}


def prepared_identity(
    network: Network,
    recipe: Recipe,
    image_shape: tuple[int, int, int],
    classes: int,
    examples: int,
    code: str | None,
) -> dict[str, object]:
    """What a network is prepared for, as values that JSON can hold.

    Args:
        network: what the architecture is.
        recipe: how it is trained.
        image_shape: rows, columns, channels.
        classes: how many there are.
        examples: images to train on.
        code: fingerprint of the training code.
    """
    return {
        "network": network,
        "recipe": recipe.as_mapping(),
        "image_shape": list(image_shape),
        "classes": classes,
        "examples": examples,
        "code": code,
    }


def read_prepared(
    path: Path, run: Run, identity: Mapping[str, object], cache: Path | None
) -> PreparedRun | None:
    """A run whose network is in a file, prepared for it and for machine code; None if it is not.

    Args:
        path: the file, which need not exist.
        run: its width and seed are looked up.
        identity: what it must have been prepared for, see `prepared_identity`.
        cache: folder of compiled code; None for none.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            names = [name for name in file.files if name.startswith(f"{run.width}/{run.seed}/")]
            if not names or json.loads(str(file["identity"])) != dict(identity):
                return None
            network = PreparedNetwork.from_json(str(file[f"{run.width}/network"]))
            shared = [name for name in file.files if name.startswith(f"{run.width}/optimizer/")]
            values = [file[name] for name in [*names, *shared]]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):
        return None
    return PreparedRun(network, MachineLoop(network.code, values, cache)) if network.code else None
