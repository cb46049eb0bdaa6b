"""The weights of a trained network by every usual rule of counting, side by side."""

import math

import keras
import numpy as np


def count_weights(model: keras.Model) -> dict[str, int | str]:
    """A network's weights, each rule's count by its name. The network has its trained weights.

    `trainable`: all trainable parameters, one that is used several times counted once; it is `parameters` in
    runs.csv. `non_zero`: those of them that are not exactly 0, as pruned networks are counted. `at_each_use`:
    counted anew in each layer that uses them. `non_trainable`: other variables, such as the statistics of a
    batch normalisation, with their names in `non_trainable_names`. `bytes`: all variables, trainable or not,
    in the types they are kept in; file format and activations come on top.
    """
    trainable, others = model.trainable_variables, model.non_trainable_variables
    # A seed of a dropout's generator is no part of what the network computes once trained.
    others = [variable for variable in others if "seed_generator" not in variable.path]
    return {
        "trainable": sum(_size(variable) for variable in trainable),
        "non_zero": sum(int(np.count_nonzero(variable)) for variable in trainable),
        # The network lists a variable once, and each layer that uses it lists it again.
        "at_each_use": sum(
            _size(variable) for layer in model.layers for variable in layer.trainable_variables
        ),
        "non_trainable": sum(_size(variable) for variable in others),
        "non_trainable_names": " ".join("/".join(variable.path.split("/")[-2:]) for variable in others),
        "bytes": sum(
            _size(variable) * np.dtype(variable.dtype).itemsize for variable in [*trainable, *others]
        ),
    }


def _size(variable: keras.Variable) -> int:
    return math.prod(variable.shape)
