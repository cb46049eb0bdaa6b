"""The built-in networks, each a function from a width to a `keras.Model`.

To add one, write a function here and put `@architecture` above it: its name is then a valid key under
`architectures:` in a study. A study can also bring its own networks, with `file` or `layers`; see
`networks.builder`.

Every layer is spelled out with its initialisation; nothing relies on a default.
"""

from collections.abc import Callable

import keras
from keras import layers

from few_weights.engine.again import Again
from few_weights.errors import StudyError

#: Builds a network: (width, shape of an image as (rows, columns, channels), number of classes, and a study's
#: `options` as keyword arguments) -> model that ends in one probability per class.
Builder = Callable[..., keras.Model]


ARCHITECTURES: dict[str, Builder] = {}


def builder_of(name: str) -> Builder:
    """Return the function that builds the built-in network of a name.

    Raises:
        StudyError: there is no such architecture.
    """
    if name not in ARCHITECTURES:
        raise StudyError(f"unknown architecture '{name}'; known are: {', '.join(ARCHITECTURES)}")
    return ARCHITECTURES[name]


def architecture(builder: Builder) -> Builder:
    """Register a network under the name of its function."""
    ARCHITECTURES[builder.__name__] = builder
    return builder


def dense(units: int) -> layers.Layer:
    """A fully connected hidden layer with ReLU."""
    return layers.Dense(
        units, activation="relu", kernel_initializer="glorot_uniform", bias_initializer="zeros"
    )


def convolution(filters: int) -> layers.Layer:
    """A 3 x 3 convolution without padding, with ReLU."""
    return layers.Conv2D(
        filters,
        kernel_size=3,
        strides=1,
        padding="valid",
        activation="relu",
        kernel_initializer="glorot_uniform",
        bias_initializer="zeros",
    )


def halving() -> layers.Layer:
    """2 x 2 max pooling."""
    return layers.MaxPooling2D(pool_size=2, strides=2, padding="valid")


def classifier(classes: int) -> layers.Layer:
    """The output layer: one probability per class."""
    return layers.Dense(
        classes, activation="softmax", kernel_initializer="glorot_uniform", bias_initializer="zeros"
    )


def optional_dropout(rate: float, dropout: bool) -> list[layers.Layer]:
    """The dropout of the Keras tutorials, if a study asks for it with `options: {dropout: true}`."""
    return [layers.Dropout(rate)] if dropout else []


def gelu() -> layers.Layer:
    """GELU (Hendrycks and Gimpel 2016), a smooth ReLU: no unit dies, and small networks need each unit."""
    return layers.Activation("gelu")


def silu() -> layers.Layer:
    """SiLU (Hendrycks and Gimpel 2016; Elfwing and others 2018), x sigmoid(x), a smooth ReLU like GELU."""
    return layers.Activation("silu")


def averaging() -> layers.Layer:
    """2 x 2 average pooling."""
    return layers.AveragePooling2D(pool_size=2, strides=2, padding="valid")


def depthwise(padding: str = "same") -> layers.Layer:
    """A depthwise convolution: one 3 x 3 kernel per channel, without bias.

    Initial weights are uniform with variance 1/9, since each output has nine inputs; Keras' own initializers
    would count the inputs of all channels.
    """
    return layers.DepthwiseConv2D(
        kernel_size=3,
        padding=padding,
        use_bias=False,
        depthwise_initializer=keras.initializers.RandomUniform(-(3**-0.5), 3**-0.5),
    )


def pointwise(filters: int) -> layers.Layer:
    """A 1 x 1 convolution, which mixes the channels of each position."""
    return layers.Conv2D(filters, kernel_size=1, kernel_initializer="he_uniform", bias_initializer="zeros")


