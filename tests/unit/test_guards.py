"""Machine code writes and reads within its buffers: what lies between them stays, and has no influence."""

import keras
import numpy as np
import pytest
from keras import layers
from samples.model_trainer import ModelTrainer
from samples.networks import ADAM, FULL_MATRIX, RMSPROP, build
from samples.single_steps import noise

from few_weights.engine import group_program, preparation
from few_weights.engine.group_plan import READERS
from few_weights.engine.layer_readers import ADDITION
from few_weights.engine.machine_code import LANES

pytestmark = pytest.mark.slow

#: Numbers that each buffer gets in addition.
GUARD = 48
#: Up to this many numbers after a buffer may be overwritten, by the rest of its last vector.
OVERRUN = LANES - 1
PATTERN = np.float32(np.nan)


class Watched(group_program.Arena):
    """An arena with a guard behind every buffer."""

    def __init__(self):
        super().__init__()
        self.guards = []
        Watched.last = self

    def buffer(self, size, groups=1):
        found = super().buffer(size + GUARD, groups)
        stride = (self.size - found.offset) // groups
        for group in range(groups):
            first = found.offset + group * stride
            self.guards.append((first + size + OVERRUN, first + stride))
        return found


class Recorded(group_program.GroupProgram):
    """A program that can be asked for after it was compiled."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        Recorded.last = self


@pytest.fixture
def watched(monkeypatch):
    monkeypatch.setattr(group_program, "Arena", Watched)
    monkeypatch.setattr(preparation, "Arena", Watched)
    monkeypatch.setattr(preparation, "GroupProgram", Recorded)


def everything():
    """With `normalised` every layer that has a reader, at odd sizes and with channels that fill no vector."""
    inputs = layers.Input((11, 13, 3))
    x = layers.Conv2D(5, 3, padding="same", use_bias=False)(inputs)
    y = layers.DepthwiseConv2D((3, 2), padding="same", depth_multiplier=2)(x)
    y = layers.Conv2D(5, 2, padding="same", dilation_rate=2, activation="gelu")(y)
    x = layers.Add()([x, layers.SpatialDropout2D(0.2)(y)])
    x = layers.MaxPooling2D(3, strides=2, padding="same")(x)
    y = layers.SeparableConv2D(9, 4, padding="same", strides=2, activation="silu")(x)
    z = layers.AveragePooling2D(2, padding="same")(layers.LayerNormalization()(x))
    x = layers.Concatenate()([y, z, layers.LeakyReLU()(z), layers.PReLU()(z)])
    x = layers.ZeroPadding2D(((1, 0), (0, 2)))(layers.Cropping2D(((0, 1), (1, 0)))(x))
    one = layers.Dense(7, activation="tanh")(layers.Flatten()(layers.MaxPooling2D(2)(x)))
    two = layers.ELU()(layers.Dense(7)(layers.GlobalAveragePooling2D()(x)))
    three = layers.Dense(7, kernel_regularizer="l2")(layers.GlobalMaxPooling2D()(layers.ReLU()(x)))
    x = layers.Dropout(0.3)(layers.Add()([one, two, three]))
    return keras.Model(inputs, layers.Softmax()(layers.Dense(6)(x)))


def normalised():
    """Batch normalisation at every place."""
    body = [layers.BatchNormalization(), layers.Conv2D(5, 3, padding="same"), layers.BatchNormalization()]
    body += [layers.Activation("relu"), layers.MaxPooling2D(), layers.DepthwiseConv2D(3, padding="same")]
    body += [layers.BatchNormalization(), layers.Reshape((6, 5, 5)), layers.Conv2D(2, 3, padding="same")]
    body += [layers.Flatten(), layers.Dense(9), layers.BatchNormalization(scale=False)]
    return keras.Sequential([layers.Input((11, 13, 3)), *body, layers.Dense(6, activation="softmax")])


def test_every_layer_that_has_a_reader_is_among_them():
    used = {type(layer) for layer in [*everything().layers, *normalised().layers]}
    assert {kind for kind in READERS if kind is not ADDITION} <= used


def recurrent():
    return build("recurrent", 5, (29, 31, 1), 6)


def strided_recurrent():
    return build("strided_recurrent", 5, (29, 31, 1), 6)


def cnn():
    return build("cnn", 3, (19, 21, 1), 6)


def vgg():
    return build("vgg", 5, (19, 23, 2), 6)


def train(make_model, optimizer, pattern):
    """Two epochs and an evaluation, with a pattern in all guards: the state, the loss, and the arena."""
    keras.backend.clear_session()
    keras.utils.set_random_seed(1)
    model = make_model()
    images, labels = noise(30, model.input_shape[1:], 6)
    made = ModelTrainer(model, optimizer, 13, images, labels, epochs=1000)
    assert made.path.startswith("by machine code")
    arena = made.loop._arena
    for first, last in Watched.last.guards:
        arena[first:last] = pattern
    for epoch in range(2):
        made.train_epoch(np.random.default_rng(epoch).permutation(30))
    loss, predictions = made.evaluate(images[:21], labels[:21])
    return [*made.state(), np.float64(loss), predictions], arena


def require_guards(make_model, optimizer):
    """Fail if a guard is overwritten, or has an influence; returns the arena afterwards."""
    (expected, _), (found, arena) = (train(make_model, optimizer, each) for each in (np.float32(0), PATTERN))
    assert len(Watched.last.guards) > 10
    for first, last in Watched.last.guards:
        assert last - first >= GUARD - OVERRUN
        np.testing.assert_array_equal(arena[first:last], PATTERN, f"at {first}")
    for one, other in zip(expected, found, strict=True):
        np.testing.assert_array_equal(one, other)
    return arena


@pytest.mark.parametrize("optimizer", [ADAM, FULL_MATRIX | {"refresh": 3}], ids=["adam", "full_matrix_adam"])
@pytest.mark.parametrize("make_model", [everything, normalised, recurrent, strided_recurrent])
def test_a_training_leaves_the_space_between_the_buffers_of_its_arena(make_model, optimizer, watched):
    arena = require_guards(make_model, optimizer)
    assert_borders_are_zero(Recorded.last, arena)


def assert_borders_are_zero(program, arena):
    """The padding around values must stay 0 from the first step to the last."""
    plan, with_border = program._plan, 0
    for layout, buffer in zip(plan.maps, program._values, strict=True):
        width = layout.left + layout.columns + layout.right
        whole = arena[buffer.offset :][: layout.size].reshape(-1, width, layout.channels, LANES).copy()
        rows, columns = (layout.top, layout.rows), (layout.left, layout.columns)
        whole[rows[0] : sum(rows), columns[0] : sum(columns)] = 0
        np.testing.assert_array_equal(whole, 0)
        with_border += layout.size > layout.rows * layout.columns * layout.channels * LANES
    assert with_border


@pytest.mark.parametrize("make_model", [cnn, vgg])
def test_a_winograd_training_leaves_the_space_between_its_buffers(make_model, watched):
    require_guards(make_model, RMSPROP)
