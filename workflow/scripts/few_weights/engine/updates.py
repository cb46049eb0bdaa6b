"""Machine code for the step of each optimizer."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from llvmlite import ir
from numpy.typing import NDArray

from few_weights.engine.learning_rate import bias_correction
from few_weights.engine.machine_code import LANES, Code, Program, constant

#: The settings of an optimizer by name, among them its own name, as Keras has them.
Settings: TypeAlias = Mapping[str, Any]

#: Vectors of weights and of an optimizer's state.
Vectors: TypeAlias = "tuple[ir.Value, ...]"


def _adadelta(
    code: Code,
    settings: Settings,
    rate: ir.Value,
    weight: ir.Value,
    gradient: ir.Value,
    squares: ir.Value,
    changes: ir.Value,
) -> Vectors:
    """Zeiler 2012, as Keras has it."""

    def root(value: ir.Value) -> ir.Value:
        return code.elementwise("sqrt", code.builder.fadd(value, constant(settings["epsilon"])))

    squares = _average(code, settings["rho"], squares, gradient)
    change = code.builder.fdiv(code.builder.fmul(root(changes), gradient), root(squares))
    changes = _average(code, settings["rho"], changes, change)
    return code.builder.fsub(weight, code.builder.fmul(rate, change)), squares, changes


def _rmsprop(
    code: Code, settings: Settings, rate: ir.Value, weight: ir.Value, gradient: ir.Value, squares: ir.Value
) -> Vectors:
    """Hinton's lecture 6e of 2012, as Keras 3 has it: epsilon is inside the root."""
    squares = _average(code, settings["rho"], squares, gradient)
    root = code.elementwise("sqrt", code.builder.fadd(squares, constant(settings["epsilon"])))
    return code.builder.fsub(weight, code.builder.fdiv(code.builder.fmul(rate, gradient), root)), squares


def _adam(
    code: Code,
    settings: Settings,
    rate: ir.Value,
    weight: ir.Value,
    gradient: ir.Value,
    means: ir.Value,
    squares: ir.Value,
) -> Vectors:
    """Kingma and Ba 2015, as Keras has it; the bias correction is part of the rate."""
    means = code.weighted_sum((settings["beta_1"], means), (1 - settings["beta_1"], gradient))
    squares = _average(code, settings["beta_2"], squares, gradient)
    root = code.builder.fadd(code.elementwise("sqrt", squares), constant(settings["epsilon"]))
    change = code.builder.fdiv(code.builder.fmul(rate, means), root)
    return code.builder.fsub(weight, change), means, squares


def _sgd(code: Code, settings: Settings, rate: ir.Value, weight: ir.Value, gradient: ir.Value) -> Vectors:
    return (code.builder.fsub(weight, code.builder.fmul(rate, gradient)),)


def _sgd_with_momentum(
    code: Code, settings: Settings, rate: ir.Value, weight: ir.Value, gradient: ir.Value, velocity: ir.Value
) -> Vectors:
    """Polyak 1964, and with `nesterov` Nesterov 1983, as in Keras."""
    change = code.builder.fmul(rate, gradient)
    velocity = code.builder.fsub(code.scale(settings["momentum"], velocity), change)
    if not settings["nesterov"]:
        return code.builder.fadd(weight, velocity), velocity
    ahead = code.builder.fsub(code.scale(settings["momentum"], velocity), change)
    return code.builder.fadd(weight, ahead), velocity


def _average(code: Code, rho: float, squares: ir.Value, value: ir.Value) -> ir.Value:
    """The next value of a running mean of squares."""
    return code.weighted_sum((rho, squares), (1 - rho, code.builder.fmul(value, value)))


class Update(NamedTuple):
    """How an optimizer updates a vector of weights.

    Args:
        state: names of the attributes in which Keras' optimizer keeps its lists of variables.
        settings: names of its settings besides the learning rate.
        step: (code, settings, rate, weights, gradient, state...) -> the new weights and the new state.
        rates: (settings, numbers of steps, from 0) -> the rate of each step, over the learning rate.
    """

    state: tuple[str, ...]
    settings: tuple[str, ...]
    step: Callable[..., Vectors]
    rates: Callable[[Settings, NDArray[np.integer]], NDArray[np.float64]] = lambda settings, steps: np.ones(
        len(steps)
    )


#: By the name of Keras' class, in lower case.
UPDATES = {
    "adadelta": Update(("_accumulated_grads", "_accumulated_delta_vars"), ("rho", "epsilon"), _adadelta),
    "adam": Update(("_momentums", "_velocities"), ("beta_1", "beta_2", "epsilon"), _adam, bias_correction),
    "rmsprop": Update(("_velocities",), ("rho", "epsilon"), _rmsprop),
    "sgd": Update((), (), _sgd),
}


SGD_WITH_MOMENTUM = Update(("momentums",), ("momentum", "nesterov"), _sgd_with_momentum)


def update_of(name: str, settings: Settings) -> Update | None:
    """The update of an optimizer; None if there is no machine code for it."""
    return SGD_WITH_MOMENTUM if name == "sgd" and settings.get("momentum") else UPDATES.get(name)


def write_update(program: Program, name: str, update: Update, settings: Settings, size: int) -> Code:
    """Write a step of `size` weights. Its arguments: (rate, weights, gradients, the optimizer's state...)."""
    code = program.define(name, ["rate", "weights", "gradients", *update.state])
    rate, weights, gradients, *state = code.named.values()
    learning_rate = code.load_broadcast(rate, 0)
    with code.loop(size, LANES) as offset:
        before = [code.load(pointer, offset) for pointer in (weights, gradients, *state)]
        after = update.step(code, settings, learning_rate, *before)
        for pointer, vector in zip((weights, *state), after, strict=True):
            code.store(vector, pointer, offset)
    code.finish()
    return code
