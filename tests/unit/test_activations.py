"""Each activation in machine code, by itself: its values and its gradient against Keras."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from few_weights.engine.group_plan import GroupPlan
from few_weights.engine.kinds.activation import ACTIVATIONS, Activation
from few_weights.engine.layer_readers import plan_groups
from few_weights.engine.layouts import Map
from few_weights.engine.machine_code import Program

#: Numbers at and near the corners of all activations, far outside, and not a number.
CORNERS = [0.0, -0.0, 1e-20, -1e-20, 0.6, 0.7, 3.0, -3.0, 5.9, -5.9, 20.0, -20.0, 100.0, -100.0, np.nan]


def compute(kind, x, upstream):
    """What the functions of an activation make of x: its output, and its gradient, to which 1 is added unless
    it is computed in place."""
    output, gradient = np.zeros_like(x), np.ones_like(x)
    program = Program()
    forward = kind.write_forward(program, "forward")
    backward = kind.write_backward(program, "backward", True)
    functions = program.compile("forward", "backward")
    arrays = {"values": x, "output": output, "upstream": upstream, "values_gradient": gradient}
    if kind.in_place:
        output[...], gradient = x, upstream.copy()
        arrays |= {"upstream": gradient}
    for name, code in (("forward", forward), ("backward", backward)):
        functions[name](*(arrays[each].ctypes.data for each in code.named))
    return output, gradient


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_an_activation_and_its_gradient_are_those_of_keras(name):
    rng = np.random.default_rng(0)
    shape = Map(rows=3, columns=5, channels=2)
    x = np.float32(rng.normal(0, 3, shape.size))
    x[: len(CORNERS)] = CORNERS
    upstream = np.float32(rng.normal(size=shape.size))
    output, gradient = compute(Activation(shape, shape, name), x, upstream)

    theirs = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(theirs)
        expected = getattr(keras.activations, name)(theirs)
    their_gradient = tape.gradient(expected, theirs, output_gradients=tf.constant(upstream))
    np.testing.assert_allclose(output, expected, rtol=1e-5, atol=1e-6)
    known = ~np.isnan(x)  # the gradient at NaN does not matter: the loss is NaN already
    np.testing.assert_allclose(gradient[known], (1 + their_gradient.numpy())[known], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", [name for name, each in ACTIVATIONS.items() if each.from_output])
def test_an_activation_whose_slope_goes_by_its_output_is_the_same_in_place(name):
    rng = np.random.default_rng(1)
    shape = Map(rows=3, columns=5, channels=2)
    x, upstream = (np.float32(rng.normal(0, 3, shape.size)) for _ in range(2))
    x[: len(CORNERS) - 1] = CORNERS[:-1]
    values, gradient = compute(Activation(shape, shape, name), x, upstream)
    in_place, its_gradient = compute(Activation(shape, shape, name, in_place=True), x, upstream)
    np.testing.assert_array_equal(in_place, values)
    np.testing.assert_allclose(1 + its_gradient, gradient, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_an_activation_may_be_a_layer_or_that_of_a_layer(name):
    model = keras.Sequential(
        [
            layers.Input((8,)),
            layers.Dense(3, activation=name),
            layers.Activation(name),
            layers.Dense(2, activation="softmax"),
        ]
    )
    plan = plan_groups(model, model.layers, steps=100_000)
    assert isinstance(plan, GroupPlan)
    kinds = [step.kind for step in plan.steps if isinstance(step.kind, Activation)]
    assert [kind.name for kind in kinds] == ([] if name == "linear" else [name, name])
