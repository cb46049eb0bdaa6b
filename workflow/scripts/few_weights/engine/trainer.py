"""Trains one Keras model on data in memory, with Keras' arithmetic and little overhead.

The Keras model describes the network and holds its weights between epochs. An epoch is one compiled loop over
data that stay in memory, computed in the fastest way that the engine has for the network. `Trainer.path` says
which one that is, and why.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from numpy.typing import NDArray

from few_weights.engine.errors import EngineError
from few_weights.engine.full_matrix_adam import FullMatrixAdam
from few_weights.engine.group_loop import GroupLoop
from few_weights.engine.group_plan import GroupPlan
from few_weights.engine.image_shifts import shift_images
from few_weights.engine.keras_loop import KerasLoop
from few_weights.engine.layer_readers import plan_groups
from few_weights.engine.optimizers import build_optimizer
from few_weights.engine.plain import is_plain
from few_weights.engine.updates import why_not_optimizer
from few_weights.engine.winograd_loop import WinogradLoop, plan_network
from few_weights.engine.winograd_program import Plan

#: Layers without weights, and their settings: if a network begins with them, they are applied once to all
#: images. They compute each image independently of others, and draw no random numbers.
WEIGHTLESS = {
    layers.AveragePooling2D: ("pool_size", "strides", "padding"),
    layers.Flatten: (),
    layers.MaxPooling2D: ("pool_size", "strides", "padding"),
    layers.Reshape: ("target_shape",),
}


class Trainer:
    """Trains a model, one epoch per call.

    Args:
        model: ends in a softmax over the classes.
        optimizer: `name` and settings, as `build_optimizer` takes them.
        batch_size: images per step; the last step of an epoch takes the rest.
        images: uint8, (examples, rows, columns, channels). Divided by 255 before the network sees them.
        labels: integers, (examples,).
        schedule: of the learning rate, as `build_optimizer` takes it; None keeps it constant.
        epochs: of the whole training, for the schedule, and to decide what is worth compiling.
        augmented: whether the images are shifted in each epoch.
        cache: folder in which compiled code is kept for the next trainer of an equal network; None for none.

    Raises:
        EngineError: the model brings its own training step, or too many parameters for its optimizer.
    """

    def __init__(
        self,
        model: keras.Model,
        optimizer: Mapping[str, Any],
        batch_size: int,
        images: NDArray[np.uint8],
        labels: NDArray[np.integer],
        schedule: Mapping[str, Any] | None = None,
        epochs: int = 1,
        augmented: bool = False,
        cache: Path | None = None,
    ) -> None:
        self.model = model
        _require_keras_step(model)
        batch_size = min(batch_size, len(images))
        steps = epochs * math.ceil(len(images) / batch_size)
        self.optimizer = build_optimizer(optimizer, schedule, steps)
        if model.dtype_policy.name == "mixed_float16":  # as `compile` does
            self.optimizer = keras.optimizers.LossScaleOptimizer(self.optimizer)
        self.optimizer.build(model.trainable_variables)
        self._leading, plan, self.path = choose_path(model, self.optimizer, steps)
        self._loop: WinogradLoop | GroupLoop | KerasLoop
        if isinstance(plan, Plan):
            self._loop = WinogradLoop(plan, self.optimizer, batch_size, cache)
        elif isinstance(plan, GroupPlan):
            self._loop = GroupLoop(plan, self.optimizer, batch_size, cache)
        else:
            self._loop = KerasLoop(model, self.optimizer, batch_size)
        self._images, self._labels = images, labels
        self._train_data: Any = (
            None if augmented else self._loop.prepare(_prepare(self._leading, images), labels)
        )
        self._test_data: dict[int, tuple[NDArray[np.uint8], Any]] = {}

    def train_epoch(
        self, order: NDArray[np.integer], shifts: NDArray[np.integer] | None = None
    ) -> tuple[float, float]:
        """Train on the examples in an order, once each.

        Args:
            order: (examples,), indices of examples.
            shifts: (examples, 2), rows down and columns to the right by which each example is shifted; only
                if the trainer is augmented.

        Returns:
            Mean cross-entropy in nats and accuracy over the epoch, each batch before its own step, as Keras
            reports them.
        """
        data = self._train_data
        if shifts is not None:
            images = shift_images(self._images, shifts)
            data = self._loop.prepare(_prepare(self._leading, images), self._labels)
        loss, correct = self._loop.train(data, order)
        return loss / len(order), correct / len(order)

    def evaluate(
        self, images: NDArray[np.uint8], labels: NDArray[np.integer]
    ) -> tuple[float, NDArray[np.uint8]]:
        """Mean cross-entropy in nats, and the class predicted for each image.

        The images are converted once: pass the same array after each epoch.
        """
        if id(images) not in self._test_data:
            # The images are stored, too, so that no other array can reuse their id.
            prepared = self._loop.prepare(_prepare(self._leading, images), labels)
            self._test_data[id(images)] = (images, prepared)
        loss, predictions = self._loop.evaluate(self._test_data[id(images)][1])
        return loss / len(images), predictions

    def state(self) -> list[NDArray[Any]]:
        """All that training changes: weights, layers' statistics and random states, the optimizer's state."""
        return [np.asarray(variable) for variable in self._variables()]

    def restore(self, state: Sequence[NDArray[Any]]) -> None:
        """Resume from a `state()` of the same model and optimizer: the next epoch gives the same bits."""
        for variable, value in zip(self._variables(), state, strict=True):
            variable.assign(value)

    def _variables(self) -> list[keras.Variable]:
        return [*self.model.variables, *self.optimizer.variables]


def choose_path(
    model: keras.Model, optimizer: keras.optimizers.Optimizer, steps: int
) -> tuple[list[keras.Layer], Plan | GroupPlan | None, str]:
    """Choose how to train a model.

    Args:
        model, optimizer: what to train, and with what.
        steps: of the whole training.

    Returns:
        The leading layers that are applied to the data beforehand; the plan for machine code, or None where
        Keras computes the model, as it is, without leading layers; and a description of both.
    """
    # A class derived from Sequential may compute something else.
    body = list(model.layers) if type(model) is keras.Sequential else [model]
    leading: list[keras.Layer] = []
    while len(body) > 1 and any(is_plain(body[0], kind, settings) for kind, settings in WEIGHTLESS.items()):
        leading.append(body.pop(0))
    once = f"; {', '.join(layer.name for layer in leading)} applied once" if leading else ""
    plan = _plan_or_reason(model, body, optimizer, steps)
    if isinstance(plan, str):
        return [], None, f"by Keras, and not by machine code {plan}"
    return leading, plan, f"by machine code, {plan}{once}"


def _plan_or_reason(
    model: keras.Model, body: list[keras.Layer], optimizer: keras.optimizers.Optimizer, steps: int
) -> Plan | GroupPlan | str:
    """The plan for machine code; or why there is none, such as "for lstm"."""
    if tf.config.get_visible_devices("GPU"):
        return "on a GPU"
    if not isinstance(optimizer, FullMatrixAdam):
        if reason := why_not_optimizer(optimizer):
            return reason
        plan = plan_network(model, body, steps)
        if isinstance(plan, Plan):
            return plan
    return plan_groups(model, body, steps)


def _require_keras_step(model: keras.Model) -> None:
    """Refuse a model that brings its own training step, since it would not be called here.

    Raises:
        EngineError: names the method.
    """
    for name in ("train_step", "compute_loss"):
        if getattr(type(model), name) is not getattr(keras.Model, name) or name in vars(model):
            raise EngineError(
                f"{type(model).__name__} defines its own {name}, but a study trains every network by Keras' "
                "step, with the cross-entropy of its classes as the loss; remove it, and let a layer call "
                "add_loss for additional terms"
            )


def _prepare(leading: list[keras.Layer], images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Divide images by 255 and apply the leading layers; in parts, to save memory.

    The division is done here and not in the compiled step, where it would become a multiplication by 1 / 255,
    whose result may differ in the last bit.
    """
    shape = leading[-1].output.shape[1:] if leading else images.shape[1:]
    prepared = np.empty((len(images), *shape), np.float32)
    pooling = [layer for layer in leading if not isinstance(layer, (layers.Flatten, layers.Reshape))]
    parts = min(20, len(images))
    for before, after in zip(*(np.array_split(array, parts) for array in (images, prepared)), strict=True):
        scaled = before / np.float32(255)
        # Flattening and reshaping do not change the order of the numbers.
        for layer in leading if pooling else ():
            scaled = layer(scaled)
        after[...] = np.reshape(scaled, after.shape)
    return prepared
