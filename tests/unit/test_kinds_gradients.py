"""Gradients of single kinds: written over what is there; and convolutions, the same bits in each way."""

import numpy as np
import pytest
from samples.pieces import KindRun

from few_weights.engine.kinds import convolution
from few_weights.engine.kinds.activation import ACTIVATIONS, Activation
from few_weights.engine.kinds.batch_normalization import BatchNormalization
from few_weights.engine.kinds.convolution import Convolution
from few_weights.engine.kinds.depthwise import Depthwise
from few_weights.engine.kinds.dropout import Dropout
from few_weights.engine.kinds.layer_normalization import LayerNormalization
from few_weights.engine.kinds.merge import Merge
from few_weights.engine.kinds.pooling import Pooling
from few_weights.engine.kinds.zero_padding import ZeroPadding
from few_weights.engine.layouts import Map

VALUES = Map(8, 9, 3, 1, 2, 0, 1)
OUTPUT = Map(8, 9, 3, 0, 1, 2, 0)
PADDED = Map(8, 9, 3, 1, 1, 1, 1)


def normal(*shape):
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32)


#: By name: a kind, and its weights.
KINDS = {
    "activation": (Activation(VALUES, OUTPUT, "tanh"), {}),
    "batch normalisation": (
        BatchNormalization(VALUES, OUTPUT, True, True, 0.9, 0.001),
        {"gamma": normal(3), "beta": normal(3)},
    ),
    "layer normalisation": (
        LayerNormalization(VALUES, OUTPUT, True, True, 0.001),
        {"gamma": normal(3), "beta": normal(3)},
    ),
    "dropout": (Dropout(VALUES, OUTPUT, 0.4, 1), {"seed": np.zeros(2, np.float32)}),
    "sum": (Merge((VALUES, PADDED), OUTPUT, True), {}),
    "concatenation": (Merge((VALUES, PADDED), Map(8, 9, 6), False), {}),
    "mean pooling": (Pooling(VALUES, Map(2, 3, 3), (4, 3), (4, 3), (0, 0), False), {}),
    "max pooling": (Pooling(VALUES, Map(4, 9, 3), (2, 1), (2, 1), (0, 0), True), {}),
    "zero padding": (ZeroPadding(VALUES, Map(11, 10, 3, 0, 1, 2, 0), 1, 0), {}),
    "convolution": (
        Convolution(PADDED, Map(8, 9, 5), (3, 3), (1, 1), (1, 1), (1, 1), True),
        {"kernel": normal(3, 3, 3, 5), "bias": normal(5)},
    ),
}


def run_of(kind, weights):
    maps = kind.inputs if isinstance(kind, Merge) else [kind.values]
    inputs = [normal(5, each.rows, each.columns, each.channels) for each in maps]
    return KindRun(kind, inputs, maps, weights, count=5, batch=5, step=1, first=0)


def gradients_of(kind, weights, before, overwrite, replaced=False):
    """The gradients of all inputs and weights, after `before` was in those of the inputs.

    With `replaced`, something else is in the place of the output by then.
    """
    run = run_of(kind, weights)
    run.forward()
    if replaced:
        run.memory["output"][...] = np.nan
    upstream = normal(5, kind.output.rows, kind.output.columns, kind.output.channels)
    names = [name for name in run.memory if name.startswith("values") and name.endswith("_gradient")]
    for name in names:
        run.memory[name][...] = before
    run.backward(upstream, True, overwrite)
    found = [run.values_of(name, run.maps[name.removesuffix("_gradient")]) for name in names]
    return found + [run.memory[f"{name}_gradient"] for name in weights]


@pytest.mark.parametrize("name", KINDS)
def test_gradients_are_written_over_what_is_there_or_added_to_it(name):
    kind, weights = KINDS[name]
    assert kind.overwrites
    expected = gradients_of(kind, weights, 0, overwrite=False)
    for one, other in zip(expected, gradients_of(kind, weights, np.nan, overwrite=True), strict=True):
        np.testing.assert_array_equal(one, other)
    found = gradients_of(kind, weights, 1, overwrite=False)
    for one, other in zip(expected[: -len(weights) or None], found, strict=False):
        np.testing.assert_allclose(one + 1, other, rtol=1e-5, atol=1e-5)


OTHERS = {
    "cropping": Pooling(VALUES, Map(6, 5, 3), (1, 1), (1, 1), (-1, -2), False),
    "global max": Pooling(VALUES, Map(1, 1, 3), (8, 9), (8, 9), (0, 0), True, shared=True),
    **{name: Activation(VALUES, OUTPUT, name) for name in (*ACTIVATIONS, "leaky_relu")},
}


@pytest.mark.parametrize("name", [*KINDS, *OTHERS])
def test_only_kinds_that_say_so_need_their_output_for_the_gradient(name):
    kind, weights = KINDS[name] if name in KINDS else (OTHERS[name], {})
    kept, replaced = (gradients_of(kind, weights, 0, False, replaced) for replaced in (False, True))
    same = all(np.array_equal(one, other) for one, other in zip(kept, replaced, strict=True))
    assert same or kind.needs_output


@pytest.mark.parametrize(
    "kind",
    [
        Pooling(VALUES, Map(4, 4, 3), (2, 2), (2, 2), (0, 0), True),
        Pooling(VALUES, Map(7, 8, 3), (2, 2), (1, 1), (0, 0), False),
        Activation(VALUES, VALUES, "relu", in_place=True),
        Convolution(VALUES, Map(4, 5, 3), (1, 1), (2, 2), (1, 1), (0, 0), True),
        Depthwise(PADDED, OUTPUT, (3, 3), (1, 1), (1, 1), (1, 1), True),
    ],
)
def test_kinds_that_do_not_reach_each_value_once_only_add(kind):
    assert not kind.overwrites


CONVOLUTIONS = [
    Convolution(PADDED, Map(8, 9, 5), (3, 3), (1, 1), (1, 1), (1, 1), True),
    Convolution(PADDED, Map(8, 9, 4), (3, 2), (1, 1), (1, 1), (1, 0), True),
    Convolution(Map(8, 9, 3, 0, 2, 4, 2), Map(8, 9, 9), (3, 3), (1, 1), (2, 2), (0, 2), True),
    Convolution(Map(8, 9, 1), Map(6, 8, 5), (3, 2), (1, 1), (1, 1), (0, 0), True),
    Convolution(VALUES, OUTPUT, (1, 1), (1, 1), (1, 1), (0, 0), True),
]


@pytest.mark.parametrize("kind", CONVOLUTIONS)
def test_each_way_of_a_convolution_gives_the_same_bits(kind, monkeypatch):
    """Gathered or spread; the kernel's gradient row by row, or of the whole image."""
    channels, filters = kind.values.channels, kind.output.channels
    weights = {"kernel": normal(*kind.size, channels, filters), "bias": normal(filters)}
    outcomes = []
    for gathers, cache in ((True, 0), (True, 2**30), (False, 0), (False, 2**30)):
        monkeypatch.setattr(Convolution, "_gathers", gathers)
        monkeypatch.setattr(convolution, "CACHE", cache)
        outcomes.append(gradients_of(kind, weights, 0, overwrite=False))
    for other in outcomes[1:]:
        for one, found in zip(outcomes[0], other, strict=True):
            np.testing.assert_array_equal(one, found)
