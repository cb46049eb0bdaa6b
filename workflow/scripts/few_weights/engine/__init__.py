"""The training engine: trains one Keras model on data in memory, with Keras' arithmetic and little else.

The Keras model stays the description of the network and holds its weights throughout. What is ours is how an
epoch is computed: as one compiled loop over data that stay where they are, in whichever way is fastest for
the network at hand. `Trainer.path` says which way that was, and why.
"""

import math
from collections.abc import Callable, Mapping, Sequence

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from few_weights.augmentation import shift_images
from few_weights.engine import batch_last
from few_weights.optimizers import FullMatrixAdam

#: Layers without weights: where a network begins with them, they are applied once to all images.
WEIGHTLESS = (layers.AveragePooling2D, layers.Flatten, layers.MaxPooling2D, layers.Reshape)

#: The largest number of kernels (channels x filters, summed over the convolutions larger than 1 x 1) that is
#: faster batch-last than in oneDNN. Both its running time and its compilation grow with them.
BATCH_LAST_KERNELS = 32

#: (images, labels, training) -> (cross-entropy of each image, a score for each image and class)
Forward = Callable[..., tuple[tf.Tensor, tf.Tensor]]


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
        self.batch_size = min(batch_size, len(images))
        self.optimizer = build_optimizer(
            optimizer, schedule, epochs * math.ceil(len(images) / self.batch_size)
        )
        self.optimizer.build(model.trainable_variables)
        self._leading, self._forward, self._compiled, self.path = choose_path(model, augmented)
        self._couples_examples = any(isinstance(layer, layers.BatchNormalization) for layer in model.layers)
        whole = self._compiled == "step"
        # XLA's eigendecomposition is many times slower than TensorFlow's own.
        with_optimizer = not isinstance(self.optimizer, FullMatrixAdam)
        self._train_step = tf.function(self._take_step, jit_compile=whole and with_optimizer)
        self._differentiate = tf.function(self._differentiate_batch, jit_compile=whole)
        self._score_step = tf.function(self._score_batch, jit_compile=whole)
        self._update = tf.function(
            self._apply_gradients, jit_compile=self._compiled is not None and with_optimizer
        )
        #: What remains to be computed of the leading layers, batch by batch.
        self._changing = self._leading if augmented else []
        self._train_data = self._place(images, labels, [] if augmented else self._leading)
        self._test_data: dict[int, tuple] = {}

    def train_epoch(self, order: np.ndarray, shifts: np.ndarray | None = None) -> tuple[float, float]:
        """Train on the examples in this order, once each.

        With an augmented trainer, `shifts` holds a row an example, as `draw_shifts` returns it.

        Returns:
            Mean cross-entropy in nats and accuracy over the epoch, each batch before its own step, as Keras
            reports them.
        """
        rest = len(order) % self.batch_size if self._compiled and self._couples_examples else 0
        order_used = tf.constant(order, tf.int32) if rest else self._fill_up(order)
        loss, correct = self._run_epoch(*self._train_data, shifts, order_used, len(order), rest)
        return float(loss) / len(order), float(correct) / len(order)

    def evaluate(self, images: np.ndarray, labels: np.ndarray) -> tuple[float, np.ndarray]:
        """Mean cross-entropy in nats, and the class predicted for each image.

        The images are placed once; pass the same array after each epoch.
        """
        if id(images) not in self._test_data:
            # Kept together, so that no other array can take over this one's id.
            self._test_data[id(images)] = (images, self._place(images, labels, self._leading))
        order = self._fill_up(np.arange(len(images)))
        loss, predictions = self._run_evaluation(*self._test_data[id(images)][1], order, len(images))
        return float(loss) / len(images), predictions.numpy()[: len(images)]

    def state(self) -> list[np.ndarray]:
        """All that training changes: weights, layers' statistics and random states, optimizer's variables."""
        return [np.asarray(variable) for variable in self._variables()]

    def restore(self, state: Sequence[np.ndarray]) -> None:
        """Go on from a `state()` of the same model and optimizer: the next epoch gives the same bits."""
        for variable, value in zip(self._variables(), state, strict=True):
            variable.assign(value)

    def _variables(self):
        return [*self.model.variables, *self.optimizer.variables]

    def _place(self, images, labels, leading):
        return _prepare(leading, images), tf.constant(labels, tf.int32)

    def _fill_up(self, order):
        """What XLA compiles has one shape, so the last batch is filled up, with examples that will weigh 0.

        They change neither loss nor gradient of layers that treat each example by itself. In training, a
        batch normalisation does not; there the last batch is compiled once more, as it is.
        """
        missing = -len(order) % self.batch_size if self._compiled else 0
        return tf.constant(np.concatenate([order, np.repeat(order[:1], missing)]), tf.int32)

    @tf.function(reduce_retracing=True)
    def _run_epoch(self, images, labels, shifts, order, examples, rest):
        loss, correct = 0.0, 0.0
        for first in tf.range(0, tf.size(order) - rest, self.batch_size):
            chosen, weights = self._batch(order, first, examples)
            changed = self._change(tf.gather(images, chosen), shifts, chosen)
            batch_loss, batch_correct = self._train_step(changed, tf.gather(labels, chosen), weights)
            loss, correct = loss + batch_loss, correct + batch_correct
        if rest:
            last = tf.ensure_shape(order[-rest:], [rest])
            changed = self._change(tf.gather(images, last), shifts, last)
            batch_loss, batch_correct = self._train_step(changed, tf.gather(labels, last), tf.ones([rest]))
            loss, correct = loss + batch_loss, correct + batch_correct
        return loss, correct

    @tf.function(reduce_retracing=True)
    def _run_evaluation(self, images, labels, order, examples):
        loss, predictions = 0.0, tf.zeros([0], tf.uint8)
        for first in tf.range(0, tf.size(order), self.batch_size):
            tf.autograph.experimental.set_loop_options(
                shape_invariants=[(predictions, tf.TensorShape([None]))]
            )
            chosen, weights = self._batch(order, first, examples)
            batch = tf.gather(images, chosen), tf.gather(labels, chosen), weights
            batch_loss, predicted = self._score_step(*batch)
            loss, predictions = loss + batch_loss, tf.concat([predictions, predicted], 0)
        return loss, predictions

    def _change(self, images, shifts, chosen):
        """Images of a batch as the rest of the network takes them, shifted where there are shifts."""
        if shifts is not None:
            images = shift_images(images, tf.gather(shifts, chosen))
        for layer in self._changing:
            images = layer(images)
        return images

    def _batch(self, order, first, examples):
        """The examples and weights (1, or 0 for filling) of the batch that begins at `first`."""
        chosen = order[first : first + self.batch_size]
        if self._compiled:
            chosen = tf.ensure_shape(chosen, [self.batch_size])
        return chosen, tf.cast(first + tf.range(tf.size(chosen)) < examples, tf.float32)

    def _take_step(self, images, labels, weights):
        total, correct, gradients = self._differentiate(images, labels, weights)
        self._update(gradients)
        return total, correct

    def _differentiate_batch(self, images, labels, weights):
        with tf.GradientTape() as tape:
            losses, scores = self._forward(images, labels, training=True)
            total = tf.reduce_sum(losses * weights)
            # The mean over the batch and what layers add to the loss, as Keras has it.
            objective = total / tf.reduce_sum(weights) + sum(self.model.losses)
        gradients = tape.gradient(objective, self.model.trainable_variables)
        hits = tf.cast(tf.argmax(scores, 1, tf.int32) == labels, tf.float32)
        return total, tf.reduce_sum(hits * weights), gradients

    def _apply_gradients(self, gradients):
        self.optimizer.apply(gradients, self.model.trainable_variables)

    def _score_batch(self, images, labels, weights):
        losses, scores = self._forward(images, labels, training=False)
        return tf.reduce_sum(losses * weights), tf.cast(tf.argmax(scores, 1, tf.int32), tf.uint8)


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


