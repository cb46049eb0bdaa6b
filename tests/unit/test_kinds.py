"""Every kind of layer in machine code: forward and backward against Keras, one step at a time.

The images have odd sizes. A batch of 13 images leaves lanes empty, and the last one has a single image.
"""

import functools

import keras
import numpy as np
import pytest
from keras import layers
from samples.model_trainer import ModelTrainer
from samples.networks import SGD, images_of
from samples.single_steps import require_steps_of_keras

from few_weights.engine.again import Again
from few_weights.engine.group_plan import Planner
from few_weights.engine.kinds.activation import ACTIVATIONS
from few_weights.engine.kinds.zero_padding import ZeroPadding
from few_weights.engine.preparation import prepare

pytestmark = pytest.mark.slow

IMAGE = (9, 11, 2)
#: The weights tell the gradient. Larger steps would lead to losses near 0, where all is rounding.
STEPS = SGD | {"learning_rate": 0.02}


def network(*body, image=IMAGE):
    """Layers that follow each other, and a classifier."""
    return keras.Sequential(
        [layers.Input(image), *body, layers.Flatten(), layers.Dense(5, activation="softmax")]
    )


def by_machine_code(make_model, optimizer=STEPS, **options):
    trainer = require_steps_of_keras(make_model, optimizer, **options)
    assert trainer.path.startswith("by machine code"), trainer.path
    return trainer