def small_stem(filters: int, padding: str = "same") -> list[layers.Layer]:
    """Average pooling to half the size, then a 3 x 3 convolution without bias."""
    return [
        layers.AveragePooling2D(pool_size=2, strides=2, padding="valid"),
        layers.Conv2D(
            filters, kernel_size=3, padding=padding, use_bias=False, kernel_initializer="he_uniform"
        ),
        gelu(),
    ]


def full_size_stem(filters: int) -> list[layers.Layer]:
    """A 3 x 3 convolution without bias, then average pooling to half the size."""
    return [
        layers.Conv2D(
            filters, kernel_size=3, padding="same", use_bias=False, kernel_initializer="he_uniform"
        ),
        silu(),
        averaging(),
    ]


def readout(classes: int, bias: bool = True) -> list[layers.Layer]:
    """From 3 x 3 pixels to classes: one weight per channel and position, then a dense layer on the channels.

    Global average pooling would save those weights, but lose where in the image things are.
    """
    return [
        depthwise("valid"),
        layers.Flatten(),
        layers.Dense(
            classes,
            activation="softmax",
            use_bias=bias,
            kernel_initializer="lecun_uniform",
            bias_initializer="zeros",
        ),
    ]


@architecture
def mlp(width: int, image_shape: tuple[int, int, int], classes: int, dropout: bool = False) -> keras.Model:
    """Two hidden layers on the raw pixels. On MNIST n² + 796 n + 10 parameters at width n."""
    return keras.Sequential(
        [
            layers.Input(image_shape),
            layers.Flatten(),
            dense(width),
            *optional_dropout(0.2, dropout),
            dense(width),
            *optional_dropout(0.2, dropout),
            classifier(classes),
        ]
    )


@architecture
def pooled_mlp(
    width: int, image_shape: tuple[int, int, int], classes: int, dropout: bool = False
) -> keras.Model:
    """Two hidden layers on the pooled image. On MNIST n² + 208 n + 10 parameters at width n."""
    return keras.Sequential(
        [
            layers.Input(image_shape),
            halving(),
            layers.Flatten(),
            dense(width),
            *optional_dropout(0.2, dropout),
            dense(width),
            *optional_dropout(0.2, dropout),
            classifier(classes),
        ]
    )


@architecture
def cnn(width: int, image_shape: tuple[int, int, int], classes: int, dropout: bool = False) -> keras.Model:
    """The CNN of the Keras tutorial. On MNIST 1170 n² + 56 n + 10 parameters at width n."""
    return keras.Sequential(
        [
            layers.Input(image_shape),
            convolution(width),
            convolution(2 * width),
            halving(),
            *optional_dropout(0.25, dropout),
            layers.Flatten(),
            dense(4 * width),
            *optional_dropout(0.5, dropout),
            classifier(classes),
        ]
    )


@architecture
def vgg(width: int, image_shape: tuple[int, int, int], classes: int, dropout: bool = False) -> keras.Model:
    """Two pairs of convolutions, no hidden dense layer. On MNIST 63 n² + 335 n + 10 parameters at width n."""
    return keras.Sequential(
        [
            layers.Input(image_shape),
            convolution(width),
            convolution(width),
            halving(),
            *optional_dropout(0.25, dropout),
            convolution(2 * width),
            convolution(2 * width),
            halving(),
            *optional_dropout(0.25, dropout),
            layers.Flatten(),
            classifier(classes),
        ]
    )


@architecture
def separable(width: int, image_shape: tuple[int, int, int], classes: int) -> keras.Model:
    """Two separable convolutions on the image at half its size, with a readout by position.

    Made for this study from the depthwise separable convolutions of Chollet 2017 (Xception) and of Howard and
    others 2017 (MobileNets).
    """
    return keras.Sequential(
        [
            layers.Input(image_shape),
            *small_stem(round(2 * width / 3)),
            depthwise("valid"),
            pointwise(width),
            gelu(),
            halving(),
            depthwise(),
            pointwise(width),
            gelu(),
            halving(),
            *readout(classes),
        ]
    )