def choose_path(
    model: keras.Model, augmented: bool = False
) -> tuple[list[keras.Layer], Forward, str | None, str]:
    """How to compute a model, whose images may be augmented.

    Returns:
        The leading layers to apply to the data beforehand, the forward pass of the rest, what XLA is to
        compile as one ("step", "layers" for each by itself, or None), and all this in words.
    """
    # A class derived from Sequential may compute something else.
    body = list(model.layers) if type(model) is keras.Sequential else [model]
    leading = []
    # The very classes: one that is derived from them may well be random.
    while type(body[0]) in WEIGHTLESS:
        leading.append(body.pop(0))
    times = "to each batch" if augmented else "once"
    once = f"; {', '.join(layer.name for layer in leading)} applied {times}" if leading else ""

    kernels = sum(
        math.prod(layer.kernel.shape[2:])
        for layer in body
        if isinstance(layer, layers.Conv2D) and layer.kernel_size != (1, 1)
    )
    reason = _why_not_batch_last(body, kernels)
    if reason is None:
        lowered = [batch_last.lower_layer(layer) for layer in body]
        if any(_is_cheap(layer) for layer in body):
            # A function computes all its gradients, asked for or not; the first layer's is of the images.
            first = lowered[0]
            lowered[0] = lambda x, training: first(tf.stop_gradient(x), training)
            lowered = [tf.function(compute, jit_compile=True, autograph=False) for compute in lowered]
            path = f"batch-last by XLA layer by layer, {kernels} kernels{once}"
            return leading, _batch_last(lowered), "layers", path
        return leading, _batch_last(lowered), "step", f"batch-last by XLA, {kernels} kernels{once}"
    return (
        leading,
        _as_keras(keras.Sequential(body) if leading else model),
        None,
        f"by Keras, {reason}{once}",
    )


