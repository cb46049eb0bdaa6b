"""Prepares networks for training, with Keras: builds them, and writes their machine code."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from few_weights.engine.errors import EngineError
from few_weights.engine.preparation import Preparation, prepare
from few_weights.errors import StudyError
from few_weights.networks import counts
from few_weights.networks.builder import build_network
from few_weights.networks.weights import variable_names
from few_weights.plan.recipe import Network, Recipe
from few_weights.plan.runs import Run
from few_weights.training.prepared import PreparedNetwork, PreparedRun


def prepare_run(
    run: Run,
    network: Network,
    recipe: Recipe,
    image_shape: tuple[int, int, int],
    classes: int,
    examples: int,
    cache: Path | None = None,
) -> PreparedRun:
    """Build a run's network in this process, and make it ready to be trained.

    Args:
        run: the architecture, width and seed.
        network: what the architecture is.
        recipe: how to train it.
        image_shape: rows, columns, channels.
        classes: how many there are.
        examples: images to train on.
        cache: folder of compiled code; None for none.

    Raises:
        StudyError: the network cannot be built or trained.
    """
    preparation = _prepare(run, network, recipe, image_shape, classes, examples)
    return PreparedRun(_describe(preparation, recipe), preparation.make_loop(cache))


def prepare_architecture(
    name: str,
    network: Network,
    recipe: Recipe,
    runs: Mapping[int, Sequence[int]],
    image_shape: tuple[int, int, int],
    classes: int,
    examples: int,
    identity: Mapping[str, object],
) -> dict[str, NDArray[Any]]:
    """Prepare runs of an architecture: the arrays of the file that `read_prepared` reads.

    Args:
        name: the architecture.
        runs: width -> its seeds.
        identity: what the file is prepared for, as `read_prepared` compares it.
        network, recipe, image_shape, classes, examples: as `prepare_run` takes them.

    Raises:
        StudyError: a network cannot be built or trained.
    """
    arrays: dict[str, NDArray[Any]] = {"identity": np.array(json.dumps(identity, sort_keys=True))}
    for width, seeds in runs.items():
        preparation = _prepare(Run(name, width, seeds[0]), network, recipe, image_shape, classes, examples)
        described = _describe(preparation, recipe)
        arrays[f"{width}/network"] = np.array(described.to_json())
        print(f"{name} width {width}: {described.path}", flush=True)
        if preparation.code is None:
            continue
        for number, variable in enumerate(preparation.optimizer.variables):
            arrays[f"{width}/optimizer/{number}"] = np.asarray(variable)
        for seed in seeds:
            model = preparation.model
            if seed != seeds[0]:
                model = _build(Run(name, width, seed), network, image_shape, classes)
                # A user's function may draw a layer's setting at random. Then the code is another, and the
                # run, which does not find itself in the file, prepares its own.
                if model.get_config() != preparation.model.get_config():
                    continue
            for number, variable in enumerate(model.variables):
                arrays[f"{width}/{seed}/{number}"] = np.asarray(variable)
    return arrays


def _build(run: Run, network: Network, image_shape: tuple[int, int, int], classes: int) -> keras.Model:
    # Keras numbers layers: each network gets the names that it has alone.
    keras.backend.clear_session()
    return build_network(run.architecture, network, run.width, image_shape, classes, run.seed)


def _prepare(
    run: Run, network: Network, recipe: Recipe, image_shape: tuple[int, int, int], classes: int, examples: int
) -> Preparation:
    model = _build(run, network, image_shape, classes)
    try:
        return prepare(
            model,
            recipe.optimizer,
            recipe.batch_size,
            examples,
            recipe.schedule,
            recipe.epochs,
            recipe.quantisation,
        )
    except EngineError as error:
        raise StudyError(str(error)) from error


def _describe(preparation: Preparation, recipe: Recipe) -> PreparedNetwork:
    weight_bits = recipe.quantisation["weight_bits"] if recipe.quantisation else None
    model = preparation.model
    numbers = {id(variable): number for number, variable in enumerate(preparation.variables)}
    return PreparedNetwork(
        {
            "parameters": counts.trainable_parameters(model),
            "weight_bytes": counts.weight_bytes(model, weight_bits),
            "multiply_adds": counts.multiply_adds(model),
            "layers": counts.layer_table(model),
            "weights": counts.count_weights(model, weight_bits),
        },
        preparation.path,
        {name: numbers[id(variable)] for name, variable in variable_names(model).items()},
        [numbers[id(variable)] for variable in model.trainable_variables],
        preparation.code,
    )
