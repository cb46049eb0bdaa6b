"""Training by TensorFlow: an epoch as one compiled loop, through Keras' own layers or batch-last by XLA."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from few_weights.augmentation import shift_images
from few_weights.engine import batch_last
from few_weights.optimizers import FullMatrixAdam

#: The largest number of kernels (channels x filters, summed over the convolutions larger than 1 x 1) that is
#: faster batch-last than in oneDNN. Both its running time and its compilation grow with them.
BATCH_LAST_KERNELS = 32

#: (images, labels, training) -> (cross-entropy of each image, a score for each image and class)
Forward = Callable[..., tuple[tf.Tensor, tf.Tensor]]


class Computation(NamedTuple):
    """How to compute a network.

    Args:
        forward: its forward pass.
        compiled: what XLA is to compile as one: "step", "layers" for each by itself, or None.
        words: all this, for the log.
    """

    forward: Forward
    compiled: str | None
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
        self._couples_examples = any(isinstance(layer, layers.BatchNormalization) for layer in model.layers)
        whole = self._compiled == "step"
        # XLA's eigendecomposition is many times slower than TensorFlow's own.
        with_optimizer = not isinstance(optimizer, FullMatrixAdam)
        self._train_step = tf.function(self._take_step, jit_compile=whole and with_optimizer)
        self._differentiate = tf.function(self._differentiate_batch, jit_compile=whole)
        self._score_step = tf.function(self._score_batch, jit_compile=whole)
        self._update = tf.function(
            self._apply_gradients, jit_compile=self._compiled is not None and with_optimizer
        )

    def place(self, images: np.ndarray, labels: np.ndarray) -> tuple[tf.Tensor, tf.Tensor]:
        """Images (float32, as the first layer takes them) and labels, as `train` and `evaluate` want them."""
        return tf.constant(images), tf.constant(labels, tf.int32)

    def train(
        self, data: tuple[tf.Tensor, tf.Tensor], order: np.ndarray, shifts: np.ndarray | None = None
    ) -> tuple[float, float]:
        """An epoch in that order. Returns the sum of the cross-entropies in nats, and how many were right."""
        rest = len(order) % self._batch_size if self._compiled and self._couples_examples else 0
        order_used = tf.constant(order, tf.int32) if rest else self._fill_up(order)
        loss, correct = self._run_epoch(*data, shifts, order_used, len(order), rest)
        return float(loss), float(correct)

    def evaluate(self, data: tuple[tf.Tensor, tf.Tensor]) -> tuple[float, np.ndarray]:
        """The sum of the cross-entropies in nats, and each example's class."""
        examples = len(data[1])
        loss, predictions = self._run_evaluation(*data, self._fill_up(np.arange(examples)), examples)
        return float(loss), predictions.numpy()[:examples]

    def _fill_up(self, order):
        """What XLA compiles has one shape, so the last batch is filled up, with examples that will weigh 0.

        They change neither loss nor gradient of layers that treat each example by itself. In training, a
        batch normalisation does not; there the last batch is compiled once more, as it is.
        """
        missing = -len(order) % self._batch_size if self._compiled else 0
        return tf.constant(np.concatenate([order, np.repeat(order[:1], missing)]), tf.int32)

    @tf.function(reduce_retracing=True)
    def _run_epoch(self, images, labels, shifts, order, examples, rest):
        loss, correct = 0.0, 0.0
        for first in tf.range(0, tf.size(order) - rest, self._batch_size):
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
            images = shift_images(images, tf.gather(shifts, chosen))
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
        total, correct, gradients = self._differentiate(images, labels, weights)
        self._update(gradients)
        return total, correct

    def _differentiate_batch(self, images, labels, weights):
        with tf.GradientTape() as tape:
            losses, scores = self._forward(images, labels, training=True)
            total = tf.reduce_sum(losses * weights)
            # The mean over the batch and what layers add to the loss, as Keras has it.
            objective = total / tf.reduce_sum(weights) + sum(self._model.losses)
        gradients = tape.gradient(objective, self._model.trainable_variables)
        hits = tf.cast(tf.argmax(scores, 1, tf.int32) == labels, tf.float32)
        return total, tf.reduce_sum(hits * weights), gradients

    def _apply_gradients(self, gradients):
        self._optimizer.apply(gradients, self._model.trainable_variables)

    def _score_batch(self, images, labels, weights):
        losses, scores = self._forward(images, labels, training=False)
        return tf.reduce_sum(losses * weights), tf.cast(tf.argmax(scores, 1, tf.int32), tf.uint8)


def choose_computation(model: keras.Model, body: list[keras.Layer]) -> Computation:
    """How TensorFlow computes `body`: the model's layers but for leading ones, or a model as the only one."""
    kernels = sum(
        math.prod(layer.kernel.shape[2:])
        for layer in body
        if isinstance(layer, layers.Conv2D) and layer.kernel_size != (1, 1)
    )
    reason = _why_not_batch_last(body, kernels)
    if reason is not None:
        whole = body == [model] or body == model.layers
        return Computation(_as_keras(model if whole else keras.Sequential(body)), None, f"by Keras, {reason}")
    lowered = [batch_last.lower_layer(layer) for layer in body]
    if not any(_is_cheap(layer) for layer in body):
        return Computation(_batch_last(lowered), "step", f"batch-last by XLA, {kernels} kernels")
    # A function computes all its gradients, asked for or not; the first layer's is of the images.
    first = lowered[0]
    lowered[0] = lambda x, training: first(tf.stop_gradient(x), training)
    lowered = [tf.function(compute, jit_compile=True, autograph=False) for compute in lowered]
    return Computation(_batch_last(lowered), "layers", f"batch-last by XLA layer by layer, {kernels} kernels")


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
