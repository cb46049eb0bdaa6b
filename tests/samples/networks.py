"""Networks, images that they can learn, and trainings of one network by Keras and by the engine."""

import keras
import numpy as np

from few_weights.engine.optimizers import build_optimizer
from few_weights.networks.builder import build_network
from samples.model_trainer import ModelTrainer

ADADELTA = {"name": "adadelta", "learning_rate": 1.0, "rho": 0.95, "epsilon": 1e-7}
RMSPROP = {"name": "rmsprop", "learning_rate": 0.001, "rho": 0.9, "epsilon": 1e-7}
ADAM = {"name": "adam", "learning_rate": 0.01, "beta_1": 0.9, "beta_2": 0.99}
SGD = {"name": "sgd", "learning_rate": 0.02}
MOMENTUM = {"name": "sgd", "learning_rate": 0.02, "momentum": 0.9}
#: There is no machine code for it. Studies do not offer it, but `build_optimizer` does.
NADAM = {"name": "nadam", "learning_rate": 0.003}
FULL_MATRIX = {
    "name": "full_matrix_adam",
    "learning_rate": 0.01,
    "beta_1": 0.9,
    "beta_2": 0.99,
    "refresh": 80,
}

IMAGE = (18, 18, 1)  # the smallest that vgg can take, with an odd size in between
CLASSES = 10


def build(name, width, image_shape=IMAGE, classes=CLASSES, **options):
    """A built-in network."""
    network = {"architecture": name, "options": options}
    return build_network(name, network, width, image_shape, classes)


def images_of(examples, image=IMAGE, seed=0):
    """Images that can be learned: a bright bar on black, whose position and angle depend on the class."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, CLASSES, examples).astype(np.uint8)
    images = np.zeros((examples, *image), np.uint8)
    for picture, label in zip(images, labels, strict=True):
        first = 1 + 3 * (label % 5) + rng.integers(0, 2)
        bar = picture[first : first + 3, 2:-2] if label < 5 else picture[2:-2, first : first + 3]
        bar[...] = rng.integers(128, 256, bar.shape)
    return images, labels


def compiled_keras(model, optimizer):
    """The model, compiled for plain Keras."""
    model.compile(
        optimizer=build_optimizer(optimizer), loss="sparse_categorical_crossentropy", jit_compile=False
    )
    return model


def train_both(make_model, optimizer, batch_sizes, image=IMAGE, epochs=1):
    """Train a network by Keras and by the engine, from the same weights and with the same batches.

    Args:
        make_model: builds the network.
        optimizer: as `build_optimizer` takes it.
        batch_sizes: of each step.
        image: shape of the images.
        epochs: the length of the training that the engine plans for; some code is only worth it in long ones.

    Returns:
        The losses of each step, (steps, 2): Keras', then the engine's; Keras' model; the engine's model; its
        trainer.
    """
    images, labels = images_of(sum(batch_sizes), image)
    keras.utils.set_random_seed(1)
    theirs = compiled_keras(make_model(), optimizer)
    ours = make_model()
    ours.set_weights(theirs.get_weights())
    trainer = ModelTrainer(ours, optimizer, max(batch_sizes), images, labels, epochs=epochs)
    losses, first = [], 0
    for size in batch_sizes:
        batch = np.arange(first, first + size)
        theirs.reset_metrics()
        loss = theirs.train_on_batch(images[batch] / np.float32(255), labels[batch])
        losses.append((float(loss), trainer.train_epoch(batch)[0]))
        first += size
    return np.array(losses), theirs, ours, trainer
