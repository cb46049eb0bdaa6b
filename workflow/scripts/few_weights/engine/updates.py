"""The step of each optimizer, in machine code."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from few_weights.engine.machine_code import LANES, Code, Program, constant


def _adadelta(code, settings, rate, weight, gradient, squares, changes):
    """Zeiler 2012, as Keras has it."""

    def root(value):
        return code.elementwise("sqrt", code.builder.fadd(value, constant(settings["epsilon"])))

    squares = _average(code, settings["rho"], squares, gradient)
    change = code.builder.fdiv(code.builder.fmul(root(changes), gradient), root(squares))
    changes = _average(code, settings["rho"], changes, change)
    return code.builder.fsub(weight, code.builder.fmul(rate, change)), squares, changes


def _rmsprop(code, settings, rate, weight, gradient, squares):
    """Hinton's lecture 6e of 2012, as Keras 3 has it: epsilon is inside the root."""
    squares = _average(code, settings["rho"], squares, gradient)
    root = code.elementwise("sqrt", code.builder.fadd(squares, constant(settings["epsilon"])))
    return code.builder.fsub(weight, code.builder.fdiv(code.builder.fmul(rate, gradient), root)), squares


def _adam(code, settings, rate, weight, gradient, means, squares):
    """Kingma and Ba 2015, as Keras has it; what makes up for beginning at 0 is in the rate."""
    means = code.weigh((settings["beta_1"], means), (1 - settings["beta_1"], gradient))
    squares = _average(code, settings["beta_2"], squares, gradient)
    root = code.builder.fadd(code.elementwise("sqrt", squares), constant(settings["epsilon"]))
    change = code.builder.fdiv(code.builder.fmul(rate, means), root)
    return code.builder.fsub(weight, change), means, squares


def _adam_rates(settings, steps):
    missing_1, missing_2 = (settings[beta] ** (steps + 1) for beta in ("beta_1", "beta_2"))
    return np.sqrt(1 - missing_2) / (1 - missing_1)


def _sgd(code, settings, rate, weight, gradient):
    return (code.builder.fsub(weight, code.builder.fmul(rate, gradient)),)


def _average(code, rho, squares, value):
    """A running mean of squares, one step on."""
    return code.weigh((rho, squares), (1 - rho, code.builder.fmul(value, value)))


class Update(NamedTuple):
    """An optimizer: how a vector of weights takes a step.

    Args:
        kept: what Keras calls the lists of variables it keeps beside the weights.
        settings: what it is set by, beside the learning rate.
        step: (code, settings, rate, weights, gradient, and what is kept) -> the weights and what is kept.
        rates: (settings, numbers of steps, from 0) -> the rate of each, over the learning rate.
    """

    kept: tuple[str, ...]
    settings: tuple[str, ...]
    step: Callable
    rates: Callable[[Mapping, np.ndarray], np.ndarray] = lambda settings, steps: np.ones(len(steps))


#: By the name of Keras' class, in small letters.
UPDATES = {
    "adadelta": Update(("_accumulated_grads", "_accumulated_delta_vars"), ("rho", "epsilon"), _adadelta),
    "adam": Update(("_momentums", "_velocities"), ("beta_1", "beta_2", "epsilon"), _adam, _adam_rates),
    "rmsprop": Update(("_velocities",), ("rho", "epsilon"), _rmsprop),
    "sgd": Update((), (), _sgd),
}


def write_update(program: Program, name: str, update: Update, settings: Mapping, size: int) -> Code:
    """(rate, weights, gradients, and what the optimizer keeps): a step of `size` numbers."""
    code = program.function(name, pointers=3 + len(update.kept))
    rate, weights, gradients, *others = code.arguments
    learning_rate = code.spread(rate, 0)
    with code.loop(size, LANES) as offset:
        before = [code.load(pointer, offset) for pointer in (weights, gradients, *others)]
        after = update.step(code, settings, learning_rate, *before)
        for pointer, vector in zip((weights, *others), after, strict=True):
            code.store(vector, pointer, offset)
    code.finish()
    return code
