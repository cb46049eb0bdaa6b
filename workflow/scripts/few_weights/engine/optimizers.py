"""Builds Keras' optimizers, and `full_matrix_adam`, from the settings in a study."""

from collections.abc import Mapping
from typing import Any

import keras

from few_weights.engine.errors import EngineError
from few_weights.engine.full_matrix_adam import FullMatrixAdam
from few_weights.engine.learning_rate import LearningRate
from few_weights.engine.updates import update_of


def build_optimizer(
    optimizer: Mapping[str, Any],
    schedule: Mapping[str, Any] | None = None,
    steps: int = 0,
    quantisation: Mapping[str, Any] | None = None,
) -> keras.optimizers.Optimizer:
    """Build an optimizer.

    Args:
        optimizer: its `name`, which is Keras' or "full_matrix_adam", and its arguments.
        schedule: with `{"name": "warmup_cosine", "warmup": w}` the learning rate of the optimizer is a peak:
            it rises linearly from 0 over the share w of all steps, and falls to 0 at the last step as half a
            cosine. None keeps it constant.
        steps: of the whole training; needed with a schedule, and with quantisation.
        quantisation: `weight_bits` of each weight, and the share of all steps after which weights are rounded
            to them, `rounded_after`; only with full_matrix_adam. None keeps float32.

    Raises:
        EngineError: the optimizer cannot train weights of few bits.
    """
    settings = dict(optimizer)
    if schedule is not None:
        warmup = min(round(schedule["warmup"] * steps), steps - 1)
        settings["learning_rate"] = keras.optimizers.schedules.CosineDecay(
            initial_learning_rate=0.0,
            warmup_target=settings["learning_rate"],
            warmup_steps=warmup,
            decay_steps=steps - warmup,
            alpha=0.0,
        )
    name = settings.pop("name")
    if name == "full_matrix_adam":
        if quantisation is not None:
            rounded_from = round(quantisation["rounded_after"] * steps)
            settings |= {"weight_bits": quantisation["weight_bits"], "rounded_from": rounded_from}
        return FullMatrixAdam(**settings)
    if quantisation is not None:
        bits = quantisation["weight_bits"]
        raise EngineError(f"{name} cannot train weights of {bits} bits each; full_matrix_adam can")
    return keras.optimizers.get({"class_name": name, "config": settings})


def learning_rate_of(optimizer: keras.optimizers.Optimizer) -> LearningRate:
    """The learning rate of Keras' optimizer, for which `why_not_optimizer` returns None."""
    rate = optimizer._learning_rate
    if isinstance(rate, keras.optimizers.schedules.CosineDecay):
        settings = rate.get_config()
        return LearningRate(*(settings[key] for key in ("warmup_target", "warmup_steps", "decay_steps")))
    return LearningRate(float(optimizer.learning_rate))


def name_of(optimizer: keras.optimizers.Optimizer) -> str:
    """The name that a study gives to Keras' optimizer."""
    return "full_matrix_adam" if isinstance(optimizer, FullMatrixAdam) else type(optimizer).__name__.lower()


def why_not_optimizer(optimizer: keras.optimizers.Optimizer) -> str | None:
    """Why there is no machine code for an optimizer, such as "with adamw"; None if there is."""
    name, settings = name_of(optimizer), optimizer.get_config()
    if name == "full_matrix_adam":
        return None
    update = update_of(name, settings)
    if update is None:
        return f"with {name}"
    if type(optimizer._learning_rate) not in (keras.Variable, keras.optimizers.schedules.CosineDecay):
        return "with a schedule"
    supported = {"name", "learning_rate", "ema_momentum", "nesterov", *update.settings}
    unknown = [key for key, value in settings.items() if value and key not in supported]
    return f"with {unknown[0]}" if unknown else None