#: By name: functions that make layers. All have channels that do not fill a vector, or more than one.
LAYERS = {
    "dense": lambda: [layers.Flatten(), layers.Dense(7, activation="relu")],
    "dense without bias": lambda: [layers.Flatten(), layers.Dense(17, use_bias=False)],
    "dense on a map": lambda: [layers.Dense(4, activation="tanh"), layers.Dense(9)],
    "dense on a padded map": lambda: [
        layers.Conv2D(3, 3),
        layers.Dense(4),
        layers.Conv2D(2, 3, padding="same"),
    ],
    "a gradient with a border that others have added to": lambda: [
        layers.Conv2D(3, 1),
        layers.Conv2D(3, 3, padding="same"),
        layers.DepthwiseConv2D(3, padding="same"),
    ],
    "a gradient with a border from strides": lambda: [
        layers.Conv2D(3, 1),
        layers.Conv2D(3, 3, padding="same"),
        layers.Conv2D(3, 3, strides=2, padding="same"),
    ],
    "prelu with axes counted from the end": lambda: [
        layers.Conv2D(3, 3),
        layers.PReLU("random_uniform", shared_axes=[-1]),
        layers.Conv2D(2, 3),
    ],
    "valid": lambda: [layers.Conv2D(3, 5), layers.Conv2D(2, 3, activation="relu")],
    "same": lambda: [layers.Conv2D(3, 3, padding="same", activation="relu"), layers.Conv2D(2, 2)],
    "same and even": lambda: [layers.Conv2D(3, 1), layers.Conv2D(9, (4, 2), padding="same")],
    "more filters than lanes": lambda: [layers.Conv2D(17, 3, activation="elu"), layers.Conv2D(9, 1)],
    "strides": lambda: [layers.Conv2D(3, 1), layers.Conv2D(9, (3, 2), strides=2, padding="same")],
    "strides of rows alone": lambda: [
        layers.Conv2D(3, 4, strides=(2, 1), padding="same", use_bias=False),
        layers.Conv2D(4, (2, 3), strides=(1, 3)),
    ],
    "strides larger than the kernel": lambda: [
        layers.Conv2D(3, 3, padding="same"),
        layers.Conv2D(4, 2, strides=3, padding="same"),
        layers.Conv2D(2, 1, strides=2),
    ],
    "dilation": lambda: [layers.Conv2D(3, 1), layers.Conv2D(3, 3, dilation_rate=2, padding="same")],
    "dilation of columns": lambda: [layers.Conv2D(3, 1), layers.Conv2D(3, (2, 3), dilation_rate=(1, 3))],
    "as large as the image": lambda: [layers.Conv2D(3, 2), layers.Conv2D(12, (8, 10), activation="silu")],
    "larger than the image": lambda: [layers.Conv2D(3, 1), layers.Conv2D(3, (11, 13), padding="same")],
    "depthwise": lambda: [layers.DepthwiseConv2D(3), layers.DepthwiseConv2D(2, padding="same")],
    "depthwise with multiples": lambda: [
        layers.Conv2D(3, 3),
        layers.DepthwiseConv2D((3, 2), padding="same", depth_multiplier=2, activation="silu"),
        layers.DepthwiseConv2D(3, depth_multiplier=3, use_bias=False),
    ],
    "depthwise with strides": lambda: [
        layers.Conv2D(3, 1),
        layers.DepthwiseConv2D(4, strides=2, padding="same"),
        layers.DepthwiseConv2D(2, strides=2),
    ],
    "depthwise with dilation": lambda: [
        layers.Conv2D(3, 1),
        layers.DepthwiseConv2D(3, dilation_rate=2, padding="same"),
    ],
    "separable": lambda: [
        layers.SeparableConv2D(5, 3, padding="same", depth_multiplier=2, activation="relu"),
        layers.SeparableConv2D(3, 2, strides=2, use_bias=False),
    ],
    "max pooling": lambda: [layers.Conv2D(3, 3), layers.MaxPooling2D(2)],
    "max pooling, same": lambda: [layers.Conv2D(3, 3), layers.MaxPooling2D(4, strides=3, padding="same")],
    "max pooling, overlapping": lambda: [layers.Conv2D(3, 3), layers.MaxPooling2D((2, 3), strides=1)],
    "max pooling, large": lambda: [layers.Conv2D(3, 3), layers.MaxPooling2D(5, strides=2)],
    "max pooling with gaps": lambda: [layers.Conv2D(3, 1), layers.MaxPooling2D(2, strides=3, padding="same")],
    "mean pooling": lambda: [
        layers.Conv2D(3, 3, activation="elu"),
        layers.AveragePooling2D((3, 2), strides=2),
    ],
    "mean pooling, same": lambda: [
        layers.Conv2D(3, 3),
        layers.AveragePooling2D(3, strides=2, padding="same"),
    ],
    "mean pooling, large": lambda: [
        layers.Conv2D(3, 1),
        layers.AveragePooling2D(5, strides=4, padding="same"),
    ],
    "cropping": lambda: [
        layers.Conv2D(3, 3, padding="same"),
        layers.Cropping2D(((1, 0), (2, 1))),
        layers.DepthwiseConv2D(3, padding="same"),
    ],
    "zero padding": lambda: [
        layers.Conv2D(3, 3),
        layers.ZeroPadding2D(((1, 0), (2, 1))),
        layers.Activation("sigmoid"),
        layers.DepthwiseConv2D(3, padding="same"),
    ],
    "zero padding first": lambda: [layers.ZeroPadding2D((2, 1)), layers.Conv2D(3, 3, padding="same")],
    "zero padding and batch normalisation": lambda: [
        layers.Conv2D(3, 3, padding="same"),
        layers.BatchNormalization(),
        layers.ZeroPadding2D(((0, 2), (1, 0))),
        layers.Activation("tanh"),
        layers.BatchNormalization(),
        layers.Conv2D(2, 3),
    ],
    "global max": lambda: [layers.Conv2D(6, 3), layers.GlobalMaxPooling2D(), layers.Dense(4)],
    "global max, then in place": lambda: [
        layers.Conv2D(6, 3),
        layers.GlobalMaxPooling2D(keepdims=True),
        layers.Activation("sigmoid"),
    ],
    "global mean": lambda: [layers.Conv2D(6, 3), layers.GlobalAveragePooling2D(), layers.Dense(4)],
    "global, as a map": lambda: [
        layers.Conv2D(9, 3),
        layers.GlobalAveragePooling2D(keepdims=True),
        layers.Conv2D(3, 1),
        layers.GlobalMaxPooling2D(keepdims=True),
    ],
    "batch normalisation": lambda: [
        layers.Conv2D(3, 3),
        layers.BatchNormalization(),
        layers.Activation("relu"),
    ],
    "batch normalisation first": lambda: [layers.BatchNormalization(momentum=0.5), layers.Conv2D(3, 3)],
    "batch normalisation of features": lambda: [
        layers.Flatten(),
        layers.Dense(7),
        layers.BatchNormalization(scale=False, epsilon=0.01),
        layers.Activation("gelu"),
        layers.Dense(9),
        layers.BatchNormalization(center=False, momentum=0.9),
    ],
    "batch normalisation at every place": lambda: [
        layers.Conv2D(3, 3, padding="same"),
        layers.BatchNormalization(),
        layers.BatchNormalization(),
        layers.MaxPooling2D(),
        layers.BatchNormalization(),
        layers.Conv2D(4, 3, padding="same"),
        layers.GlobalAveragePooling2D(),
        layers.BatchNormalization(),
    ],
    "batch normalisation of values far from 0": lambda: [
        layers.Conv2D(3, 3, bias_initializer=keras.initializers.Constant(100.0)),
        layers.BatchNormalization(),
        layers.Activation("tanh"),
    ],
    "layer normalisation": lambda: [
        layers.Conv2D(9, 3),
        layers.LayerNormalization(),
        layers.Activation("gelu"),
        layers.LayerNormalization(scale=False),
        layers.LayerNormalization(center=False, epsilon=0.01),
    ],
    "layer normalisation of features": lambda: [
        layers.Flatten(),
        layers.Dense(7),
        layers.LayerNormalization(),
    ],
    "reshape": lambda: [layers.Conv2D(2, 1), layers.Reshape((11, 9, 2)), layers.Conv2D(2, 3)],
    "reshape of a padded map": lambda: [
        layers.Conv2D(2, 3, padding="same"),
        layers.Conv2D(4, 2, padding="same"),
        layers.Reshape((6, 11, 6)),
        layers.Conv2D(2, 3, padding="same"),
    ],
    "reshape to features and back": lambda: [
        layers.Dense(3),
        layers.Reshape((-1,)),
        layers.Dense(24),
        layers.Reshape((4, 3, 2)),
        layers.Conv2D(3, 3, padding="same"),
        layers.Flatten(),
        layers.Flatten(),
    ],
    "leaky": lambda: [layers.Conv2D(3, 3), layers.LeakyReLU(0.1), layers.ReLU(), layers.Dense(3)],
    "prelu": lambda: [
        layers.Conv2D(3, 3),
        layers.PReLU("random_uniform", shared_axes=[1, 2]),
        layers.Conv2D(4, 2),
        layers.PReLU("random_uniform", alpha_regularizer="l2"),
        layers.PReLU("random_uniform", shared_axes=[2]),
        layers.Flatten(),
        layers.Dense(6),
        layers.PReLU("random_uniform"),
        layers.PReLU("random_uniform", shared_axes=[1]),
    ],
    "penalties": lambda: [
        layers.Conv2D(3, 3, kernel_regularizer="l2"),
        layers.DepthwiseConv2D(2, depthwise_regularizer="l2"),
        layers.SeparableConv2D(3, 2, pointwise_regularizer="l2", depthwise_regularizer="l2"),
        layers.Dense(11, activation="tanh", bias_regularizer=keras.regularizers.L2(0.3)),
    ],
    "nested": lambda: [
        keras.Sequential([layers.Conv2D(3, 3), layers.ReLU()]),
        keras.Sequential(
            [layers.Input((7, 9, 3)), keras.Sequential([layers.Conv2D(2, 1)]), layers.MaxPooling2D()]
        ),
    ],
    "no dropout": lambda: [layers.Conv2D(3, 3), layers.Dropout(0.0), layers.Activation("linear")],
}


