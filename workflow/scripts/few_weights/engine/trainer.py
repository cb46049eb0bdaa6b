"""Trains one network on data in memory, one epoch per call.

`preparation.py` decides how: by machine code, which needs no Keras any more, or by Keras' own layers.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from few_weights.engine.image_shifts import shift_images


class Loop(Protocol):
    """What trains and evaluates: a `MachineLoop` or a `KerasLoop`.

    Attributes:
        bits: on which machines a training gives the same bits, in words.
    """

    bits: str

    def prepare(self, images: NDArray[np.uint8], labels: NDArray[np.integer]) -> Any:
        """Images and labels in the form that `train` and `evaluate` take."""

    def train(self, data: Any, order: NDArray[np.integer]) -> tuple[float, float]:
        """Train an epoch in an order; returns the sum of the losses in nats, and how many were correct."""

    def evaluate(self, data: Any) -> tuple[float, NDArray[np.uint8]]:
        """The sum of the cross-entropies in nats, and the class predicted for each example."""

    def state(self) -> list[NDArray[Any]]:
        """A copy of all that training changes."""

    def restore(self, state: Sequence[NDArray[Any]]) -> None:
        """Go on from a `state()`."""


class Trainer:
    """Trains a network.

    Args:
        loop: how it is computed.
        images: uint8, (examples, rows, columns, channels). Divided by 255 before the network sees them.
        labels: integers, (examples,).
        augmented: whether the images are shifted in each epoch.
    """

    def __init__(
        self,
        loop: Loop,
        images: NDArray[np.uint8],
        labels: NDArray[np.integer],
        augmented: bool = False,
    ) -> None:
        self.loop = loop
        self._images, self._labels = images, labels
        self._train_data: Any = None if augmented else loop.prepare(images, labels)
        self._test_data: dict[tuple[int, int], tuple[Any, ...]] = {}

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
            data = self.loop.prepare(shift_images(self._images, shifts), self._labels)
        loss, correct = self.loop.train(data, order)
        return loss / len(order), correct / len(order)

    def evaluate(
        self, images: NDArray[np.uint8], labels: NDArray[np.integer]
    ) -> tuple[float, NDArray[np.uint8]]:
        """Mean cross-entropy in nats, and the class predicted for each image.

        The images are converted once: pass the same arrays after each epoch.
        """
        arrays = id(images), id(labels)
        if arrays not in self._test_data:
            # The arrays are stored, too, so that no others can reuse their ids.
            self._test_data[arrays] = (images, labels, self.loop.prepare(images, labels))
        loss, predictions = self.loop.evaluate(self._test_data[arrays][2])
        return loss / len(images), predictions

    def state(self) -> list[NDArray[Any]]:
        """All that training changes: weights, layers' statistics and random states, the optimizer's state."""
        return self.loop.state()

    def restore(self, state: Sequence[NDArray[Any]]) -> None:
        """Resume from a `state()` of the same network and optimizer: the next epoch gives the same bits."""
        self.loop.restore(state)
