"""What a training step does beside its layers, in machine code: fetch images, judge, update the weights."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from llvmlite import ir

from few_weights.engine.dense import Features
from few_weights.engine.machine_code import FLOAT, LANES, ZERO, Code, Program, constant


def groups_of(code: Code, count: ir.Value) -> ir.Value:
    """How many vectors hold so many images."""
    return code.divide(code.add(count, LANES - 1), LANES)[0]


def write_gather(program: Program, name: str, target: Features) -> Code:
    """(count; data, labels, order, images, image labels): the examples `order` names, one in each lane.

    Lanes that are left over in the last group repeat the last example. An example's numbers lie side by side
    in `data`, in rows of at least `LANES`; labels are float32 here.
    """
    code = program.function(name, numbers=1, pointers=5)
    count, data, labels, order, images, image_labels = code.arguments
    last = code.subtract(count, 1)
    with code.loop(groups_of(code, count)) as group:
        sources = []
        for lane in range(LANES):
            place = code.add(code.multiply(group, LANES), lane)
            example = code.load_index(order, code.smaller(place, last))
            code.builder.store(code.builder.load(code.at(labels, example)), code.at(image_labels, place))
            sources.append(code.at(data, code.multiply(example, target.rows * target.columns)))
        to = code.builder.mul(group, code.number(target.group_stride))
        with code.loop(target.rows) as row:

            def move(column, row=row, sources=sources, to=to):
                begin = code.add(code.multiply(row, target.columns), column)
                vectors = code.transpose([code.load(source, begin) for source in sources])
                start = code.add(
                    to, code.multiply(row, target.row_stride), code.multiply(column, LANES), target.first
                )
                for number, vector in enumerate(vectors):
                    code.store(vector, images, code.add(start, number * LANES))

            with code.loop(target.columns // LANES * LANES, LANES) as column:
                move(column)
            if target.columns % LANES:
                move(target.columns - LANES)
    code.finish()
    return code


def write_loss(program: Program, name: str, logits: Features) -> Code:
    """(count; logits, image labels, logits' gradient, losses, predictions).

    The cross-entropy of each image in nats after a softmax, its class with the largest logit as float32, and
    the gradient of the mean loss.
    """
    code = program.function(name, numbers=1, pointers=5)
    count, values, labels, gradient, losses, predictions = code.arguments
    builder = code.builder
    share = code.fill(builder.fdiv(ir.Constant(FLOAT, 1.0), builder.sitofp(count, FLOAT)))
    lanes = ir.Constant(ir.VectorType(count.type, LANES), list(range(LANES)))
    with code.loop(groups_of(code, count)) as group:
        place = code.multiply(group, LANES)
        here = builder.icmp_signed("<", builder.add(code.fill(place), lanes), code.fill(count))
        share_here = builder.select(here, share, ZERO)
        start = code.multiply(group, logits.group_stride)
        offsets = [code.add(start, number * LANES) for number in range(logits.columns)]
        scores = [code.load(values, offset) for offset in offsets]
        largest, predicted = scores[0], ZERO
        for number, score in enumerate(scores[1:], 1):
            larger = builder.fcmp_ordered(">", score, largest)
            largest = builder.select(larger, score, largest)
            predicted = builder.select(larger, constant(number), predicted)
        shifted = [builder.fsub(score, largest) for score in scores]
        powers = [code.elementwise("exp", score) for score in shifted]
        total = code.sum(powers)
        label = code.load(labels, place)
        true = ZERO
        for number, offset in enumerate(offsets):
            is_true = builder.fcmp_ordered("==", label, constant(number))
            true = builder.select(is_true, shifted[number], true)
            error = builder.fsub(
                builder.fdiv(powers[number], total), builder.select(is_true, constant(1), ZERO)
            )
            code.store(builder.fmul(error, share_here), gradient, offset)
        code.store(builder.fsub(code.elementwise("log", total), true), losses, place)
        code.store(predicted, predictions, place)
    code.finish()
    return code


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
