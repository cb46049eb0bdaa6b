"""Training through Keras' own layers, with an epoch as one compiled loop of TensorFlow."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from few_weights.engine.compilation import OWN_BITS
from few_weights.engine.leading_layers import prepare_images


class KerasLoop:
    """Trains and evaluates a network by TensorFlow; Keras' variables are the only copy of the weights.

    Args:
        model: the network.
        optimizer: Keras', built for that model.
        batch_size: images per step.
    """

    def __init__(self, model: keras.Model, optimizer: keras.optimizers.Optimizer, batch_size: int) -> None:
        self._model, self._optimizer, self._batch_size = model, optimizer, batch_size
        #: On which machines a training gives the same bits, in words.
        self.bits = OWN_BITS
        # A user's class may not take the argument.
        self._takes_training = model._call_has_training_arg
        self._train_step = tf.function(self._take_step)
        self._score_step = tf.function(self._score_batch)

    @property
    def variables(self) -> list[keras.Variable]:
        """Those of the model and then of the optimizer."""
        return [*self._model.variables, *self._optimizer.variables]

    def state(self) -> list[NDArray[Any]]:
        """A copy of the variables' values."""
        return [np.array(keras.ops.convert_to_numpy(variable)) for variable in self.variables]

    def restore(self, state: Sequence[NDArray[Any]]) -> None:
        """Give the variables the values of a `state()`."""
        for variable, value in zip(self.variables, state, strict=True):
            variable.assign(value)

    def prepare(self, images: NDArray[np.uint8], labels: NDArray[np.integer]) -> tuple[tf.Tensor, tf.Tensor]:
        """Images and labels in the form that `train` and `evaluate` take."""
        return tf.constant(prepare_images(images, [])), tf.constant(labels, tf.int32)

    def train(self, data: tuple[tf.Tensor, tf.Tensor], order: NDArray[np.integer]) -> tuple[float, float]:
        """Train an epoch in an order; returns the sum of the losses in nats, and how many were correct."""
        loss, correct = self._run_epoch(*data, tf.constant(order, tf.int32))
        return float(loss), float(correct)

    def evaluate(self, data: tuple[tf.Tensor, tf.Tensor]) -> tuple[float, NDArray[np.uint8]]:
        """The sum of the cross-entropies in nats, and the class predicted for each example."""
        loss, predictions = self._run_evaluation(*data)
        return float(loss), predictions.numpy()

    @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]  # TensorFlow has no types
    def _run_epoch(
        self, images: tf.Tensor, labels: tf.Tensor, order: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        loss, correct = 0.0, 0.0
        for first in tf.range(0, tf.size(order), self._batch_size):
            indices = order[first : first + self._batch_size]
            batch_loss, batch_correct = self._train_step(
                tf.gather(images, indices), tf.gather(labels, indices)
            )
            loss, correct = loss + batch_loss, correct + batch_correct
        return loss, correct

    @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]  # TensorFlow has no types
    def _run_evaluation(self, images: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        loss, predictions = 0.0, tf.zeros([0], tf.uint8)
        for first in tf.range(0, tf.size(labels), self._batch_size):
            tf.autograph.experimental.set_loop_options(
                shape_invariants=[(predictions, tf.TensorShape([None]))]
            )
            last = first + self._batch_size
            batch_loss, predicted = self._score_step(images[first:last], labels[first:last])
            loss, predictions = loss + batch_loss, tf.concat([predictions, predicted], 0)
        return loss, predictions

    def _take_step(self, images: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            losses, probabilities = self._losses(images, labels, training=True)
            # The mean over the batch and what layers add to the loss, as Keras has it.
            added = sum(tf.reduce_sum(tf.cast(loss, tf.float32)) for loss in self._model.losses)
            objective = self._optimizer.scale_loss(tf.reduce_mean(losses) + added)
        gradients = tape.gradient(objective, self._model.trainable_variables)
        self._optimizer.apply(gradients, self._model.trainable_variables)
        correct = tf.cast(tf.argmax(probabilities, 1, tf.int32) == labels, tf.float32)
        return tf.reduce_sum(losses), tf.reduce_sum(correct)

    def _score_batch(self, images: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        losses, probabilities = self._losses(images, labels, training=False)
        return tf.reduce_sum(losses), tf.cast(tf.argmax(probabilities, 1, tf.int32), tf.uint8)

    def _losses(self, images: tf.Tensor, labels: tf.Tensor, training: bool) -> tuple[tf.Tensor, tf.Tensor]:
        """The cross-entropy of each image, and its probabilities."""
        options = {"training": training} if self._takes_training else {}
        # In a graph, Keras takes the logits from behind the softmax here.
        probabilities = keras.ops.convert_to_tensor(self._model(images, **options), "float32")
        return keras.losses.sparse_categorical_crossentropy(labels, probabilities), probabilities
