"""Functions of numbers in machine code against float64, over all of their range."""

import numpy as np
import pytest
from samples.pieces import KindRun, apply
from scipy import special

from few_weights.engine.kinds import functions
from few_weights.engine.kinds.activation import Activation
from few_weights.engine.layouts import Map

#: Both signs, from where results are exact to where they have long reached their end.
NEAR = np.linspace(-12, 12, 400_001, dtype=np.float32)
SMALL = np.float32(2.0) ** np.arange(-126, 3, dtype=np.float32)
WIDE = np.concatenate([NEAR, SMALL, -SMALL, np.linspace(-86, 87, 100_001, dtype=np.float32)])
ENDS = np.array([-np.inf, -3e38, -1e4, -104, -90, 90, 104, 1e4, 3e38, np.inf], np.float32)


def ulps(found, expected):
    """Errors in units in the last place of float32; what is below the smallest normal number counts as 0."""
    tiny = np.finfo(np.float32).tiny
    unit = np.spacing(np.maximum(np.abs(expected), tiny).astype(np.float32)).astype(np.float64)
    return np.abs(found.astype(np.float64) - expected) / unit


@pytest.mark.parametrize(
    ("function", "exact", "largest"),
    [
        (functions.exp, np.exp, 2),
        (functions.erf, special.erf, 8),
        (functions.tanh, np.tanh, 4),
        (functions.sigmoid, special.expit, 4),
    ],
    ids=["exp", "erf", "tanh", "sigmoid"],
)
def test_functions_are_accurate_to_a_few_units_in_the_last_place(function, exact, largest):
    found, expected = apply(function, WIDE), exact(WIDE.astype(np.float64))
    errors = ulps(found, expected)
    worst = errors.argmax()
    assert errors[worst] <= largest, f"{errors[worst]:.1f} units at {WIDE[worst]}: {found[worst]}"
    assert np.all(np.isnan(apply(function, np.full(8, np.nan, np.float32))))


def test_the_logarithm_is_accurate_to_a_few_units_in_the_last_place():
    """Over all exponents, near 1, and the sums of up to 256 exponentials that the loss takes it of."""
    around = np.arange(0x3F700000, 0x3F900000, 7, np.int32).view(np.float32)
    wide = np.float32(2.0) ** np.arange(-126, 128, dtype=np.float32)
    values = np.concatenate([around, wide, wide * np.float32(1.41), np.linspace(1, 257, 400_000)])
    values = values[: len(values) // 8 * 8].astype(np.float32)
    errors = ulps(apply(functions.log, values), np.log(values.astype(np.float64)))
    assert errors.max() <= 3, f"{errors.max():.1f} units at {values[errors.argmax()]}"
    ends = np.array([1.0, np.inf, np.nan, 1.0, np.inf, np.nan, 1.0, 1.0], np.float32)
    np.testing.assert_array_equal(apply(functions.log, ends), [0, *ends[1:3], 0, *ends[4:6], 0, 0])


def test_functions_end_at_their_limits():
    below, above = ENDS[:5], ENDS[5:]
    np.testing.assert_array_equal(apply(functions.tanh, ENDS), np.sign(ENDS))
    np.testing.assert_array_equal(apply(functions.erf, ENDS), np.sign(ENDS))
    assert np.all(apply(functions.sigmoid, below) < 2e-38)
    np.testing.assert_array_equal(apply(functions.sigmoid, above), 1)
    # Beyond its range exp has the value at the end of it; nobody needs more of it.
    assert np.all(apply(functions.exp, below) < 2e-38)
    assert np.all((apply(functions.exp, above) > 1e38) & np.isfinite(apply(functions.exp, above)))


def gelu(x):
    return x * special.ndtr(x)


def gelu_slope(x):
    return special.ndtr(x) + x * np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi)


def silu_slope(x):
    y = special.expit(x)
    return y + x * y * (1 - y)


#: The function and its derivative in float64.
EXACT = {
    "linear": (lambda x: x, np.ones_like),
    "relu": (lambda x: np.maximum(x, 0), lambda x: 1.0 * (x > 0)),
    "leaky_relu": (lambda x: np.where(x > 0, x, 0.3 * x), lambda x: np.where(x > 0, 1, 0.3)),
    "tanh": (np.tanh, lambda x: 1 - np.tanh(x) ** 2),
    "sigmoid": (special.expit, lambda x: special.expit(x) * (1 - special.expit(x))),
    "silu": (lambda x: x * special.expit(x), silu_slope),
    "gelu": (gelu, gelu_slope),
    "elu": (lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))), lambda x: np.exp(np.minimum(x, 0))),
}


@pytest.mark.parametrize("name", EXACT)
def test_an_activation_and_its_gradient_are_exact_to_rounding(name):
    """To a few rounding errors of the largest term, 1 or x."""
    values = WIDE[::7]
    values = values[: len(values) // 8 * 8].reshape(8, 1, -1, 1)
    layout = Map(*values.shape[1:])
    kind = KindRun(Activation(layout, layout, name, 0.3), [values], [layout])
    function, slope = EXACT[name]
    exact, rounding = values.astype(np.float64), 12 * np.finfo(np.float32).eps
    np.testing.assert_allclose(kind.forward(), function(exact), rtol=rounding, atol=rounding)
    upstream = np.full_like(values, 0.5)
    np.testing.assert_allclose(kind.backward(upstream), 0.5 * slope(exact), rtol=rounding, atol=rounding)
    # Gradients are added to what is there.
    np.testing.assert_allclose(kind.backward(upstream), slope(exact), rtol=2 * rounding, atol=2 * rounding)


@pytest.mark.parametrize("name", EXACT)
def test_an_activation_of_not_a_number_is_not_a_number(name):
    values = np.full((2, 1, 3, 1), np.nan, np.float32)
    layout = Map(1, 3, 1)
    kind = KindRun(Activation(layout, layout, name, 0.3), [values], [layout])
    assert np.all(np.isnan(kind.forward()))


@pytest.mark.parametrize("name", EXACT)
def test_an_activation_has_the_limits_of_its_function(name):
    values = np.array([-1e30, -1e4, 1e4, 1e30], np.float32).reshape(1, 1, 4, 1)
    layout = Map(1, 4, 1)
    kind = KindRun(Activation(layout, layout, name, 0.3), [values], [layout])
    function, slope = EXACT[name]
    np.testing.assert_allclose(kind.forward(), function(values.astype(np.float64)), rtol=1e-6, atol=1e-7)
    found = kind.backward(np.ones_like(values))
    expected = slope(np.clip(values, -1e4, 1e4).astype(np.float64))
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-7)
