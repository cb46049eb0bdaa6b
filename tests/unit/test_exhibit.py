"""The report shows the network it speaks of, its own mistakes and its own weights."""

import numpy as np
import pandas as pd
import pytest
from test_plotting import STUDY, breakpoints_of, layers_of, make_runs, words

from few_weights.data import datasets
from few_weights.plan.runs import Run
from few_weights.report.figures import first_layer, mistakes, smallest_network
from few_weights.report.figures.dataset import SAMPLES, plot_data
from few_weights.report.figures.pictures import MOST, image_note, shown_image, shrunk


def test_the_smallest_sufficient_model_is_shown_at_the_seed_closest_to_its_mean():
    runs = make_runs(STUDY, seeds=(0, 1, 2))
    chosen = smallest_network.choose_network(runs, breakpoints_of(runs, [0.969]))
    assert chosen == smallest_network.SmallestNetwork(Run("vgg", 2, 1), sufficient=True)


def test_the_most_accurate_model_is_shown_where_none_suffices():
    runs = make_runs(STUDY)
    assert smallest_network.choose_network(
        runs, breakpoints_of(runs, [0.99])
    ) == smallest_network.SmallestNetwork(Run("vgg", 4, 0), False)


def test_confusions_are_counted_and_the_commonest_comes_first():
    labels, guesses = np.array([4, 4, 1, 9, 4]), np.array([9, 4, 7, 9, 9])
    table = mistakes.confusions(labels, guesses)
    assert table.values.tolist() == [[4, 9, 2, 0], [1, 7, 1, 2]]
    images = np.zeros((5, 8, 6, 3), np.uint8)
    figure, message = mistakes.plot_mistakes(
        smallest_network.SmallestNetwork(Run("vgg", 2, 1), True), images, labels, guesses
    )
    assert message == "vgg of width 2 gets 3 of 5 test images wrong"
    assert "4 → 9" in words(figure) and "2×" in words(figure)
    assert len(figure.axes) == 2


def test_a_network_without_mistakes_can_be_shown():
    labels = np.arange(3)
    mistakes.plot_mistakes(
        smallest_network.SmallestNetwork(Run("a", 1, 0), True), np.zeros((3, 2, 2, 1)), labels, labels
    )


def test_first_layer_is_drawn_in_the_shape_of_what_it_sees():
    kernel = np.arange(4 * 3).reshape(4, 3)  # two by two pixels, three units
    pictures, what = first_layer.first_kernels({"dense/kernel": kernel, "dense/bias": np.zeros(3)}, (2, 2, 1))
    assert what == "2 × 2 pixels" and len(pictures) == 3
    assert pictures[1].tolist() == [[1, 4], [7, 10]]
    pictures, what = first_layer.first_kernels({"conv/kernel": np.ones((3, 5, 2, 4))}, (28, 28, 2))
    assert what == "3 × 5 pixels, the mean over 2 channels"
    assert [picture.shape for picture in pictures] == [(3, 5)] * 4
    pictures, what = first_layer.first_kernels({"dense/kernel": kernel}, (4,))
    assert what == "4 inputs" and pictures[0].shape == (1, 4)


def test_what_the_first_layer_sees_may_be_pooled():
    layers = layers_of(make_runs(STUDY))
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
    figure, _ = first_layer.plot_first_layer(
        smallest_network.SmallestNetwork(Run("a", 1, 0), True), weights, (8, 8, 2), types
    )
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
        smallest_network.SmallestNetwork(Run("a", 1, 0), True), {"c/kernel": kernel}, (8, 8, 1)
    )
    assert "not finite numbers, in 2 units" in words(figure).replace("\n", " ")
    images = [axes.images[0] for axes in figure.axes]
    assert images[0].get_clim() == (-1, 1)
    assert sum(np.ma.getmaskarray(image.get_array()).sum() for image in images) == 10


def test_images_of_any_number_of_channels():
    image = np.arange(2 * 2 * 6, dtype=np.uint8).reshape(2, 2, 6)
    grey, options = shown_image(image[..., :1], ink=True)
    assert grey.tolist() == image[..., 0].tolist() and options["cmap"] == "gray_r"
    for channels in (2, 5, 6):
        grey, options = shown_image(image[..., :channels], ink=False)
        assert grey.tolist() == image[..., :channels].mean(axis=-1).tolist() and options["cmap"] == "gray"
        assert f"the mean over the {channels} channels" in image_note((2, 2, channels))
    for channels in (3, 4):  # of RGBA and of four bands alike, what is transparent is shown as well
        assert shown_image(image[..., :channels], ink=True)[0].tolist() == image[..., :3].tolist()
    assert image_note((2, 2, 1)) == image_note((2, 5, 3)) == ""
    assert image_note((3, 100, 3)) == " Stretched."


def test_large_images_are_shrunk_to_means():
    image = np.zeros((300, 256, 3))
    image[:, ::2] = 100
    small = shrunk(image)
    assert small.shape == (128, 128, 3) and np.all(small == 50)


def test_data_are_shown_by_class_and_part():
    labels = np.array([0, 1, 2] * 20, np.uint8)
    images = np.full((60, 4, 4, 1), 7, np.uint8)
    images[0, 0, 0] = 200
    arrays = {"x_train": images, "y_train": labels, "x_test": images[:9], "y_test": labels[:9]}
    dataset = datasets.Dataset(**datasets.hold_out(arrays, 6))
    summary = datasets.summarise(dataset)
    assert summary["parts"]["validation"] == {"examples": 6, "per_class": [2, 2, 2]}
    figure, message = plot_data("mine", dataset, summary)
    assert message == "mine: 54 training, 6 held-out and 9 test images of 4 × 4 in 3 classes"
    assert "darkest pixel is 7, the brightest 200" in words(figure).replace("\n", " ")
    pictures = [axes for axes in figure.axes if axes.images]
    assert len(pictures) == 3 * SAMPLES
    bars = {axes.get_title(loc="left"): [bar.get_height() for bar in axes.patches] for axes in figure.axes}
    assert bars["training"] == [18] * 3 and bars["held-out"] == [2] * 3 and bars["test"] == [3] * 3


def test_a_seed_that_diverged_is_not_the_one_to_show():
    runs = make_runs({"vgg": {2: 0.98}}, seeds=(0, 1, 2))
    runs["diverged_in_epoch"] = pd.array([None, 3, None], "Int64")
    assert smallest_network.choose_network(runs, breakpoints_of(runs)).run == Run("vgg", 2, 0)
