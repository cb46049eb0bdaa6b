"""A trainer that keeps a Keras model's variables, and those of its optimizer, up to date."""

import keras
import numpy as np

from few_weights.engine.preparation import prepare
from few_weights.engine.trainer import Trainer


class ModelTrainer(Trainer):
    """Trains a Keras model in this process: its variables are read before each call and written after it.

    Args:
        model, optimizer, batch_size, schedule, epochs: as `prepare` takes them.
        images, labels, augmented: as `Trainer` takes them.
        cache: folder of compiled code; None for none.
    """

    def __init__(
        self,
        model,
        optimizer,
        batch_size,
        images,
        labels,
        schedule=None,
        epochs=1,
        augmented=False,
        cache=None,
    ):
        prepared = prepare(model, optimizer, batch_size, len(images), schedule, epochs)
        self.optimizer, self.path, self.code = prepared.optimizer, prepared.path, prepared.code
        self._theirs = prepared.variables
        super().__init__(prepared.make_loop(cache), images, labels, augmented)

    def train_epoch(self, order, shifts=None):
        self._read()
        result = super().train_epoch(order, shifts)
        self._write()
        return result

    def evaluate(self, images, labels):
        self._read()
        return super().evaluate(images, labels)

    def restore(self, state):
        super().restore(state)
        self._write()

    def _read(self):
        for mine, theirs in zip(self.loop.variables, self._theirs, strict=True):
            if not isinstance(mine, keras.Variable):
                mine[...] = np.asarray(theirs)

    def _write(self):
        for mine, theirs in zip(self.loop.variables, self._theirs, strict=True):
            if not isinstance(mine, keras.Variable):
                theirs.assign(mine)
