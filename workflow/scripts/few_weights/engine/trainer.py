"""Trains one Keras model on data in memory, with Keras' arithmetic and little else.

The Keras model stays the description of the network and holds its weights between epochs. What differs is how
an epoch is computed: as one compiled loop over data that stay where they are, in whichever way is fastest for
the network at hand. `Trainer.path` says which way that was, and why.
"""

import math
from collections.abc import Mapping, Sequence

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from few_weights.engine.errors import EngineError
from few_weights.engine.graph import Computation, GraphLoop, choose_computation
from few_weights.engine.native import NativeLoop, Plan, plan_network, why_not_optimizer
from few_weights.engine.optimizers import build_optimizer
from few_weights.engine.plain import is_plain

#: Layers without weights, and what sets them: where a network begins with them, they are applied once to all
#: images. They treat each image by itself, and draw no random numbers.
WEIGHTLESS = {
    layers.AveragePooling2D: ("pool_size", "strides", "padding"),
    layers.Flatten: (),
    layers.MaxPooling2D: ("pool_size", "strides", "padding"),
    layers.Reshape: ("target_shape",),
}


class Trainer:
    """Trains a model, an epoch at a time.

    Args:
        model: ends in a softmax over the classes.
        optimizer: `name` and settings, as `build_optimizer` takes them.
        batch_size: images a step; the last step of an epoch takes what is left.
        images: uint8, (examples, rows, columns, channels). Divided by 255 before the network sees them.
        labels: whole numbers, (examples,).
        schedule: how the learning rate runs over the training, as `build_optimizer` takes it; None keeps it.
        epochs: how many the schedule spreads over.
        augmented: whether the images are shifted anew each epoch.
    """

    def __init__(
        self,
        model: keras.Model,
        optimizer: Mapping,
        batch_size: int,
        images: np.ndarray,
        labels: np.ndarray,
        schedule: Mapping | None = None,
        epochs: int = 1,
        augmented: bool = False,
    ):
        self.model = model
        _require_keras_step(model)
        batch_size = min(batch_size, len(images))
        steps = epochs * math.ceil(len(images) / batch_size)
        self.optimizer = build_optimizer(optimizer, schedule, steps)
        if model.dtype_policy.name == "mixed_float16":  # as `compile` does
            self.optimizer = keras.optimizers.LossScaleOptimizer(self.optimizer)
        self.optimizer.build(model.trainable_variables)
        self._leading, way, self.path = choose_path(model, self.optimizer, steps, augmented)
        if isinstance(way, Plan):
            self._loop = NativeLoop(way, self.optimizer, batch_size)
        else:
            changing = self._leading if augmented else ()
            self._loop = GraphLoop(model, way, self.optimizer, batch_size, changing)
        self._train_data = self._loop.place(_prepare([] if augmented else self._leading, images), labels)
        self._test_data: dict[int, tuple] = {}

    def train_epoch(self, order: np.ndarray, shifts: np.ndarray | None = None) -> tuple[float, float]:
        """Train on the examples in this order, once each.

        With an augmented trainer, `shifts` holds a row an example, as `draw_shifts` returns it.

        Returns:
            Mean cross-entropy in nats and accuracy over the epoch, each batch before its own step, as Keras
            reports them.
        """
        changes = () if shifts is None else (shifts,)
        loss, correct = self._loop.train(self._train_data, order, *changes)
        return loss / len(order), correct / len(order)

    def evaluate(self, images: np.ndarray, labels: np.ndarray) -> tuple[float, np.ndarray]:
        """Mean cross-entropy in nats, and the class predicted for each image.

        The images are placed once; pass the same array after each epoch.
        """
        if id(images) not in self._test_data:
            # Kept together, so that no other array can take over this one's id.
            self._test_data[id(images)] = (images, self._loop.place(_prepare(self._leading, images), labels))
        loss, predictions = self._loop.evaluate(self._test_data[id(images)][1])
        return loss / len(images), predictions

    def state(self) -> list[np.ndarray]:
        """All that training changes: weights, layers' statistics and random states, optimizer's variables."""
        return [np.asarray(variable) for variable in self._variables()]

    def restore(self, state: Sequence[np.ndarray]) -> None:
        """Go on from a `state()` of the same model and optimizer: the next epoch gives the same bits."""
        for variable, value in zip(self._variables(), state, strict=True):
            variable.assign(value)

    def _variables(self):
        return [*self.model.variables, *self.optimizer.variables]


def choose_path(
    model: keras.Model, optimizer: keras.optimizers.Optimizer, steps: int, augmented: bool = False
) -> tuple[list[keras.Layer], Plan | Computation, str]:
    """How to train a model for so many steps, whose images may be augmented.

    Returns:
        The leading layers to apply to the data beforehand, the way to compute the rest, and it in words. By
        Keras there are none: it computes the model as it is.
    """
    # A class derived from Sequential may compute something else.
    body = list(model.layers) if type(model) is keras.Sequential else [model]
    leading = []
    while len(body) > 1 and any(is_plain(body[0], kind, settings) for kind, settings in WEIGHTLESS.items()):
        leading.append(body.pop(0))
    times = "to each batch" if augmented else "once"
    once = f"; {', '.join(layer.name for layer in leading)} applied {times}" if leading else ""
    if tf.config.get_visible_devices("GPU"):
        plan = "on a GPU"
    else:
        shifting = "with shifted images" if augmented else None
        plan = shifting or why_not_optimizer(optimizer) or plan_network(model, body, steps)
    if isinstance(plan, Plan):
        return leading, plan, f"by machine code, {plan}{once}"
    computation = choose_computation(model, body, steps)
    if not computation.compiled:
        leading, once = [], ""
    return leading, computation, f"{computation.words}, and not by machine code {plan}{once}"


def _require_keras_step(model: keras.Model) -> None:
    """Refuse a model that Keras would train by code of the model's own, which is not called here.

    Raises:
        EngineError: names it.
    """
    for name in ("train_step", "compute_loss"):
        if getattr(type(model), name) is not getattr(keras.Model, name) or name in vars(model):
            raise EngineError(
                f"{type(model).__name__} defines its own {name}, but a study trains every network by Keras' "
                "step, with the cross-entropy of its classes as the loss; remove it, and let a layer call "
                "add_loss for additional terms"
            )


def _prepare(leading: list[keras.Layer], images: np.ndarray) -> np.ndarray:
    """The images as the first layer with weights sees them, as float32. In parts, to spare memory.

    The division is done here and not in the compiled step, where it would become a multiplication by 1 / 255,
    one bit off what Keras is given.
    """
    shape = leading[-1].output.shape[1:] if leading else images.shape[1:]
    prepared = np.empty((len(images), *shape), np.float32)
    pooling = [layer for layer in leading if not isinstance(layer, (layers.Flatten, layers.Reshape))]
    parts = min(20, len(images))
    for before, after in zip(*(np.array_split(array, parts) for array in (images, prepared)), strict=True):
        scaled = before / np.float32(255)
        # Flattening and reshaping leave the numbers where they are.
        for layer in leading if pooling else ():
            scaled = layer(scaled)
        after[...] = np.reshape(scaled, after.shape)
    return prepared
