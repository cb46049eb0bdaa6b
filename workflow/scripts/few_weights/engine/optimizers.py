"""Keras' optimizers, and `full_matrix_adam`, from the settings that a study gives."""

from collections.abc import Mapping

import keras

from few_weights.engine.full_matrix_adam import FullMatrixAdam


def build_optimizer(
    optimizer: Mapping, schedule: Mapping | None = None, steps: int = 0
) -> keras.optimizers.Optimizer:
    """Keras' optimizer of that `name`, or our `full_matrix_adam`, with the other keys as its arguments.

    With the schedule `{"name": "warmup_cosine", "warmup": w}` its learning rate is a peak: it rises from 0 in
    a straight line over the share w of all steps, and falls to 0 at the last as half a cosine.
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
