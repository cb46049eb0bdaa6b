"""Your own networks. Each is a function from a width to a `keras.Model`.

The function gets the width, the shape of an image (rows, columns, channels), the number of classes, and the
study's `options` by name. The model must end in one probability per class: a softmax.
"""

import keras
from keras import layers


def residual(width, image_shape, classes, blocks=1):
    """A perceptron with residual blocks: each block adds its output to its input."""
    inputs = layers.Input(image_shape)
    x = layers.Flatten()(inputs)
    x = layers.Dense(width, activation="relu")(x)
    for _ in range(blocks):
        x = layers.Add()([x, layers.Dense(width, activation="relu")(x)])
    return keras.Model(inputs, layers.Dense(classes, activation="softmax")(x))