@architecture
def deep_separable(width: int, image_shape: tuple[int, int, int], classes: int) -> keras.Model:
    """Three separable convolutions: `separable` with another one before the last pooling."""
    return keras.Sequential(
        [
            layers.Input(image_shape),
            *small_stem(round(2 * width / 3)),
            depthwise("valid"),
            pointwise(width),
            gelu(),
            halving(),
            depthwise(),
            pointwise(width),
            gelu(),
            depthwise(),
            pointwise(width),
            gelu(),
            halving(),
            *readout(classes),
        ]
    )


def recurrence(width: int) -> list[layers.Layer]:
    """A separable convolution, then a block that is applied once at this size and twice at half of it.

    The block has the same weights each time, as in recurrent convolutional networks (Liang and Hu 2015).
    """
    spatial, mixing = depthwise(), pointwise(width)
    return [
        depthwise("valid"),
        pointwise(width),
        gelu(),
        spatial,
        mixing,
        gelu(),
        halving(),
        Again(spatial),
        Again(mixing),
        gelu(),
        Again(spatial),
        Again(mixing),
        gelu(),
        halving(),
    ]


@architecture
def recurrent(width: int, image_shape: tuple[int, int, int], classes: int) -> keras.Model:
    """One separable convolution, then one applied several times.

    On MNIST 2 n² + 48 n + 10 parameters at width n.
    """
    return keras.Sequential(
        [
            layers.Input(image_shape),
            *small_stem(width),
            *recurrence(width),
            *readout(classes),
        ]
    )


@architecture
def strided_recurrent(width: int, image_shape: tuple[int, int, int], classes: int) -> keras.Model:
    """Variant of `recurrent` whose first convolution halves the image itself, so that it sees every pixel.

    That convolution has s = floor(2 n / 3) filters of 4 x 4; on MNIST the network has
    25 s + s n + n² + 30 n + 10 parameters at width n.
    """
    return keras.Sequential(
        [
            layers.Input(image_shape),
            layers.Conv2D(
                2 * width // 3,
                kernel_size=4,
                strides=2,
                padding="same",
                use_bias=False,
                kernel_initializer="he_uniform",
            ),
            gelu(),
            *recurrence(width),
            *readout(classes),
        ]
    )


def loop(channels: int, classes: int, first: int, second: int) -> list[layers.Layer]:
    """One separable convolution, applied `first` times and, after a pooling, `second` times; a readout."""
    spatial, mixing = depthwise(), pointwise(channels)
    blocks = [[Again(spatial), Again(mixing), silu()] for _ in range(first + second)]
    blocks[0] = [spatial, mixing, silu()]
    return [
        *sum(blocks[:first], []),
        averaging(),
        *sum(blocks[first:], []),
        averaging(),
        *readout(classes, bias=False),
    ]


@architecture
def looped(
    width: int, image_shape: tuple[int, int, int], classes: int, first: int = 3, second: int = 3
) -> keras.Model:
    """One separable convolution, applied `first` times at half the image's size and `second` at a quarter.

    Its n² + 10 n weights are used six times, at two scales. On MNIST n² + 38 n parameters at width n.
    """
    return keras.Sequential(
        [layers.Input(image_shape), *full_size_stem(width), *loop(width, classes, first, second)]
    )


@architecture
def looped_doubled(
    width: int, image_shape: tuple[int, int, int], classes: int, first: int = 3, second: int = 3
) -> keras.Model:
    """Variant of `looped` whose first convolution gives each of its values to two channels of the block.

    With n filters and 2 n channels it has 4 n² + 67 n parameters on MNIST.
    """
    inputs = x = layers.Input(image_shape)
    for layer in full_size_stem(width):
        x = layer(x)
    x = layers.Concatenate()([x, x])
    for layer in loop(2 * width, classes, first, second):
        x = layer(x)
    return keras.Model(inputs, x)
