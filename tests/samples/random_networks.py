"""Random networks, and how each is trained: what Hypothesis draws, and the Keras model of it."""

import contextlib
import random
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf
from hypothesis import assume, reject
from hypothesis import strategies as st
from keras import layers

from few_weights.errors import StudyError
from samples.networks import ADADELTA, ADAM, FULL_MATRIX, MOMENTUM, RMSPROP, SGD
from samples.random_layers import (
    add_layers,
    draw_any,
    draw_block,
    draw_for_winograd,
    draw_small,
    rarely,
)


@dataclass(frozen=True)
class Case:
    """A network and how it is trained.

    Args:
        image: shape of an image.
        body: its layers, each (name, arguments), or one of the compositions that `add_layers` knows.
        sequential: a `keras.Sequential`; a functional model if not.
        classes: how many there are.
        optimizer, schedule: as `build_optimizer` takes them.
        shift: by how many pixels training images are shifted at most.
        batches: the sizes of a full batch and of the last one of an epoch.
        black: whether the images are bars on black; noise if not.
    """

    image: tuple[int, int, int]
    body: list
    sequential: bool
    classes: int
    optimizer: dict
    schedule: dict | None
    shift: int
    batches: tuple[int, int]
    black: bool


def build_case(case):
    """The Keras model of a case, with initial weights from the seed 1."""
    keras.utils.set_random_seed(1)
    inputs = layers.Input(case.image)
    if case.sequential:
        stack, made = add_layers(case.body, [inputs])
        model = keras.Sequential(stack)
    else:
        outputs, made = add_layers(case.body, inputs)
        model = keras.Model(inputs, outputs)
    for layer in made:
        if getattr(layer, "wanted_rank", 0):
            layer.enable_lora(layer.wanted_rank)
    return model


def shape_after(item, shape):
    """The shape of one example after a layer. Rejects what Keras refuses, and what would be large."""
    # Keras draws seeds of initializers from Python's generator, which Hypothesis wants unchanged.
    state = random.getstate()
    try:
        with rejected_by_keras():
            inputs = layers.Input(shape)
            outputs = add_layers([item], inputs)[0]
    finally:
        random.setstate(state)
    assume(None not in outputs.shape[1:] and 0 < np.prod(outputs.shape[1:]) <= 1500)
    return outputs.shape[1:]


@contextlib.contextmanager
def rejected_by_keras():
    """Reject a case for which Keras raises an error."""
    try:
        yield
    except (ValueError, TypeError, NotImplementedError, tf.errors.OpError, StudyError):
        reject()


OPTIMIZERS = [
    ADADELTA | {"rho": 0.9},
    RMSPROP | {"learning_rate": 0.003},
    ADAM,
    SGD | {"learning_rate": 0.05},
    MOMENTUM | {"nesterov": True},
    FULL_MATRIX | {"refresh": 5},
]


def draw_end_of_space(draw, style):
    """A layer from images to features."""
    pooling = ["GlobalAveragePooling2D", "GlobalMaxPooling2D"] * (style != draw_for_winograd)
    return draw(st.sampled_from(["Flatten", "Flatten", *pooling])), {}


@st.composite
def cases(draw):
    """Draw a case."""
    style = draw(st.sampled_from([draw_any, draw_for_winograd, draw_small]))
    sides = [1, 2, 3, 6, 7, 8, 9, 11, 12, 13]
    shape = image = (*(draw(st.sampled_from(sides[2 * (style != draw_any) :])) for _ in range(2)), 1)
    if rarely(draw, 4):
        shape = image = (*image[:2], 3)
    # Every run of Hypothesis first tries the simplest network of all.
    assume(image != (1, 1, 1))
    body = []
    for _ in range(draw(st.integers(0, 3 if style == draw_small else 6))):
        if style == draw_small and len(shape) == 3 and min(shape[:2]) >= 5 and draw(st.booleans()):
            items = draw_block(draw)
        else:
            items = [(draw_any if rarely(draw, 15) else style)(draw, shape)]
        for item in items:
            shape = shape_after(item, shape)
        body += items
        if len(shape) == 3 and rarely(draw, 6):
            body.append(draw_end_of_space(draw, style))
            shape = shape_after(body[-1], shape)
    classes = draw(st.integers(2, 10))
    if len(shape) > 1:
        body.append(draw_end_of_space(draw, style))
        shape = shape_after(body[-1], shape)
    body.append(("Dense", {"units": classes, "activation": "softmax"}))
    if rarely(draw):
        body[-1:] = [("Dense", {"units": classes}), ("Softmax", {})]
    full = draw(st.sampled_from([1, 1, 2, 3, 5, 8, 9, 17]))
    last = draw(st.sampled_from([1, 1, max(1, full - 1), full]))
    branched = any(item[0] == "branches" for item in body)
    sequential = not branched and (style == draw_small or not rarely(draw, 6))
    return Case(
        image=image,
        body=body,
        sequential=sequential,
        classes=classes,
        optimizer=draw(st.sampled_from(OPTIMIZERS)),
        schedule=draw(st.sampled_from([None, {"name": "warmup_cosine", "warmup": 0.25}])),
        shift=int(rarely(draw, 4)),
        batches=(full, last),
        black=draw(st.booleans()),
    )
