"""A Keras layer that applies another layer again, with the same weights."""

from typing import Any

import keras
from keras import layers


@keras.saving.register_keras_serializable(package="few_weights")
class Again(layers.Layer):
    """Applies another layer once more, with the same weights, which count once.

    A saved model that contains it can be loaded after this module is imported.

    Args:
        first: the layer to apply again.
    """

    def __init__(self, first: keras.Layer, **keywords: Any) -> None:
        super().__init__(**keywords)
        self.first = first

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        return self.first(x)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "first": keras.saving.serialize_keras_object(self.first)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Again":
        return cls(keras.saving.deserialize_keras_object(config.pop("first")), **config)
