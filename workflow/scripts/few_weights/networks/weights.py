"""A network's weights as arrays by name, and back."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from few_weights.errors import StudyError, brief


def named_weights(model: keras.Model) -> dict[str, NDArray[Any]]:
    """Every weight of a network, trainable or not, in Keras' order, by the names of `variable_names`."""
    return {name: np.asarray(variable) for name, variable in variable_names(model).items()}


def variable_names(model: keras.Model) -> dict[str, keras.Variable]:
    """The variable of every weight of a network, trainable or not, in Keras' order, under a unique name.

    Names are those of layer and variable, such as "conv2d/kernel". Keras gives the same name to two layers in
    different parts of a network, and to two variables of one layer; the second gets "_2" appended.
    """
    named: dict[str, keras.Variable] = {}
    for variable in model.weights:
        name, number = variable.path, 1
        while name in named:
            number += 1
            name = f"{variable.path}_{number}"
        named[name] = variable
    return named


def set_weights(model: keras.Model, weights: Mapping[str, NDArray[Any]]) -> None:
    """Give a network its trained weights.

    Args:
        weights: as `named_weights` returned them, in that order.

    Raises:
        StudyError: they are those of another network.
    """
    try:
        model.set_weights(list(weights.values()))
    except ValueError as error:
        raise StudyError(f"they are not the weights of this network ({brief(error)})") from error
