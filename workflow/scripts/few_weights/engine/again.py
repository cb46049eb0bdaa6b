"""A Keras layer that applies another one again, with the same weights."""

import keras
from keras import layers


@keras.saving.register_keras_serializable(package="few_weights")
class Again(layers.Layer):
    """A layer applied once more, with the very same weights. They count once.

    A saved model that holds it can be loaded once this module is imported.
    """

    def __init__(self, first: keras.Layer, **keywords):
        super().__init__(**keywords)
        self.first = first

    def call(self, x):
        return self.first(x)

    def get_config(self):
        return {**super().get_config(), "first": keras.saving.serialize_keras_object(self.first)}

    @classmethod
    def from_config(cls, config):
        return cls(keras.saving.deserialize_keras_object(config.pop("first")), **config)