@pytest.mark.parametrize("make_layers", LAYERS.values(), ids=LAYERS.keys())
def test_steps_of_a_layer_are_those_of_keras(make_layers):
    by_machine_code(lambda: network(*make_layers()))


#: Layers that may replace their input, after each that may be replaced.
IN_PLACE = [(name, layers.Activation, "tanh") for name in LAYERS]
IN_PLACE += [(name, layers.Dropout, 0.4) for name in ("valid", "leaky", "global max", "layer normalisation")]


@pytest.mark.parametrize(("name", "follows", "setting"), IN_PLACE)
def test_what_follows_in_place_changes_no_bit(name, follows, setting, monkeypatch):
    """An activation or dropout that may replace its input gives the same bits with a buffer of its own."""
    images, labels = images_of(13, IMAGE)

    def weights():
        keras.utils.set_random_seed(0)
        model = network(*LAYERS[name](), follows(setting))
        for variable in model.variables:
            if "seed_generator" in variable.path:
                variable.assign([5, 0])
        trainer = ModelTrainer(model, STEPS, 13, images, labels, epochs=100)
        assert trainer.path.startswith("by machine code"), trainer.path
        trainer.train_epoch(np.arange(13))
        return model.get_weights()

    in_place = weights()
    monkeypatch.setattr(Planner, "_can_replace", lambda *_: False)
    for one, other in zip(in_place, weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_an_argument_that_no_function_is_given_is_named(monkeypatch):
    def write_forward(self, program, name):
        code = program.define(name, ["value", "output"])
        code.finish()
        return code

    monkeypatch.setattr(ZeroPadding, "write_forward", write_forward)
    model = network(layers.Conv2D(3, 3), layers.ZeroPadding2D(1), layers.Conv2D(2, 3))
    with pytest.raises(ValueError, match="^ZeroPadding.* asks for value, which no function is given$"):
        prepare(model, SGD, 8, 16, epochs=1000)


@pytest.mark.parametrize("name", [*ACTIVATIONS, "leaky"])
def test_steps_of_an_activation_are_those_of_keras(name):
    """Of values up to about 20, of both signs; their means are small enough for a softmax."""

    def make():
        activation = layers.LeakyReLU(0.3) if name == "leaky" else layers.Activation(name)
        spread = keras.initializers.RandomUniform(-4, 4, seed=3)
        return network(layers.Conv2D(3, 3, kernel_initializer=spread), activation, layers.AveragePooling2D(4))

    by_machine_code(make)


def residual():
    """Two convolutions with batch normalisation and what skips them."""
    inputs = layers.Input(IMAGE)
    x = layers.Conv2D(4, 3, padding="same", use_bias=False)(inputs)
    x = layers.Activation("relu")(layers.BatchNormalization()(x))
    y = layers.Conv2D(4, 3, padding="same")(x)
    y = layers.BatchNormalization(scale=False)(y)
    x = layers.Activation("relu")(layers.Add()([x, y]))
    pooled = layers.MaxPooling2D(3, strides=1, padding="same")(x)
    x = layers.GlobalAveragePooling2D()(layers.Concatenate()([x, pooled, x]))
    return keras.Model(inputs, layers.Dense(5, activation="softmax")(x))


def sums():
    """Of three, of a tensor with itself, by the operator, and of features."""
    inputs = layers.Input(IMAGE)
    x, y, z = (layers.Conv2D(3, size, padding="same")(inputs) for size in (1, 2, 3))
    x = layers.Add()([x, layers.Add()([x, x]), layers.Add()([x, y, z])])
    x = layers.Flatten()(layers.MaxPooling2D(4)(x + y + x))
    x = layers.Dense(7)(x)
    x = x + layers.Dense(7, activation="tanh")(x)
    return keras.Model(inputs, layers.Dense(5, activation="softmax")(x))


def concatenations():
    """Of maps of different widths, one of them with a border, of features, and of the image."""
    inputs = layers.Input(IMAGE)
    x = layers.Conv2D(3, 3, padding="same", activation="relu")(inputs)
    y = layers.Conv2D(9, 5, padding="same")(x)
    x = layers.Concatenate()([x, inputs, y, x])
    x = layers.Conv2D(2, 3, padding="same")(x)
    features = [layers.Flatten()(x), layers.GlobalMaxPooling2D()(y), layers.GlobalAveragePooling2D()(x)]
    return keras.Model(inputs, layers.Dense(5, activation="softmax")(layers.Concatenate(axis=1)(features)))


def flattened_and_used_again():
    """A map that is flattened for one branch, and convolved with a border in another."""
    inputs = layers.Input(IMAGE)
    x = layers.Conv2D(2, 1)(inputs)
    one = layers.Dense(6)(layers.Flatten()(x))
    two = layers.Dense(6)(layers.Flatten()(layers.Conv2D(2, 3, padding="same")(x)))
    three = layers.Dense(6)(layers.Flatten()(layers.Reshape((11, 9, 2))(x)))
    return keras.Model(inputs, layers.Dense(5, activation="softmax")(layers.Add()([one, two, three])))


def layers_used_again():
    """Convolutions with weights in common, batch normalisation that is updated twice a step."""
    inputs = layers.Input(IMAGE)
    convolution = layers.Conv2D(2, 3, padding="same", activation="gelu", kernel_regularizer="l2")
    normalisation = layers.BatchNormalization(momentum=0.7)
    x = normalisation(convolution(inputs))
    x = normalisation(convolution(x))
    x = convolution(layers.MaxPooling2D()(x))
    return keras.Model(inputs, layers.Dense(5, activation="softmax")(layers.Flatten()(x)))


def layers_used_again_in_sequence():
    convolution = layers.Conv2D(2, 3, padding="same")
    dense = layers.Dense(48, activation="tanh")  # as many as it takes
    return network(
        convolution,
        layers.ReLU(),
        Again(convolution),
        layers.MaxPooling2D(),
        Again(convolution),
        layers.Flatten(),
        dense,
        layers.Reshape((4, 6, 2)),
        layers.Flatten(),
        layers.BatchNormalization(),
        Again(dense),
        image=(9, 13, 2),
    )


def nested_models():
    """A model within a model, applied twice; and one that is a whole branch."""
    block_input = layers.Input((None, None, 2))
    block = keras.Model(
        block_input, layers.Add()([block_input, layers.Conv2D(2, 3, padding="same")(block_input)])
    )
    branch = keras.Sequential([layers.Input(IMAGE), layers.Conv2D(3, 3), layers.GlobalMaxPooling2D()])
    inputs = layers.Input(IMAGE)
    x = layers.Flatten()(block(layers.ReLU()(block(inputs))))
    x = layers.Concatenate()([layers.Dense(3)(x), branch(inputs)])
    return keras.Model([inputs], [layers.Softmax()(layers.Dense(5)(x))])


def masked_normalisation():
    inputs = layers.Input(IMAGE)
    x = layers.Conv2D(3, 3)(inputs)
    mask = np.ones((1, 7, 9), bool)
    mask[:, :3] = False
    x = layers.Flatten()(layers.BatchNormalization()(x, mask=mask))
    return keras.Model(inputs, layers.Dense(5, activation="softmax")(x))


def masked_softmax():
    inputs = layers.Input(IMAGE)
    x = layers.Dense(5)(layers.Flatten()(inputs))
    return keras.Model(inputs, layers.Softmax()(x, mask=np.array([[1, 1, 1, 0, 1]], bool)))


def masked_model():
    inputs = layers.Input(IMAGE)
    block = keras.Sequential([layers.Input(IMAGE), layers.Conv2D(2, 3)])
    x = layers.Flatten()(block(inputs, mask=np.ones((1, 9), bool)))
    return keras.Model(inputs, layers.Dense(5, activation="softmax")(x))


def penalised_model():
    inputs = layers.Input(IMAGE)
    block = keras.Sequential([layers.Input(IMAGE), layers.Conv2D(2, 3), layers.ReLU()], name="block")
    block.activity_regularizer = keras.regularizers.L2(0.1)
    return keras.Model(inputs, layers.Dense(5, activation="softmax")(layers.Flatten()(block(inputs))))


def first_used_at_another_size(make_layer):
    """A layer's own shapes are those of its first use."""
    layer = make_layer()
    keras.Sequential([layers.Input((20, 24, 2)), layer])
    return network(layer)


#: Networks, each with what the reason must name.
BY_KERAS = [(model, "mask") for model in (masked_normalisation, masked_softmax, masked_model)]
BY_KERAS += [(penalised_model, "block")]
BY_KERAS += [
    (functools.partial(first_used_at_another_size, make_layer), "another size")
    for make_layer in (
        lambda: layers.Conv2D(2, 3, activation="relu"),
        lambda: layers.Conv2D(2, 3, activation="gelu"),
        layers.MaxPooling2D,
    )
]


@pytest.mark.parametrize(("make_model", "reason"), BY_KERAS)
def test_what_machine_code_cannot_tell_goes_by_keras(make_model, reason):
    path = prepare(make_model(), STEPS, 13, 100, epochs=1000).path
    assert path.startswith("by Keras") and reason in path


def no_dense_layer():
    """The last convolution sees the whole map; its values are the classes' logits."""
    body = [layers.Conv2D(4, (9, 11)), layers.Conv2D(5, 1), layers.Flatten(), layers.Activation("softmax")]
    return keras.Sequential([layers.Input(IMAGE), *body])


GRAPHS = [
    residual,
    sums,
    concatenations,
    flattened_and_used_again,
    layers_used_again,
    nested_models,
    no_dense_layer,
]


@pytest.mark.parametrize("make_model", GRAPHS)
def test_steps_of_a_graph_are_those_of_keras(make_model):
    by_machine_code(make_model)


def deep():
    """What the issue's users bring: convolutions, batch normalisation, sums, at an odd size."""
    inputs = layers.Input((13, 7, 3))
    x = layers.Conv2D(5, 3, strides=2, padding="same", use_bias=False)(inputs)
    x = layers.Activation("silu")(layers.BatchNormalization()(x))
    for _ in range(2):
        y = layers.DepthwiseConv2D(3, padding="same", use_bias=False)(x)
        y = layers.Conv2D(5, 1, kernel_regularizer="l2")(layers.LayerNormalization()(y))
        x = layers.Add()([x, layers.BatchNormalization()(y)])
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(10, activation="softmax")(x))


@pytest.mark.parametrize("batches", [(1, 1), (2, 1), (8, 7), (16, 3), (33, 9)], ids=str)
@pytest.mark.parametrize("make_model", [deep, layers_used_again_in_sequence])
def test_a_batch_of_any_size_gives_the_steps_of_keras(make_model, batches):
    by_machine_code(make_model, batches=batches, points=(0, 3))
