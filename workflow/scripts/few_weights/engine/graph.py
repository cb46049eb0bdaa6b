"""Trains by TensorFlow: an epoch is one compiled loop, of Keras' own layers or of batch-last ones by XLA."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from few_weights.engine import batch_last
from few_weights.engine.again import Again
from few_weights.engine.full_matrix_adam import FullMatrixAdam
from few_weights.engine.image_shifts import shift_images
from few_weights.engine.plain import seconds_by_keras, trains_only

#: About how long XLA takes to compile a layer with its gradient, and each unrolled term in it.
SECONDS_PER_LAYER, SECONDS_PER_TERM = 0.25, 0.01


#: (images, labels, training) -> (cross-entropy of each image, a score for each image and class)
Forward = Callable[..., tuple[tf.Tensor, tf.Tensor]]


class Computation(NamedTuple):
    """How to compute a network.

    Args:
        forward: its forward pass.
        compiled: whether XLA compiles its layers, each for one batch size.
        description: for the log.
    """

    forward: Forward
    compiled: bool
    description: str


class GraphLoop:
    """Trains and evaluates a network by TensorFlow; Keras' variables are the only copy of the weights.

    Args:
        model: holds the weights.
        computation: of the model without the leading layers that have been applied to the data.
        optimizer: Keras', built for that model.
        batch_size: images per step.
        per_batch: leading layers to apply to each batch instead, after its images are shifted.
    """

    def __init__(
        self,
        model: keras.Model,
        computation: Computation,
        optimizer: keras.optimizers.Optimizer,
        batch_size: int,
        per_batch: Sequence[keras.Layer] = (),
    ) -> None:
        self._model, self._optimizer, self._batch_size = model, optimizer, batch_size
        self._forward, self._compiled, _ = computation
        self._per_batch = per_batch
        # XLA's eigendecomposition is many times slower than TensorFlow's own.
        with_optimizer = not isinstance(optimizer, FullMatrixAdam)
        self._train_step = tf.function(self._take_step)
        self._score_step = tf.function(self._score_batch)
        self._update = tf.function(self._apply_gradients, jit_compile=self._compiled and with_optimizer)

    def prepare(
        self, images: NDArray[np.float32], labels: NDArray[np.integer]
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Images, as the first layer takes them, and labels, in the form that `train` and `evaluate` take."""
        return tf.constant(images), tf.constant(labels, tf.int32)

    def train(
        self,
        data: tuple[tf.Tensor, tf.Tensor],
        order: NDArray[np.integer],
        shifts: NDArray[np.integer] | None = None,
    ) -> tuple[float, float]:
        """Train an epoch in an order; returns the sum of the losses in nats, and the number of correct ones.

        The images are shifted by `shifts`, if there are any.
        """
        loss, correct = self._run_epoch(*data, shifts, self._pad(order), tf.constant(len(order)))
        return float(loss), float(correct)

    def evaluate(self, data: tuple[tf.Tensor, tf.Tensor]) -> tuple[float, NDArray[np.uint8]]:
        """The sum of the cross-entropies in nats, and the class predicted for each example."""
        examples = len(data[1])
        order = self._pad(np.arange(examples))
        loss, predictions = self._run_evaluation(*data, order, tf.constant(examples))
        return float(loss), predictions.numpy()[:examples]

    def _pad(self, order: NDArray[np.integer]) -> tf.Tensor:
        """An order, with the last batch padded for XLA, which compiles one shape; padding gets the weight 0.

        It changes neither loss nor gradient, since all layers that XLA compiles compute each example
        independently of others.
        """
        missing = -len(order) % self._batch_size if self._compiled else 0
        return tf.constant(np.concatenate([order, np.repeat(order[:1], missing)]), tf.int32)

    @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]  # TensorFlow has no types
    def _run_epoch(
        self,
        images: tf.Tensor,
        labels: tf.Tensor,
        shifts: tf.Tensor | None,
        order: tf.Tensor,
        examples: tf.Tensor,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        loss, correct = 0.0, 0.0
        for first in tf.range(0, tf.size(order), self._batch_size):
            indices, weights = self._batch(order, first, examples)
            batch = self._shift(tf.gather(images, indices), shifts, indices)
            batch_loss, batch_correct = self._train_step(batch, tf.gather(labels, indices), weights)
            loss, correct = loss + batch_loss, correct + batch_correct
        return loss, correct

    @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]  # TensorFlow has no types
    def _run_evaluation(
        self, images: tf.Tensor, labels: tf.Tensor, order: tf.Tensor, examples: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        loss, predictions = 0.0, tf.zeros([0], tf.uint8)
        for first in tf.range(0, tf.size(order), self._batch_size):
            tf.autograph.experimental.set_loop_options(
                shape_invariants=[(predictions, tf.TensorShape([None]))]
            )
            indices, weights = self._batch(order, first, examples)
            batch = tf.gather(images, indices), tf.gather(labels, indices), weights
            batch_loss, predicted = self._score_step(*batch)
            loss, predictions = loss + batch_loss, tf.concat([predictions, predicted], 0)
        return loss, predictions

    def _shift(self, images: tf.Tensor, shifts: tf.Tensor | None, indices: tf.Tensor) -> tf.Tensor:
        """Images of a batch, shifted if there are shifts, as the rest of the network takes them."""
        if shifts is not None:
            # Shifting forgets the shape, which some layers must know.
            images = tf.ensure_shape(shift_images(images, tf.gather(shifts, indices)), images.shape)
        for layer in self._per_batch:
            images = layer(images)
        return images

    def _batch(self, order: tf.Tensor, first: tf.Tensor, examples: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Indices and weights (1, or 0 for padding) of the examples in the batch that begins at `first`."""
        indices = order[first : first + self._batch_size]
        if self._compiled:
            indices = tf.ensure_shape(indices, [self._batch_size])
        return indices, tf.cast(first + tf.range(tf.size(indices)) < examples, tf.float32)

    def _take_step(
        self, images: tf.Tensor, labels: tf.Tensor, weights: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        total, correct, gradients = self._differentiate_batch(images, labels, weights)
        self._update(gradients)
        return total, correct

    def _differentiate_batch(
        self, images: tf.Tensor, labels: tf.Tensor, weights: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, list[tf.Tensor | None]]:
        with tf.GradientTape() as tape:
            losses, scores = self._forward(images, labels, training=True)
            total = tf.reduce_sum(losses * weights)
            # The mean over the batch and what layers add to the loss, as Keras has it.
            added = sum(tf.reduce_sum(tf.cast(loss, tf.float32)) for loss in self._model.losses)
            objective = self._optimizer.scale_loss(total / tf.reduce_sum(weights) + added)
        gradients = tape.gradient(objective, self._model.trainable_variables)
        hits = tf.cast(tf.argmax(scores, 1, tf.int32) == labels, tf.float32)
        return total, tf.reduce_sum(hits * weights), gradients

    def _apply_gradients(self, gradients: Sequence[tf.Tensor | None]) -> None:
        self._optimizer.apply(gradients, self._model.trainable_variables)

    def _score_batch(
        self, images: tf.Tensor, labels: tf.Tensor, weights: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        losses, scores = self._forward(images, labels, training=False)
        return tf.reduce_sum(losses * weights), tf.cast(tf.argmax(scores, 1, tf.int32), tf.uint8)


def choose_computation(model: keras.Model, body: list[keras.Layer], steps: int) -> Computation:
    """Choose how TensorFlow computes a model in a training of so many steps.

    Args:
        body: the model's layers, without leading ones that have no weights.
    """
    reason = _why_not_batch_last(model, body, steps)
    if reason is not None:
        return Computation(_as_keras(model), False, f"by Keras, {reason}")
    lowered = [compute for layer in body if (compute := batch_last.lower_layer(layer))]
    # A function computes all its gradients, needed or not; that of the images is not needed.
    first = lowered[0]
    lowered[0] = lambda x, training: first(tf.stop_gradient(x), training)
    # Each is compiled separately, so that its input has the same value wherever it is read. In a larger
    # program, XLA recomputes values where they are used, not always with the same rounding, and then none of
    # four pixels may be equal to the largest of them.
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
    with_weights = [layer for layer in body if type(layer) is not Again]
    if not trains_only(model, [variable for layer in with_weights for variable in layer.weights]):
        return "for variables or a dtype outside its layers"
    terms = sum(batch_last.count_terms(layer) for layer in body)
    if SECONDS_PER_LAYER * len(body) + SECONDS_PER_TERM * terms > seconds_by_keras(steps):
        return f"for {terms:,} terms to compile, which take longer than {steps:,} steps"
    return None


def _as_keras(model: keras.Model) -> Forward:
    # A user's class may lack the argument.
    trains = model._call_has_training_arg

    def forward(images: tf.Tensor, labels: tf.Tensor, training: bool) -> tuple[tf.Tensor, tf.Tensor]:
        probabilities = model(images, training=training) if trains else model(images)
        # In a graph, Keras uses the logits before the softmax here.
        probabilities = keras.ops.convert_to_tensor(probabilities, "float32")
        return keras.losses.sparse_categorical_crossentropy(labels, probabilities), probabilities

    return forward


def _batch_last(lowered: list[batch_last.Lowered]) -> Forward:
    def forward(images: tf.Tensor, labels: tf.Tensor, training: bool) -> tuple[tf.Tensor, tf.Tensor]:
        x = tf.transpose(images, [3, 1, 2, 0])
        for compute in lowered:
            x = compute(x, training)
        logits = tf.transpose(x)
        return tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits), logits

    return forward
