"""Networks that users write: unusual ones that are right, and ones that are refused, with the message."""

#: The shape of the images, and the number of classes.
IMAGE, CLASSES = (9, 8, 2), 5

HEAD = """
import keras
import numpy as np
from keras import Model, Sequential, layers, ops

def end(x0, x, classes):
    return Model(x0, layers.Dense(classes, activation="softmax")(x))

def flat(image_shape):
    x0 = layers.Input(image_shape)
    return x0, layers.Flatten()(x0)
"""


RIGHT = {
    "two outputs of a layer": """
@keras.saving.register_keras_serializable("tests")
class Halves(layers.Layer):
    def call(self, x):
        return tuple(ops.split(x, 2, axis=-1))

def net(width, image_shape, classes):
    x0, x = flat(image_shape)
    a, b = Halves()(layers.Dense(2 * width)(x))
    return end(x0, layers.Concatenate()([a, layers.Dense(width)(b)]), classes)
""",
    "states of an LSTM": """
def net(width, image_shape, classes):
    x0 = layers.Input(image_shape)
    x = layers.Reshape((image_shape[0], -1))(x0)
    out, h, c = layers.LSTM(width, return_state=True)(x)
    return end(x0, layers.Concatenate()([out, h, c]), classes)
""",
    "a list of layers that hand on several tensors": """
def net(width, image_shape, classes):
    body = [layers.Reshape((image_shape[0], -1)), layers.LSTM(width, return_state=True), layers.Concatenate()]
    return Sequential([layers.Input(image_shape), *body, layers.Dense(classes, activation="softmax")])
""",
    "two towers with the same names": """
def tower(name, width, image_shape):
    x0 = layers.Input(image_shape)
    x = layers.Conv2D(width, 3, activation="relu", name="conv")(x0)
    return Model(x0, layers.GlobalAveragePooling2D(name="mean")(x), name=name)

def net(width, image_shape, classes):
    x0 = layers.Input(image_shape)
    both = [tower(name, width, image_shape)(x0) for name in ("left", "right")]
    return end(x0, layers.Concatenate()(both), classes)
""",
    "a random constant that follows the seed": """
def net(width, image_shape, classes):
    mask = (np.random.random(image_shape) < 0.5).astype("float32")
    x0 = layers.Input(image_shape)
    x = layers.Flatten()(ops.multiply(x0, mask[None]))
    return end(x0, layers.Dense(width)(x), classes)
""",
    "a random constant of the module": """
MASK = (np.random.random(IMAGE) < 0.5).astype("float32")

def net(width, image_shape, classes):
    x0 = layers.Input(image_shape)
    x = layers.Flatten()(ops.multiply(x0, MASK[None]))
    return end(x0, layers.Dense(width)(x), classes)
""".replace("IMAGE", str(IMAGE)),
    "a seed at import": """
keras.utils.set_random_seed(1)

def net(width, image_shape, classes):
    x0, x = flat(image_shape)
    return end(x0, layers.Dense(width)(x), classes)
""",
    "a normalisation adapted to images from 0 to 1": """
def net(width, image_shape, classes):
    x0 = layers.Input(image_shape)
    x = layers.Normalization(mean=0.3, variance=0.1)(x0)
    x = layers.Conv2D(width, 3, kernel_regularizer="l2")(x)
    x = layers.BatchNormalization()(x)
    return end(x0, layers.GlobalMaxPooling2D()(layers.Dropout(0.3)(x)), classes)
""",
    "attention, embeddings of positions and layer normalisation": """
@keras.saving.register_keras_serializable("tests")
class Positions(layers.Layer):
    def build(self, shape):
        self.table = self.add_weight(name="table", shape=shape[1:], initializer="normal")

    def call(self, x):
        return x + self.table

def net(width, image_shape, classes):
    x0 = layers.Input(image_shape)
    x = Positions()(layers.Dense(width)(layers.Reshape((-1, image_shape[-1]))(x0)))
    x = layers.LayerNormalization()(x + layers.MultiHeadAttention(2, width)(x, x))
    return end(x0, layers.GlobalAveragePooling1D()(x), classes)
""",
    "the mean of each image first": """
def net(width, image_shape, classes):
    x0 = layers.Input(image_shape)
    return end(x0, layers.Dense(width)(layers.GlobalAveragePooling2D()(x0)), classes)
""",
    "a model that its author compiled": """
def net(width, image_shape, classes):
    x0, x = flat(image_shape)
    model = end(x0, layers.Dense(width)(x), classes)
    model.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
    return model
""",
}


