"""Weights of few bits: what they can be, how they are packed, and that training ends with them."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from samples.networks import CLASSES, FULL_MATRIX, IMAGE, SGD, build, images_of
from samples.single_steps import require_steps_of_keras

from few_weights.engine.errors import EngineError
from few_weights.engine.optimizers import build_optimizer
from few_weights.engine.preparation import prepare
from few_weights.engine.quantisation import (
    find_scales,
    largest_multiple,
    pack,
    packed_bytes,
    round_weights,
    unpack,
)
from few_weights.engine.trainer import Trainer
from few_weights.networks import counts

REPEATABLE = settings(deadline=None, derandomize=True)
BITS = st.integers(2, 8)
WEIGHTS = arrays(
    np.float32,
    st.tuples(st.integers(1, 5), st.integers(1, 9)),
    elements=st.floats(-100, 100, width=32, allow_subnormal=False) | st.sampled_from([0.0, 1.0, -1.0]),
)


def rounded(variables, bits):
    """The variables, each rounded by a scale of its own."""
    sizes = [variable.size for variable in variables]
    flat = np.concatenate([variable.reshape(-1) for variable in variables])
    values = round_weights(flat, np.repeat(find_scales(flat, sizes, bits), sizes), bits)
    parts = np.split(values, np.cumsum(sizes)[:-1])
    return [part.reshape(variable.shape) for part, variable in zip(parts, variables, strict=True)]


@REPEATABLE
@given(st.lists(WEIGHTS, min_size=1, max_size=4), BITS)
def test_weights_of_few_bits_survive_packing(variables, bits):
    """The bytes are as many as promised, and the unpacked weights are the same bits."""
    values = rounded(variables, bits)
    content = pack(values, bits)
    assert len(content) == packed_bytes([variable.size for variable in variables], bits)
    for value, unpacked in zip(
        values, unpack(content, [each.shape for each in variables], bits), strict=True
    ):
        np.testing.assert_array_equal(unpacked, value)


@REPEATABLE
@given(WEIGHTS, BITS)
def test_rounding_leaves_few_values_and_small_errors(variable, bits):
    (value,) = rounded([variable], bits)
    largest = np.abs(variable).max()
    assert len(np.unique(value)) <= 2 * largest_multiple(bits) + 1
    # The scale at which nothing is cut off would leave half of it, and the one taken is better on average.
    half = largest / largest_multiple(bits) / 2
    assert np.sqrt(np.mean((value - variable) ** 2)) <= 1.02 * half + 1e-7
    np.testing.assert_array_equal(rounded([np.zeros_like(variable)], bits)[0], 0)


def test_other_weights_cannot_be_packed():
    with pytest.raises(ValueError, match="not multiples of one number with 4 bits"):
        pack([np.array([1.0, 0.3, 0.77], np.float32)], 4)


def network():
    body = [keras.layers.Conv2D(3, 3, activation="tanh"), keras.layers.Flatten(), keras.layers.Dense(3)]
    return keras.Sequential([keras.layers.Input((7, 9, 1)), *body, keras.layers.Dense(4, "softmax")])


@pytest.mark.slow
def test_steps_with_rounded_weights_are_those_of_keras():
    """Before rounding begins, where the scales are found, and with scales from before."""
    optimizer = FULL_MATRIX | {"weight_bits": 5, "rounded_from": 7}
    trainer = require_steps_of_keras(network, optimizer, None, (13, 1), (0, 5, 6, 7, 9))
    assert trainer.path.startswith("by machine code")


def trained(by_keras, epochs=3, state=None, seed=0):
    """The trainer and its weights after epochs of a small network with 4 bits, rounded from the second on."""
    keras.utils.set_random_seed(seed)
    model = build("pooled_mlp", 3)
    images, labels = images_of(100)
    recipe = FULL_MATRIX | {"refresh": 7}
    quantisation = {"weight_bits": 4, "rounded_after": 1 / 3}
    prepared = prepare(model, recipe, 16, 100, None, 3, quantisation)
    if by_keras:
        prepared.model.layers[-1].activity_regularizer = keras.regularizers.L2(0.0)
        prepared = prepare(model, recipe, 16, 100, None, 3, quantisation)
        assert prepared.code is None
    trainer = Trainer(prepared.make_loop(), images, labels)
    if state is not None:
        trainer.restore(state)
    for _ in range(epochs):
        trainer.train_epoch(np.arange(100))
    return trainer, trainer.state()[: len(model.variables)]


@pytest.mark.slow
@pytest.mark.parametrize("by_keras", [False, True], ids=["machine code", "Keras"])
def test_a_training_ends_with_weights_that_can_be_packed(by_keras):
    _, before = trained(by_keras, epochs=1)
    with pytest.raises(ValueError, match="not multiples"):
        pack(before, 4)
    _, weights = trained(by_keras)
    shapes = [weight.shape for weight in weights]
    assert all(
        np.array_equal(*pair) for pair in zip(weights, unpack(pack(weights, 4), shapes, 4), strict=True)
    )


@pytest.mark.slow
def test_a_training_resumes_with_the_same_bits():
    """Also where the weights were prepared with another seed's optimizer."""
    first, _ = trained(False, epochs=2)
    _, resumed = trained(False, epochs=1, state=first.state(), seed=1)
    _, whole = trained(False)
    for one, other in zip(resumed, whole, strict=True):
        np.testing.assert_array_equal(one, other)


def test_bytes_are_those_of_the_packed_weights():
    model = build("pooled_mlp", 3)
    sizes = [int(np.prod(variable.shape)) for variable in model.trainable_variables]
    assert counts.weight_bytes(model) == 4 * sum(sizes) == counts.count_weights(model)["bytes"]
    assert counts.weight_bytes(model, 5) == packed_bytes(sizes, 5) == counts.count_weights(model, 5)["bytes"]


def test_other_optimizers_are_refused():
    with pytest.raises(EngineError, match="sgd cannot train weights of 4 bits each; full_matrix_adam can"):
        build_optimizer(SGD, None, 10, {"weight_bits": 4, "rounded_after": 0.5})


def test_a_constraint_is_refused():
    dense = keras.layers.Dense(CLASSES, "softmax", kernel_constraint="non_neg")
    model = keras.Sequential([keras.layers.Input(IMAGE), keras.layers.Flatten(), dense])
    with pytest.raises(EngineError, match="constraint"):
        prepare(model, FULL_MATRIX, 16, 100, None, 3, {"weight_bits": 4, "rounded_after": 0.5})
