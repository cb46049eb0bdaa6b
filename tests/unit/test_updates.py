"""The optimizers' steps in machine code against Keras', by themselves and in networks of both programs."""

import keras
import numpy as np
import pytest
from keras import layers
from samples.networks import ADADELTA, ADAM, FULL_MATRIX, MOMENTUM, RMSPROP, SGD, build
from samples.single_steps import require_steps_of_keras

from few_weights.engine.machine_code import LANES, Program
from few_weights.engine.optimizers import build_optimizer, learning_rate_of, name_of, why_not_optimizer
from few_weights.engine.updates import update_of, write_update

NESTEROV = MOMENTUM | {"nesterov": True}
OPTIMIZERS = {
    "adadelta": ADADELTA,
    "adadelta with a short memory": ADADELTA | {"rho": 0.0, "learning_rate": 0.5},
    "adam": ADAM,
    "adam with a large epsilon": ADAM | {"epsilon": 0.1},
    "adam without means": ADAM | {"beta_1": 0.0, "beta_2": 0.0},
    "rmsprop": RMSPROP,
    "sgd": SGD,
    "momentum": MOMENTUM,
    "nesterov": NESTEROV,
}
WARMUP = {"name": "warmup_cosine", "warmup": 0.3}


@pytest.mark.parametrize("schedule", [None, WARMUP], ids=["constant", "schedule"])
@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("size", [1, 8, 13])
def test_an_update_is_that_of_keras(size, name, schedule):
    """Ten steps, with gradients that are 0, tiny or large; the memory behind the last vector stays."""
    optimizer = build_optimizer(OPTIMIZERS[name], schedule, 10)
    assert why_not_optimizer(optimizer) is None
    rng = np.random.default_rng(0)
    variable = keras.Variable(rng.normal(size=size).astype(np.float32))
    optimizer.build([variable])
    settings = optimizer.get_config()
    update = update_of(name_of(optimizer), settings)
    state = [getattr(optimizer, attribute)[0] for attribute in update.state]
    arrays = [np.full(size + LANES + 5, 3.0, np.float32) for _ in range(2 + len(state))]
    weights, gradients, *copies = arrays
    weights[:size] = variable
    for copy, known in zip(copies, state, strict=True):
        copy[:size] = known
    program = Program()
    write_update(program, "update", update, settings, size)
    function = program.compile("update")["update"]
    steps = np.arange(10)
    rates = learning_rate_of(optimizer).at(steps) * update.rates(settings, steps)
    scales = rng.choice([0.0, 1e-12, 1e-3, 1.0, 1e6], size)
    for rate in rates.astype(np.float32):
        gradients[:size] = gradient = scales * rng.normal(size=size).astype(np.float32)
        optimizer.apply([keras.ops.convert_to_tensor(np.float32(gradient))], [variable])
        rate_in_memory = np.array([rate], np.float32)
        function(rate_in_memory.ctypes.data, *(array.ctypes.data for array in arrays))
        for copy, known in zip((weights, *copies), (variable, *state), strict=True):
            np.testing.assert_allclose(copy[:size], known, rtol=2e-5, atol=1e-7 * max(1, rate))
    for array in arrays:
        np.testing.assert_array_equal(array[-(-size // LANES) * LANES :], 3)


@pytest.mark.parametrize("warmup", [0.01, 0.3, 0.99])
@pytest.mark.parametrize("name", ["sgd", "full_matrix_adam"])
def test_the_learning_rates_of_a_schedule_are_those_of_keras(name, warmup):
    """Also beyond the last step, where it stays 0."""
    settings = {"sgd": SGD, "full_matrix_adam": FULL_MATRIX}[name]
    schedule = {"name": "warmup_cosine", "warmup": warmup}
    optimizer = build_optimizer(settings, schedule, 1000)
    steps = np.array([0, 1, 5, 9, 10, 11, 299, 300, 301, 650, 989, 990, 999, 1000, 1500])
    expected = [float(optimizer._learning_rate(int(step))) for step in steps]
    np.testing.assert_allclose(learning_rate_of(optimizer).at(steps), expected, rtol=1e-5, atol=1e-8)
    constant = build_optimizer(settings)
    np.testing.assert_array_equal(learning_rate_of(constant).at(steps), np.float32(settings["learning_rate"]))


@pytest.mark.parametrize(
    ("optimizer", "reason"),
    [
        ({"name": "nadam", "learning_rate": 0.01}, "with nadam"),
        (ADAM | {"amsgrad": True}, "with amsgrad"),
        (ADAM | {"weight_decay": 0.01}, "with weight_decay"),
        (SGD | {"clipnorm": 1.0}, "with clipnorm"),
        (SGD | {"use_ema": True}, "with use_ema"),
        (RMSPROP | {"momentum": 0.5}, "with momentum"),
        (RMSPROP | {"centered": True}, "with centered"),
        (SGD | {"gradient_accumulation_steps": 2}, "with gradient_accumulation_steps"),
        (SGD | {"loss_scale_factor": 2.0}, "with loss_scale_factor"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_setting_without_machine_code_is_named(optimizer, reason):
    assert why_not_optimizer(build_optimizer(optimizer)) == reason


def test_another_schedule_of_keras_has_no_machine_code():
    rate = keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.9)
    assert why_not_optimizer(keras.optimizers.SGD(rate)) == "with a schedule"


def groups():
    """A network with every way in which weights are laid out: kernels, biases, scales, moving means."""
    body = [layers.Conv2D(3, 3, use_bias=False), layers.BatchNormalization(), layers.Activation("tanh")]
    body += [layers.DepthwiseConv2D(2), layers.Flatten(), layers.Dense(3), layers.LayerNormalization()]
    return keras.Sequential([layers.Input((9, 11, 1)), *body, layers.Dense(4, activation="softmax")])


def winograd():
    return build("pooled_mlp", 3, (10, 11, 1), 4)


@pytest.mark.slow
@pytest.mark.parametrize("schedule", [None, {"name": "warmup_cosine", "warmup": 0.002}], ids=["", "schedule"])
@pytest.mark.parametrize("make_model", [groups, winograd])
@pytest.mark.parametrize("name", ["adadelta", "adam", "rmsprop", "sgd", "momentum", "nesterov"])
def test_networks_take_the_steps_of_keras(name, make_model, schedule):
    """With a schedule from its first step, which has a learning rate of 0, on."""
    optimizer = OPTIMIZERS[name]
    trainer = require_steps_of_keras(make_model, optimizer, schedule, (13, 1), (0, 3, 10))
    assert trainer.path.startswith("by machine code")


@pytest.mark.slow
@pytest.mark.parametrize("schedule", [None, {"name": "warmup_cosine", "warmup": 0.002}], ids=["", "schedule"])
@pytest.mark.parametrize("make_model", [groups, winograd])
def test_full_matrix_adam_takes_the_steps_of_keras(make_model, schedule):
    """Before its first eigenvectors, with new ones, and between two changes of them."""
    optimizer = FULL_MATRIX | {"refresh": 5}
    trainer = require_steps_of_keras(make_model, optimizer, schedule, (13, 1), (0, 4, 7))
    assert trainer.path.startswith("by machine code")
