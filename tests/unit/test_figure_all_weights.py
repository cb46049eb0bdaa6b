"""Every weight of the smallest sufficient network has its square."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from samples.figures import file_of, note_of

from few_weights.plan.runs import Run
from few_weights.report.figures.all_weights import MOST_ARRAYS, plot_all_weights, tiled
from few_weights.report.figures.gallery import LARGEST_SIDE
from few_weights.report.figures.smallest_network import SmallestNetwork

NETWORK = SmallestNetwork(Run("looped", 7, 0), True)


@settings(deadline=None, derandomize=True)
@given(st.lists(st.integers(1, 5), min_size=0, max_size=4))
def test_every_weight_has_its_square(shape):
    array = np.arange(1.0, 1 + np.prod(shape, dtype=int)).reshape(shape)
    picture = tiled(array)
    assert picture.shape[0] <= picture.shape[1]
    assert sorted(picture[np.isfinite(picture)]) == sorted(array.reshape(-1))


def test_kernels_stand_apart_and_keep_their_shape():
    kernels = np.arange(1.0, 19.0).reshape(3, 3, 2, 1)
    picture = tiled(kernels)
    assert picture.shape == (3, 7) and np.isnan(picture[:, 3]).all()
    np.testing.assert_array_equal(picture[:, :3], kernels[:, :, 0, 0])
    np.testing.assert_array_equal(picture[:, 4:], kernels[:, :, 1, 0])


@pytest.mark.parametrize("shape", [(784, 32), (3, 3, 64, 128), (1, 1, 700, 2), (1000,)])
def test_large_arrays_are_shrunk(shape):
    picture = tiled(np.ones(shape))
    assert max(picture.shape) <= LARGEST_SIDE and (picture == 1).all()
    figure, _ = plot_all_weights(NETWORK, {"layer/kernel": np.ones(shape)})
    assert "means over neighbouring weights" in note_of(figure)


def test_a_network_is_on_one_page():
    weights = {"sequential/conv2d/kernel": np.ones((3, 3, 1, 7)), "sequential/conv2d/bias": np.zeros(7)}
    figure, title = plot_all_weights(NETWORK, weights)
    assert title == "All 70 weights of looped of width 7"
    assert [text.get_text() for text in figure.texts[-2:]] == [
        "conv2d/kernel: 3 × 3 × 1 × 7",
        "conv2d/bias: 7",
    ]
    assert len(figure.axes) == 2
    assert file_of((figure, title), "svg").startswith(b"<?xml")


def test_the_largest_of_many_arrays_are_drawn():
    weights = {f"layer_{number}/bias": np.ones(number) for number in range(1, MOST_ARRAYS + 4)}
    figure, _ = plot_all_weights(NETWORK, weights)
    assert len(figure.axes) == MOST_ARRAYS
    assert f"The {MOST_ARRAYS} largest arrays are shown." in note_of(figure)


def test_weights_that_are_not_finite_are_mentioned():
    figure, _ = plot_all_weights(NETWORK, {"a/kernel": np.array([[1.0, np.nan], [np.inf, -1.0]])})
    assert "not finite" in note_of(figure)
