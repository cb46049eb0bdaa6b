"""Builds Keras' optimizers, and `full_matrix_adam`, from the settings in a study."""

from collections.abc import Mapping
from typing import Any

import keras

from few_weights.engine.full_matrix_adam import FullMatrixAdam


def build_optimizer(
    optimizer: Mapping[str, Any], schedule: Mapping[str, Any] | None = None, steps: int = 0
) -> keras.optimizers.Optimizer:
    """Build an optimizer.

    Args:
        optimizer: its `name`, which is Keras' or "full_matrix_adam", and its arguments.
        schedule: with `{"name": "warmup_cosine", "warmup": w}` the learning rate of the optimizer is a peak:
            it rises linearly from 0 over the share w of all steps, and falls to 0 at the last step as half a
            cosine. None keeps it constant.
        steps: of the whole training; needed with a schedule.
    """
    settings = dict(optimizer)
    if schedule is not None:
        warmup = round(schedule["warmup"] * steps)
        settings["learning_rate"] = keras.optimizers.schedules.CosineDecay(
            initial_learning_rate=0.0,
            warmup_target=settings["learning_rate"],
            warmup_steps=warmup,
            decay_steps=steps - warmup,
            alpha=0.0,
        )
    name = settings.pop("name")
    if name == "full_matrix_adam":
        return FullMatrixAdam(**settings)
    return keras.optimizers.get({"class_name": name, "config": settings})