WRONG = {
    "random numbers of no generator of its own": (
        """
class Noise(layers.Layer):
    def call(self, x, training=False):
        return keras.random.dropout(x, 0.1) if training else x

def net(width, image_shape, classes):
    x0, x = flat(image_shape)
    return end(x0, Noise()(layers.Dense(width)(x)), classes)
""",
        r"uses whole numbers \(.*\) that Keras does not store with it, .*random.SeedGenerator",
    ),
    "whole numbers as input": (
        """
def net(width, image_shape, classes):
    x0 = layers.Input(image_shape, dtype="uint8")
    return end(x0, layers.Flatten()(layers.Rescaling(1 / 255)(x0)), classes)
""",
        r"its input is uint8, but images are given as float32 from 0 to 1, which would become 0 or 1; write "
        r"layers.Input\(image_shape\) without dtype='uint8'",
    ),
    "whole numbers behind the input": (
        """
def net(width, image_shape, classes):
    x0 = layers.Input(image_shape)
    x = ops.cast(ops.cast(0.9 * x0, "uint8"), "float32")
    return end(x0, layers.Flatten()(x), classes)
""",
        "all images are the same after the layer cast",
    ),
    "a mixed policy": (
        """
keras.config.set_dtype_policy("mixed_float16")

def net(width, image_shape, classes):
    x0 = layers.Input(image_shape)
    x = layers.Dense(width, name="half")(layers.Flatten()(x0))
    return Model(x0, layers.Dense(classes, activation="softmax", dtype="float32")(x))
""",
        "the layer .* computes in float16; few-weights trains in float32",
    ),
    "float64": (
        """
def net(width, image_shape, classes):
    x0, x = flat(image_shape)
    return end(x0, layers.Dense(width, dtype="float64", name="wide")(x), classes)
""",
        "the layer wide computes in float64",
    ),
    "a layer that Keras does not know of": (
        """
def net(width, image_shape, classes):
    x0, x = flat(image_shape)
    hidden = layers.Dense(width)
    hidden.build(x.shape)
    return end(x0, layers.Lambda(lambda x: hidden(x))(x), classes)
""",
        r"uses a weight of shape \(144, 3\) \(.*kernel.*\) that Keras does not know of",
    ),
    "a weight that nothing depends on": (
        """
class Lazy(layers.Layer):
    def build(self, shape):
        self.spare = self.add_weight(name="spare", shape=(7,))

    def call(self, x):
        return x

def net(width, image_shape, classes):
    x0, x = flat(image_shape)
    return end(x0, Lazy(name="lazy")(x), classes)
""",
        "does not depend on its weight lazy/spare, which would be counted but never trained",
    ),
    "a seed in an initializer": (
        """
def net(width, image_shape, classes):
    x0, x = flat(image_shape)
    fixed = keras.initializers.GlorotUniform(seed=1)
    return Model(x0, layers.Dense(classes, activation="softmax", kernel_initializer=fixed)(x))
""",
        "starts from the same weights with every seed, .* such as keras.utils.set_random_seed, seed=",
    ),
    "a seed in the function": (
        """
def net(width, image_shape, classes):
    keras.utils.set_random_seed(3)
    x0, x = flat(image_shape)
    return end(x0, x, classes)
""",
        "starts from the same weights with every seed",
    ),
    "zeros everywhere": (
        """
def net(width, image_shape, classes):
    x0, x = flat(image_shape)
    return Model(x0, layers.Dense(classes, activation="softmax", kernel_initializer="zeros")(x))
""",
        "with every seed, .*; all of them are constants",
    ),
    "a generator without a seed": (
        """
def net(width, image_shape, classes):
    x0, x = flat(image_shape)
    start = keras.initializers.Constant(np.random.default_rng().random((x.shape[-1], classes)))
    return Model(x0, layers.Dense(classes, activation="softmax", kernel_initializer=start)(x))
""",
        "starts from other weights each time it is built with the same seed",
    ),
    "a constant from a generator without a seed": (
        """
def net(width, image_shape, classes):
    x0 = layers.Input(image_shape)
    mask = (np.random.default_rng().random(image_shape) < 0.5).astype("float32")
    return end(x0, layers.Flatten()(ops.multiply(x0, mask[None])), classes)
""",
        r"is another network each time it is built, .* self.add_weight\(..., trainable=False\)",
    ),
    "a constant of the module from a generator without a seed": (
        """
MASK = (np.random.default_rng().random(IMAGE) < 0.5).astype("float32")

def net(width, image_shape, classes):
    x0 = layers.Input(image_shape)
    return end(x0, layers.Flatten()(ops.multiply(x0, MASK[None])), classes)
""".replace("IMAGE", str(IMAGE)),
        "is another network each time it is built",
    ),
    "a layer of the module": (
        """
HIDDEN = layers.Dense(4, name="hidden")

def net(width, image_shape, classes):
    x0, x = flat(image_shape)
    return end(x0, HIDDEN(x), classes)
""",
        "shares its weight hidden/kernel with every other network of its file; create its layers inside",
    ),
    "a dict of outputs": (
        """
def net(width, image_shape, classes):
    x0, x = flat(image_shape)
    return Model(x0, {"classes": layers.Dense(classes, activation="softmax")(x)})
""",
        "its inputs or outputs are a dict",
    ),
    "two outputs": (
        """
def net(width, image_shape, classes):
    x0, x = flat(image_shape)
    return Model(x0, [layers.Dense(classes, activation="softmax")(x), x])
""",
        r"it ends in \(None, 5\) and \(None, 144\)",
    ),
    "a fixed batch": (
        """
def net(width, image_shape, classes):
    x0 = layers.Input(batch_shape=(32, *image_shape))
    return end(x0, layers.Flatten()(x0), classes)
""",
        r"it takes \(32, 9, 8, 2\); it must take one batch of images, \(None, 9, 8, 2\)",
    ),
    "a batch size inside": (
        """
def net(width, image_shape, classes):
    x0 = layers.Input(image_shape)
    x = layers.Lambda(lambda x: ops.reshape(x, (8, 144)), output_shape=(144,))(x0)
    return end(x0, x, classes)
""",
        "of width 3 cannot be computed: ",
    ),
    "an error in training alone": (
        """
class Own(layers.Layer):
    def call(self, x, training=False):
        if training:
            return undefined_name
        return x

def net(width, image_shape, classes):
    x0, x = flat(image_shape)
    return end(x0, Own()(x), classes)
""",
        r"cannot be computed: .*nets.py, line 16: NameError: .*'undefined_name' is not defined",
    ),
    "not a number": (
        """
def net(width, image_shape, classes):
    x0, x = flat(image_shape)
    return end(x0, ops.log(x - 0.5), classes)
""",
        "returns nan or infinity for an image",
    ),
    "nothing to train": (
        """
def net(width, image_shape, classes):
    x0, x = flat(image_shape)
    model = end(x0, x, classes)
    model.trainable = False
    return model
""",
        "it has no weights to train",
    ),
    "randomness outside training": (
        """
def net(width, image_shape, classes):
    x0, x = flat(image_shape)
    return end(x0, layers.Lambda(lambda x: x + keras.random.normal((144,)))(x), classes)
""",
        "returns different probabilities each time it is given the same image",
    ),
    "a step of training of its own": (
        """
class Own(keras.Model):
    def train_step(self, data):
        return super().train_step(data)

def net(width, image_shape, classes):
    x0, x = flat(image_shape)
    return Own(x0, layers.Dense(classes, activation="softmax")(x))
""",
        "its class Own defines its own train_step, which few-weights does not use",
    ),
    "a subclassed model": (
        """
class Own(keras.Model):
    def __init__(self, classes):
        super().__init__()
        self.last = layers.Dense(classes, activation="softmax")

    def call(self, x):
        return self.last(ops.reshape(x, (-1, 144)))

def net(width, image_shape, classes):
    return Own(classes)
""",
        r"wrap it: keras.Model\(inputs, outputs\)",
    ),
    "arguments in another order": (
        """
def net(image_shape, classes, width):
    pass
""",
        r"net takes \(image_shape, classes, width\); it must take \(width, image_shape, classes\)",
    ),
    "too few arguments": (
        """
def net(width):
    pass
""",
        r"net takes \(width\); it must take \(width, image_shape, classes\)",
    ),
}


NOT_EXPORTED = {
    "a layer without its settings": (
        """
@keras.saving.register_keras_serializable("tests")
class Scaled(layers.Layer):
    factor = 1.0

    def call(self, x):
        return self.factor * x

def net(width, image_shape, classes):
    x0, x = flat(image_shape)
    scaled = Scaled()
    scaled.factor = 3.0
    return end(x0, scaled(x), classes)
""",
        "returns other probabilities after it was saved as .keras and read back",
    ),
    "a lambda": (
        """
def net(width, image_shape, classes):
    x0, x = flat(image_shape)
    return end(x0, layers.Lambda(lambda x: 2 * x)(x), classes)
""",
        "cannot be exported: .* write a layer class instead of a Lambda",
    ),
    "a layer that is not registered": (
        """
class Own(layers.Layer):
    def call(self, x):
        return 2 * x

def net(width, image_shape, classes):
    x0, x = flat(image_shape)
    return end(x0, Own()(x), classes)
""",
        "cannot be exported: ",
    ),
}
