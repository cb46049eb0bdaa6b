"""Galleries show images of any shape and number of channels."""

import numpy as np

from few_weights.report.figures.gallery import image_note, shown_image, shrunk


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
