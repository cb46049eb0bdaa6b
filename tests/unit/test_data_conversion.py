"""What people have is converted to the same four arrays, or refused with how to fix it."""

import re

import numpy as np
import pytest
from samples.data import (
    CLASS_NAMES,
    PARTS,
    bars,
    plain,
)

from few_weights.data import convert_images, datasets
from few_weights.data.conversion import convert, require_roles, roles
from few_weights.errors import StudyError


def changed(kind, change, parts=PARTS):
    arrays = plain()
    return arrays | {f"{kind}_{part}": change(arrays[f"{kind}_{part}"]) for part in parts}


def same(arrays):
    return all(np.array_equal(arrays[name], array) for name, array in plain().items())


def test_four_uint8_arrays_are_not_changed():
    conversion = convert(plain())
    assert same(conversion.arrays)
    assert (conversion.sentences, conversion.validation_examples) == ([], 0)


@pytest.mark.parametrize(
    ("kind", "change", "said"),
    [
        *[
            ("x", lambda x, dtype=dtype: x.astype(dtype) / np.array(255, dtype), "nothing is lost")
            for dtype in ("float16", "float32", "float64", "longdouble")
        ],
        *[
            ("x", lambda x, dtype=dtype: x.astype(dtype), "the same values as uint8")
            for dtype in ("int16", ">i4", "int64", "uint16", "uint64", "float16", ">f4", "float64")
        ],
        ("x", lambda x: x.astype(np.uint16) * 257, "divided by 257, which loses nothing"),
        ("x", lambda x: x.reshape(len(x), 64), "each row of 64 values is an image of 8 x 8"),
        ("y", lambda y: y[:, np.newaxis], "y_train, y_test of shape (n, 1)"),
        ("y", lambda y: y.astype("f4"), "y_train, y_test of float32, all whole numbers"),
        ("y", lambda y: y[:, np.newaxis].astype("f8"), "of float64, all whole numbers"),
        ("y", lambda y: np.eye(4)[y], "y_train, y_test one-hot of 4 columns"),
        ("y", lambda y: np.eye(4, dtype=int)[y], "one-hot of 4 columns"),
        ("y", lambda y: np.eye(4, dtype=bool)[y], "one-hot of 4 columns"),
        ("y", lambda y: np.eye(5)[y + 1], "labels: 1 to 4, minus 1, so that label 1 is class 0"),
        ("y", lambda y: y + 1, "labels: 1 to 4, minus 1, so that label 1 is class 0"),
        ("y", lambda y: y.astype(int) + 700, "labels: 700 to 703, minus 700"),
        ("y", lambda y: CLASS_NAMES[y], "class 0 is ant, 1 is bee, 2 is cat, 3 is dog"),
        ("y", lambda y: CLASS_NAMES.astype("S")[y], "class 0 is ant, 1 is bee"),
        ("y", lambda y: CLASS_NAMES[y][:, np.newaxis], "class 0 is ant, 1 is bee"),
        ("y", lambda y: np.array(["8", "9", "10", "11"])[y], "class 0 is 8, 1 is 9, 2 is 10, 3 is 11"),
        ("y", lambda y: np.array(["1", "2" * 5_000, "3", "4"])[y], "class 0 is 1, 1 is 222"),
    ],
)
def test_lossless_conversions_give_the_same_arrays(kind, change, said):
    conversion = convert(changed(kind, change))
    assert same(conversion.arrays)
    assert all(array.dtype == np.uint8 for array in conversion.arrays.values())
    assert said in "\n".join(conversion.sentences)
    assert all("\n" not in sentence for sentence in conversion.sentences)


@pytest.mark.parametrize("part", PARTS)
def test_parts_may_differ_in_shape_and_kind_of_label(part):
    conversion = convert(
        changed("x", lambda x: x[..., np.newaxis], [part]) | {"y_train": np.eye(4)[plain()["y_train"]]}
    )
    assert conversion.arrays["x_train"].shape[1:] == conversion.arrays["x_test"].shape[1:]
    assert np.array_equal(conversion.arrays["y_train"], plain()["y_train"])


