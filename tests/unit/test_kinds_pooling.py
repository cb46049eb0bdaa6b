"""Pooling in machine code against TensorFlow's, of values many of which are equal."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
from samples.pieces import KindRun

from few_weights.engine.kinds.pooling import Pooling
from few_weights.engine.layouts import Map

SHAPE = (6, 7, 3)
GEOMETRIES = [
    (size, strides, padding)
    for (size, strides), padding in itertools.product(
        [((2, 2), (2, 2)), ((3, 2), (1, 2)), ((2, 2), (3, 3)), ((4, 5), (2, 3)), ((6, 7), (6, 7))],
        ["VALID", "SAME"],
    )
]


def values_of(kind):
    """Few different numbers, of both signs; or noise."""
    rng = np.random.default_rng(0)
    if kind == "ties":
        return rng.integers(-1, 2, (5, *SHAPE)).astype(np.float32)
    return rng.normal(size=(5, *SHAPE)).astype(np.float32)


def before(size, stride, length, count):
    """How many rows or columns "SAME" adds before the first."""
    return max((count - 1) * stride + size - length, 0) // 2


@pytest.mark.parametrize("kind", ["ties", "noise"])
@pytest.mark.parametrize("largest", [True, False], ids=["max", "mean"])
@pytest.mark.parametrize(("size", "strides", "padding"), GEOMETRIES)
def test_pooling_and_its_gradient_are_those_of_tensorflow(size, strides, padding, largest, kind):
    """Of equal values the first receives the gradient; what lies outside does not count in a mean."""
    values = values_of(kind)
    x = tf.constant(values)
    pool = tf.nn.max_pool2d if largest else tf.nn.avg_pool2d
    with tf.GradientTape() as tape:
        tape.watch(x)
        expected = pool(x, size, strides, padding)
        upstream = np.random.default_rng(1).normal(size=expected.shape).astype(np.float32)
        total = tf.reduce_sum(expected * upstream)
    rows, columns = expected.shape[1:3]
    output = Map(rows, columns, 3, 1, 0, 0, 2)
    pads = (0, 0)
    if padding == "SAME":
        pads = before(size[0], strides[0], 6, rows), before(size[1], strides[1], 7, columns)
    layout = Map(*SHAPE, 0, 2, 1, 0)
    run = KindRun(Pooling(layout, output, size, strides, pads, largest), [values], [layout])
    np.testing.assert_allclose(run.forward(), expected, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(run.backward(upstream), tape.gradient(total, x), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", ["ties", "noise"])
def test_global_pooling_shares_its_gradient_among_the_largest(kind):
    values = values_of(kind)
    x = tf.constant(values)
    upstream = np.random.default_rng(1).normal(size=(5, 1, 1, 3)).astype(np.float32)
    with tf.GradientTape() as tape:
        tape.watch(x)
        expected = tf.reduce_max(x, [1, 2], keepdims=True)
        total = tf.reduce_sum(expected * upstream)
    layout, size = Map(*SHAPE), SHAPE[:2]
    kind_of_pooling = Pooling(layout, Map(1, 1, 3), size, size, (0, 0), True, shared=True)
    run = KindRun(kind_of_pooling, [values], [layout])
    np.testing.assert_array_equal(run.forward(), expected)
    np.testing.assert_allclose(run.backward(upstream), tape.gradient(total, x), rtol=1e-6)


def test_the_largest_of_numbers_that_are_not_is_not_a_number():
    values = np.full((1, *SHAPE), np.nan, np.float32)
    layout = Map(*SHAPE)
    run = KindRun(Pooling(layout, Map(3, 3, 3), (2, 2), (2, 2), (0, 0), True), [values], [layout])
    assert np.all(np.isnan(run.forward()))
