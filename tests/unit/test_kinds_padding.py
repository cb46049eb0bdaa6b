"""Zero padding in machine code, by itself: its values and its gradient against Keras."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from samples.pieces import KindRun

from few_weights.engine.kinds.zero_padding import ZeroPadding
from few_weights.engine.layouts import Map

SHAPE = (4, 5, 3)


@pytest.mark.parametrize(
    "padding", [((1, 1), (1, 1)), ((2, 0), (0, 3)), ((0, 1), (2, 0)), ((0, 0), (0, 0))], ids=str
)
def test_zero_padding_and_its_gradient_are_those_of_keras(padding):
    rng = np.random.default_rng(0)
    values = rng.normal(size=(5, *SHAPE)).astype(np.float32)
    x = tf.constant(values)
    with tf.GradientTape() as tape:
        tape.watch(x)
        expected = keras.layers.ZeroPadding2D(padding)(x)
    upstream = rng.normal(size=expected.shape).astype(np.float32)
    their_gradient = tape.gradient(expected, x, output_gradients=tf.constant(upstream))

    layout, output = Map(*SHAPE, 0, 2, 1, 0), Map(*expected.shape[1:], 1, 0, 0, 2)
    (top, _), (left, _) = padding
    run = KindRun(ZeroPadding(layout, output, top, left), [values], [layout])
    inside = run._inside(run.memory["output"], output)
    inside[...] = np.nan  # as what an activation in place has left there
    np.testing.assert_array_equal(run.forward(), expected)
    assert not run.memory["output"][output.size :].any()
    inside[...] = 0
    assert not run.memory["output"].any()  # nothing is written to the border

    run.memory["values_gradient"][...] = 1
    np.testing.assert_array_equal(run.backward(upstream), 1 + their_gradient.numpy())


def test_the_gradient_of_the_images_is_not_computed():
    layout = Map(*SHAPE)
    run = KindRun(ZeroPadding(layout, Map(6, 7, 3), 1, 1), [np.ones((1, *SHAPE), np.float32)], [layout])
    assert not run.backward(np.ones((1, 6, 7, 3)), False).any()
