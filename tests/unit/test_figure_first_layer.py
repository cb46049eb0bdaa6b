"""The weights of the first layer, whatever layer that is."""

import numpy as np
import pandas as pd
import pytest
from samples.figures import note_of
from samples.runs import STUDY, layers_of, study_of

from few_weights.plan.runs import Run
from few_weights.report.figures import first_layer
from few_weights.report.figures.gallery import MOST
from few_weights.report.figures.smallest_network import SmallestNetwork


def test_first_layer_is_drawn_in_the_shape_of_its_input():
    kernel = np.arange(4 * 3).reshape(4, 3)  # two by two pixels, three units
    pictures, what = first_layer.first_kernels({"dense/kernel": kernel, "dense/bias": np.zeros(3)}, (2, 2, 1))
    assert what == "2 × 2 pixels" and len(pictures) == 3
    assert pictures[1].tolist() == [[1, 4], [7, 10]]
    pictures, what = first_layer.first_kernels({"conv/kernel": np.ones((3, 5, 2, 4))}, (28, 28, 2))
    assert what == "3 × 5 pixels, the mean over 2 channels"
    assert [picture.shape for picture in pictures] == [(3, 5)] * 4
    pictures, what = first_layer.first_kernels({"dense/kernel": kernel}, (4,))
    assert what == "4 inputs" and pictures[0].shape == (1, 4)


def test_the_input_of_the_first_layer_may_be_pooled():
    layers = layers_of(study_of(STUDY))
    pooling = {"architecture": "mlp", "width": 16, "position": -1, "type": "MaxPooling2D"}
    layers = pd.concat([layers, pd.DataFrame([pooling | {"output_shape": "14x14x1", "parameters": 0}])])
    assert first_layer.shape_before_weights(layers, Run("mlp", 16, 0), (28, 28, 1)) == (14, 14, 1)
    assert first_layer.shape_before_weights(layers, Run("vgg", 2, 0), (28, 28, 1)) == (28, 28, 1)


@pytest.mark.parametrize(
    ("weights", "types", "expected", "shapes"),
    [
        ({"c/kernel": np.ones((5, 3, 4))}, {"c": "Conv1D"}, "5 positions × 3 channels", [(5, 3)] * 4),
        ({"conv3d/kernel": np.ones((2, 3, 4, 5, 6))}, {},
         "3 × 4 pixels, the mean over 2 slices and 5 channels", [(3, 4)] * 6),
        ({"conv2d_transpose/kernel": np.ones((3, 4, 7, 2))}, {}, "3 × 4 pixels, the mean over 2 channels",
         [(3, 4)] * 7),
        ({"d/kernel": np.ones((3, 4, 2, 5))}, {"d": "DepthwiseConv2D"}, "3 × 4 pixels", [(3, 4)] * 10),
        ({"separable_conv2d/depthwise_kernel": np.ones((3, 4, 2, 5))}, {}, "3 × 4 pixels", [(3, 4)] * 10),
        ({"batch_normalization/gamma": np.ones(2), "conv2d/kernel": np.ones((3, 3, 1, 2))}, {},
         "3 × 3 pixels", [(3, 3)] * 2),
        ({"p_re_lu/alpha": np.ones((3, 3, 2)), "dense/kernel": np.ones((18, 4))}, {}, "18 inputs",
         [(1, 18)] * 4),
        ({"embedding/embeddings": np.ones((256, 3))}, {}, "256 inputs", [(1, 256)] * 3),
        ({"multi_head_attention/query/kernel": np.ones((16, 2, 8))}, {}, "32 inputs", [(1, 32)] * 8),
        ({"batch_normalization/gamma": np.ones(2), "scale": np.ones(())}, {}, "", []),
        ({}, {}, "", []),
    ],
)  # fmt: skip
def test_first_kernels_of_any_layer(weights, types, expected, shapes):
    pictures, what = first_layer.first_kernels(weights, (8, 8, 2), types)
    assert what == expected and [picture.shape for picture in pictures] == shapes
    figure, _ = first_layer.plot_first_layer(SmallestNetwork(Run("a", 1, 0), True), weights, (8, 8, 2), types)
    assert len(figure.axes) == min(len(shapes), MOST)


def test_each_unit_of_a_transposed_or_depthwise_layer_has_its_own_weights():
    kernel = np.arange(2 * 2 * 3 * 2).reshape(2, 2, 3, 2)
    pictures, _ = first_layer.first_kernels({"conv2d_transpose/kernel": kernel}, (4, 4, 2))
    assert pictures[1].tolist() == kernel[:, :, 1].mean(axis=-1).tolist()
    pictures, _ = first_layer.first_kernels({"depthwise_conv2d/kernel": kernel}, (4, 4, 3))
    assert pictures[3].tolist() == kernel[:, :, 1, 1].tolist()


def test_weights_that_are_not_finite_are_grey_and_counted():
    kernel = np.ones((3, 3, 1, 4))
    kernel[0, 0, 0, 1], kernel[..., 2] = np.inf, np.nan
    figure, _ = first_layer.plot_first_layer(
        SmallestNetwork(Run("a", 1, 0), True), {"c/kernel": kernel}, (8, 8, 1)
    )
    assert "not finite numbers, in 2 units" in note_of(figure)
    images = [axes.images[0] for axes in figure.axes]
    assert images[0].get_clim() == (-1, 1)
    assert sum(np.ma.getmaskarray(image.get_array()).sum() for image in images) == 10