@pytest.mark.parametrize("top", [1, 255])
def test_the_largest_change_by_rounding_is_reported(top):
    rng = np.random.default_rng(5)
    noisy = changed("x", lambda x: np.clip(x / 255 * top + rng.normal(0, top / 1000, x.shape), 0, top))
    conversion = convert(noisy)
    moved = max(
        np.abs(noisy[name] / top - conversion.arrays[name] / 255).max() for name in ("x_train", "x_test")
    )
    assert 0 < moved <= 0.5 / 255
    (sentence,) = conversion.sentences
    assert f"moved values by up to {moved:.2g} of the range" in sentence


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int64", "float32"])
def test_black_and_white_is_0_and_255(dtype):
    conversion = convert(changed("x", lambda x: (x > 100).astype(dtype)))
    assert np.array_equal(conversion.arrays["x_train"], (plain()["x_train"] > 100) * 255)
    assert conversion.sentences == [f"images: {dtype} with only the values 0 and 1, multiplied by 255"]


@pytest.mark.parametrize("channels", [1, 3])
def test_channels_first_are_moved_to_the_end(channels):
    conversion = convert(changed("x", lambda x: np.stack([x // (1 + c) for c in range(channels)], 1)))
    assert conversion.arrays["x_train"].shape == (40, 8, 8, channels)
    assert np.array_equal(conversion.arrays["x_test"][..., 0], plain()["x_test"])
    assert "channels moved from the first axis to the last" in conversion.sentences[0]


@pytest.mark.parametrize("channels", [2, 3, 4, 6])
def test_any_number_of_channels_may_come_last(channels):
    arrays = changed("x", lambda x: np.stack([x // (1 + c) for c in range(channels)], 3))
    assert np.array_equal(convert(arrays).arrays["x_train"], arrays["x_train"])


@pytest.mark.parametrize("shape", [(1, 64, 6), (1, 128, 9), (5, 20, 20), (3, 4, 64)])
def test_shapes_that_only_resemble_channels_first_are_not_changed(shape):
    rng = np.random.default_rng(0)
    arrays = plain() | {
        "x_train": rng.integers(0, 256, (40, *shape), dtype=np.uint8),
        "x_test": rng.integers(0, 256, (20, *shape), dtype=np.uint8),
    }
    assert convert(arrays).arrays["x_train"].shape == (40, *shape)


@pytest.mark.parametrize(
    ("kind", "change", "message"),
    [
        # values: the range that was found, and the way back to 0 to 1
        ("x", lambda x: x / 127.5 - 1, "x_train goes from -1 to 1; .* write (x_train + 1) / 2"),
        ("x", lambda x: x / 255 - 0.5, "x_train goes from -0.5 to 0.5; .* write x_train + 0.5"),
        ("x", lambda x: (x / 255 - 0.13) / 0.31, "from -0.4194 to 2.806; .* standardised: use"),
        ("x", lambda x: (x.astype(int) - 128).astype("i1"), "-128 to 127; .* x_train.astype('int16') + 128"),
        ("x", lambda x: x / 255 * 1.3, "x_train and x_test go from 0 to 1.3 in fractions; .* by 1.3"),
        ("x", lambda x: x / 16, "go from 0 to 15.94 in fractions; .* divide each x by 15.94"),
        ("x", lambda x: x / 250 * 255, "from 0 to 260.1 in fractions; .* divide each x by 260.1"),
        ("x", lambda x: x.astype("u2") * 16, "from 0 to 4080, beyond 255; .* (x * (255 / 4080))"),
        ("x", lambda x: x / 255 / 255, "from 0 to 0.003922, .* divided by 255 twice: multiply each x by 255"),
        (
            "x",
            lambda x: np.where(x > 200, np.nan, x),
            "x_train contains .* NaN or infinite; .* np.nan_to_num",
        ),
        ("x", lambda x: np.where(x > 200, np.inf, x / 1), "x_train contains .* NaN or infinite"),
        ("x", lambda x: x * 0, "every pixel of x_train is 0"),
        ("x", lambda x: x * 0 + 255, "every pixel of x_train is 255"),
        ("x", lambda x: x * 0.0 + 1, "every pixel of x_train is 1"),
        ("x", lambda x: np.repeat(x[:1], len(x), 0), "all images of x_train are the same"),
        # types
        ("x", lambda x: x * 1j, "x_train contains complex128; images must be numbers"),
        ("x", lambda x: x.astype("M8[s]"), "x_train contains datetime64[s]; images must be numbers"),
        ("x", lambda x: x.astype(str), "x_train contains texts such as '.*', not pixels"),
        ("x", lambda x: x.astype(object), "x_train contains Python objects; write np.stack(x_train)"),
        # shapes
        ("x", lambda x: x[0, 0, 0], "x_train has the shape (); images must be (examples, rows"),
        ("x", lambda x: x[:, :0], "x_train has the shape (40, 0, 8); images must be"),
        ("x", lambda x: x[:, :7].reshape(len(x), 56), "(40, 56), and 56 is not the square .* reshape("),
        ("x", lambda x: np.repeat(x.reshape(len(x), 64), 3, 1), "(40, 192); .* reshape(-1, 8, 8, 3)"),
        ("x", lambda x: np.stack([x, x], 1), "(40, 2, 8, 8), .* np.moveaxis(x_train, 1, -1)"),
        ("x", lambda x: np.moveaxis(x, 0, -1), "(8, 8, 40), with the images along the last .* np.moveaxis"),
        ("x", lambda x: x[..., None, None], "x_train has the shape (40, 8, 8, 1, 1); images must"),
        ("x", lambda x: x[1:], "it has 39 images in x_train and 40 labels in y_train"),
        # labels
        ("y", lambda y: y * 2, "labels from 0 to 6, but none is 1; .* return_inverse=True"),
        ("y", lambda y: y + 5 + (y > 2), "labels from 5 to 9, but none is 8"),
        ("y", lambda y: y.astype(int) - 1, "labels from -1 to 2; if -1 stands .* return_inverse=True"),
        ("y", lambda y: np.where(y > 1, 1, -1), "labels from -1 to 1; if -1 stands"),
        ("y", lambda y: y * 0, "every training image has the label 0; there must be two"),
        (
            "y",
            lambda y: y + 0.5,
            "y_train contains float64 such as .*; labels must be whole numbers or texts",
        ),
        ("y", lambda y: np.where(y == 1, np.nan, y), "y_train contains 10 values that are NaN"),
        ("y", lambda y: y.astype("u8") + 2**63, "labels must be the numbers of classes"),
        ("y", lambda y: np.eye(4)[y] * 0.9 + 0.025, "fractions of several .* np.argmax(y_train, axis=1)"),
        (
            "y",
            lambda y: np.maximum(np.eye(4)[y], np.eye(4)[3 - y]),
            "(40, 4) and 2 classes for image 0; each",
        ),
        ("y", lambda y: np.eye(4)[y] * (y > 0)[:, None], "(40, 4) and 0 classes for image"),
        ("y", lambda y: np.stack([y, y + 5], 1), "(40, 2) and is not one-hot; .* y_train[:, 0]"),
        ("y", lambda y: np.eye(4)[y].T, "y_train has the shape (4, 40), .* write y_train.T"),
        ("y", lambda y: y[np.newaxis], "y_train has the shape (1, 40), .* write y_train.T"),
        ("y", lambda y: np.repeat(y[:, None, None], 2, 1).repeat(2, 2), "y_train has the shape (40, 2, 2)"),
        ("y", lambda y: y[0], "y_train has the shape (); it must contain one label per image"),
        ("y", lambda y: np.where(y == 1, "", CLASS_NAMES[y]), "y_train contains 10 empty texts"),
        ("y", lambda y: y.astype(object), "y_train contains Python objects; write y_train.astype(str)"),
        ("y", lambda y: y.astype("M8[s]"), "y_train contains datetime64[s]; labels must be"),
        ("y", lambda y: CLASS_NAMES[y] if len(y) == 40 else y, "y_train contains texts and y_test numbers"),
        ("y", lambda y: y + (len(y) == 20), "y_test has the label 4, which no training image has"),
        ("y", lambda y: y + (len(y) == 40), "y_test has the label 0, which no training image has"),
    ],
)
def test_data_that_could_mean_two_things_is_refused_with_how_to_fix_it(kind, change, message):
    with pytest.raises(StudyError) as refusal:
        convert(changed(kind, change))
    sentence, position = str(refusal.value), 0
    assert "\n" not in sentence
    for piece in re.split(r" ?\.\* ?", message):
        assert piece in sentence[position:], sentence
        position = sentence.index(piece, position) + len(piece)


def test_more_than_256_classes_are_refused():
    rng = np.random.default_rng(0)
    arrays = {"y_train": np.arange(300), "y_test": np.arange(300)}
    arrays |= {f"x_{part}": rng.integers(0, 256, (300, 2, 2), dtype=np.uint8) for part in PARTS}
    with pytest.raises(StudyError, match="y_train contains 300 different labels; there may be at most 256"):
        convert(arrays)


@pytest.mark.parametrize(("part", "other"), [PARTS, PARTS[::-1]])
def test_parts_of_8_and_of_16_bits_are_refused(part, other):
    with pytest.raises(
        StudyError, match=f"x_{part} reaches 255 and x_{other} 6.554e.04; scale x_{other} to 255"
    ):
        convert(changed("x", lambda x: x.astype(np.uint16) * 257, [other]))


def test_images_of_8_and_of_16_bits_in_one_array_are_refused(monkeypatch):
    monkeypatch.setattr(convert_images, "CHUNK", 64)

    def mix(x):
        mixed = x.astype(np.uint16) * 257
        mixed[:3] = x[:3]
        return mixed

    with pytest.raises(StudyError, match="beyond 255"):
        convert(changed("x", mix, PARTS))


@pytest.mark.parametrize(("part", "other"), [PARTS, PARTS[::-1]])
@pytest.mark.parametrize("change", [lambda x: x / 255, lambda x: (x > 100).astype(np.uint8)])
def test_parts_on_two_scales_are_refused(part, other, change):
    with pytest.raises(StudyError, match=f"x_{part} reaches 1 and x_{other} 255; divide both by 255"):
        convert(changed("x", change, [part]))


@pytest.mark.parametrize(
    "names",
    [
        "train_images train_labels val_images val_labels test_images test_labels",  # MedMNIST
        "X_train Y_train X_val Y_val X_test Y_test",
        "trainX trainY validX validY testX testY",
        "train_data train_targets dev_data dev_targets test_data test_targets",
        "images.train labels.train images.validation labels.validation images.test labels.test",
    ],
)
def test_validation_images_become_the_last_training_images(names):
    held = bars(12, 2)
    arrays = plain()
    values = [arrays["x_train"], arrays["y_train"], *held, arrays["x_test"], arrays["y_test"]]
    by_name = dict(zip(names.split(), values, strict=True))
    conversion = convert({role: by_name[name] for role, name in roles(["ids", *by_name]).items()})
    assert conversion.validation_examples == 12
    parts = datasets.hold_out(conversion.arrays, 12)
    assert same({name: parts[name] for name in datasets.ARRAYS})
    assert np.array_equal(parts["x_validation"], held[0])
    assert np.array_equal(parts["y_validation"], held[1])
    assert "validation images: the 12 of the data are the last training images" in conversion.sentences


def test_the_exact_name_comes_first_and_two_other_names_are_refused():
    assert roles(["train_images", "X_train", "x_train"])["x_train"] == "x_train"
    with pytest.raises(
        StudyError, match="contains both train_images and X_train; rename the right one to x_train"
    ):
        roles(["train_images", "X_train"])


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["arr_0", "arr_1"], "it contains no x_train, but arr_0, arr_1; .*numpy.savez"),
        (["x", "y"], "it contains no x_train, but x, y; .*set some images aside as x_test"),
        ([*plain(), "x_val"], "it contains no y_validation"),
        ([*plain()][:3], "it contains no y_test, but x_train, y_train, x_test; it must contain x_train,"),
        ([], "it contains no x_train, but nothing"),
    ],
)
def test_a_missing_array_is_reported_with_the_names_of_the_others(names, message):
    with pytest.raises(StudyError, match=message):
        require_roles(roles(names), names)
