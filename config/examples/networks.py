"""Networks of your own: each a function from a width to a `keras.Model`.

It is called with the width, the shape of an image (rows, columns, channels) and the number of classes, and
with the study's `options` by name. It must end in one probability a class: a softmax.
"""

import keras
from keras import layers


def residual(width, image_shape, classes, blocks=1):
    """A perceptron whose blocks add what they compute to what they were given."""
    inputs = layers.Input(image_shape)
    x = layers.Flatten()(inputs)
    x = layers.Dense(width, activation="relu")(x)
    for _ in range(blocks):
        x = layers.Add()([x, layers.Dense(width, activation="relu")(x)])
    return keras.Model(inputs, layers.Dense(classes, activation="softmax")(x))
