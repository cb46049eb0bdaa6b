"""Training by TensorFlow: an epoch as one compiled loop, through Keras' own layers or batch-last by XLA."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from few_weights.engine import batch_last
from few_weights.engine.full_matrix_adam import FullMatrixAdam
from few_weights.engine.image_shifts import shift_images
from few_weights.engine.plain import seconds_by_keras, trains_only

#: About what XLA takes to compile a layer with its gradient, and each term that is written out in it.
SECONDS_PER_LAYER, SECONDS_PER_TERM = 0.25, 0.01


#: (images, labels, training) -> (cross-entropy of each image, a score for each image and class)
Forward = Callable[..., tuple[tf.Tensor, tf.Tensor]]


class Computation(NamedTuple):
    """How to compute a network.

    Args:
        forward: its forward pass.
        compiled: whether XLA compiles its layers, each for batches of one size.
        words: all this, for the log.
    """

    forward: Forward
    compiled: bool
    words: str


class GraphLoop:
    """Trains and evaluates a network by TensorFlow; Keras' variables are the only copy of the weights.

    Args:
        model: holds the weights.
        computation: of what is left of the model where leading layers have been applied to the data.
        optimizer: Keras', built for that model.
        batch_size: images a step.
        changing: leading layers that are to be applied to each batch instead, after its images are shifted.
    """

    def __init__(
        self,
        model: keras.Model,
        computation: Computation,
        optimizer: keras.optimizers.Optimizer,
        batch_size: int,
        changing: Sequence[keras.Layer] = (),
    ):
        self._model, self._optimizer, self._batch_size = model, optimizer, batch_size
        self._forward, self._compiled, _ = computation
        self._changing = changing
        # XLA's eigendecomposition is many times slower than TensorFlow's own.
        with_optimizer = not isinstance(optimizer, FullMatrixAdam)
        self._train_step = tf.function(self._take_step)
        self._score_step = tf.function(self._score_batch)
        self._update = tf.function(self._apply_gradients, jit_compile=self._compiled and with_optimizer)

    def place(self, images: np.ndarray, labels: np.ndarray) -> tuple[tf.Tensor, tf.Tensor]:
        """Images (float32, as the first layer takes them) and labels, as `train` and `evaluate` want them."""
        return tf.constant(images), tf.constant(labels, tf.int32)

    def train(
        self, data: tuple[tf.Tensor, tf.Tensor], order: np.ndarray, shifts: np.ndarray | None = None
    ) -> tuple[float, float]:
        """An epoch in that order. Returns the sum of the cross-entropies in nats, and how many were right."""
        loss, correct = self._run_epoch(*data, shifts, self._fill_up(order), tf.constant(len(order)))
        return float(loss), float(correct)

    def evaluate(self, data: tuple[tf.Tensor, tf.Tensor]) -> tuple[float, np.ndarray]:
        """The sum of the cross-entropies in nats, and each example's class."""
        examples = len(data[1])
        order = self._fill_up(np.arange(examples))
        loss, predictions = self._run_evaluation(*data, order, tf.constant(examples))
        return float(loss), predictions.numpy()[:examples]

    def _fill_up(self, order):
        """What XLA compiles has one shape, so the last batch is filled up, with examples that will weigh 0.

        They change neither loss nor gradient, as all layers that XLA is given treat each example by itself.
        """
        missing = -len(order) % self._batch_size if self._compiled else 0
        return tf.constant(np.concatenate([order, np.repeat(order[:1], missing)]), tf.int32)

    @tf.function(reduce_retracing=True)
    def _run_epoch(self, images, labels, shifts, order, examples):
        loss, correct = 0.0, 0.0
        for first in tf.range(0, tf.size(order), self._batch_size):
            chosen, weights = self._batch(order, first, examples)
            changed = self._change(tf.gather(images, chosen), shifts, chosen)
            batch_loss, batch_correct = self._train_step(changed, tf.gather(labels, chosen), weights)
            loss, correct = loss + batch_loss, correct + batch_correct
        return loss, correct

    @tf.function(reduce_retracing=True)
    def _run_evaluation(self, images, labels, order, examples):
        loss, predictions = 0.0, tf.zeros([0], tf.uint8)
        for first in tf.range(0, tf.size(order), self._batch_size):
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
            # Shifting forgets the shape, which some layers must know.
            images = tf.ensure_shape(shift_images(images, tf.gather(shifts, chosen)), images.shape)
        for layer in self._changing:
            images = layer(images)
        return images

    def _batch(self, order, first, examples):
        """The examples and weights (1, or 0 for filling) of the batch that begins at `first`."""
        chosen = order[first : first + self._batch_size]
        if self._compiled:
            chosen = tf.ensure_shape(chosen, [self._batch_size])
        return chosen, tf.cast(first + tf.range(tf.size(chosen)) < examples, tf.float32)

    def _take_step(self, images, labels, weights):
        total, correct, gradients = self._differentiate_batch(images, labels, weights)
        self._update(gradients)
        return total, correct

    def _differentiate_batch(self, images, labels, weights):
        with tf.GradientTape() as tape:
            losses, scores = self._forward(images, labels, training=True)
            total = tf.reduce_sum(losses * weights)
            # The mean over the batch and what layers add to the loss, as Keras has it.
            added = sum(tf.reduce_sum(tf.cast(loss, tf.float32)) for loss in self._model.losses)
            objective = self._optimizer.scale_loss(total / tf.reduce_sum(weights) + added)
        gradients = tape.gradient(objective, self._model.trainable_variables)
        hits = tf.cast(tf.argmax(scores, 1, tf.int32) == labels, tf.float32)
        return total, tf.reduce_sum(hits * weights), gradients

    def _apply_gradients(self, gradients):
        self._optimizer.apply(gradients, self._model.trainable_variables)

    def _score_batch(self, images, labels, weights):
        losses, scores = self._forward(images, labels, training=False)
        return tf.reduce_sum(losses * weights), tf.cast(tf.argmax(scores, 1, tf.int32), tf.uint8)