def _is_cheap(layer: keras.Layer) -> bool:
    """Whether XLA would fuse this convolution into those that take its output, and compute it for each anew.

    It does so with expressions of a few terms: depthwise and 1 x 1 convolutions. Compiled by itself, a layer
    is computed once.
    """
    pointwise = isinstance(layer, layers.Conv2D) and layer.kernel_size == (1, 1)
    return pointwise or isinstance(layer, layers.DepthwiseConv2D)


def _why_not_batch_last(body: list[keras.Layer], kernels: int) -> str | None:
    if tf.config.get_visible_devices("GPU"):
        return "on a GPU"
    unknown = [layer.name for layer in body if batch_last.lower_layer(layer) is None]
    if unknown:
        return f"for {', '.join(unknown)}"
    softmax = [getattr(layer, "activation", None) is keras.activations.softmax for layer in body]
    if not softmax[-1]:
        return "for a last layer without softmax"
    if any(softmax[:-1]):
        return "for a softmax before the end"
    if kernels == 0:
        return "without convolutions"
    if kernels > BATCH_LAST_KERNELS:
        return f"with {kernels} kernels"
    return None


def _as_keras(model: keras.Model) -> Forward:
    def forward(images, labels, training):
        probabilities = model(images, training=training)
        # In a graph, Keras takes the logits from behind the softmax here.
        return keras.losses.sparse_categorical_crossentropy(labels, probabilities), probabilities

    return forward


def _batch_last(lowered: list[Callable]) -> Forward:
    def forward(images, labels, training):
        x = tf.transpose(images, [3, 1, 2, 0])
        for compute in lowered:
            x = compute(x, training)
        logits = tf.transpose(x)
        return tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits), logits

    return forward


def _prepare(leading: list[keras.Layer], images: np.ndarray) -> tf.Tensor:
    """The images as the first layer with weights sees them, as float32. In parts, to spare memory.

    The division is done here and not in the compiled step, where it would become a multiplication by 1 / 255,
    one bit off what Keras is given.
    """

    def prepare(part):
        part = tf.constant(part / np.float32(255))
        for layer in leading:
            part = layer(part)
        return part

    return tf.concat([prepare(part) for part in np.array_split(images, min(20, len(images)))], 0)
