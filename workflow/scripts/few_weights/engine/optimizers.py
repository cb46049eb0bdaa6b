"""Builds Keras' optimizers, and `full_matrix_adam`, from the settings in a study."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

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


def learning_rates(optimizer: keras.optimizers.Optimizer, steps: NDArray[np.integer]) -> NDArray[np.float64]:
    """The learning rate of each step, numbered from 0, by the optimizer's schedule."""
    rate = optimizer._learning_rate
    if isinstance(rate, keras.optimizers.schedules.CosineDecay):
        # As Keras has it: a straight line to the peak, then half a cosine.
        settings = rate.get_config()
        peak, warmup, decay = (settings[key] for key in ("warmup_target", "warmup_steps", "decay_steps"))
        share = np.minimum(np.maximum(steps - warmup, 0), decay) / decay
        falling = peak * 0.5 * (1 + np.cos(np.pi * share))
        return np.where(steps < warmup, peak * steps / max(warmup, 1), falling)
    return np.full(len(steps), float(optimizer.learning_rate))