def choose_computation(model: keras.Model, body: list[keras.Layer], steps: int) -> Computation:
    """How TensorFlow computes a model for so many steps; `body` is its layers but for leading ones."""
    reason = _why_not_batch_last(model, body, steps)
    if reason is not None:
        return Computation(_as_keras(model), False, f"by Keras, {reason}")
    lowered = [batch_last.lower_layer(layer) for layer in body]
    # A function computes all its gradients, asked for or not; the first layer's is of the images.
    first = lowered[0]
    lowered[0] = lambda x, training: first(tf.stop_gradient(x), training)
    # Each is compiled by itself, so that what it is given is the same number wherever it is read. In a larger
    # program, XLA computes a number anew where it is used, not always with the same rounding, and then none
    # of four pixels may be equal to the largest of them.
    lowered = [tf.function(compute, jit_compile=True, autograph=False) for compute in lowered]
    kernels = sum(batch_last.count_kernels(layer) for layer in body)
    return Computation(_batch_last(lowered), True, f"batch-last by XLA layer by layer, {kernels} kernels")


def _why_not_batch_last(model: keras.Model, body: list[keras.Layer], steps: int) -> str | None:
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
    if not any(batch_last.is_cheap(layer) for layer in body):
        return "without depthwise or 1 x 1 convolutions"
    with_weights = [layer for layer in body if type(layer) is not batch_last.Again]
    if not trains_only(model, [variable for layer in with_weights for variable in layer.weights]):
        return "for variables or a dtype outside its layers"
    terms = sum(batch_last.count_terms(layer) for layer in body)
    if SECONDS_PER_LAYER * len(body) + SECONDS_PER_TERM * terms > seconds_by_keras(steps):
        return f"for {terms:,} terms to compile, which take longer than {steps:,} steps"
    return None


def _as_keras(model: keras.Model) -> Forward:
    # A class of the user's may do without the argument.
    trains = model._call_has_training_arg

    def forward(images, labels, training):
        probabilities = model(images, training=training) if trains else model(images)
        # In a graph, Keras takes the logits from behind the softmax here.
        probabilities = keras.ops.convert_to_tensor(probabilities, "float32")
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
