"""A network that cannot be trained, counted, stored or exported is refused before training."""

import pytest
from samples.networks import ADAM
from samples.odd_networks import CLASSES, HEAD, IMAGE, NOT_EXPORTED, RIGHT, WRONG

from few_weights.engine.preparation import prepare
from few_weights.errors import StudyError
from few_weights.networks import check, counts
from few_weights.networks.weights import named_weights


@pytest.fixture
def examine(tmp_path, monkeypatch):
    """Examine a function `net` in a separate file; Keras' settings are restored afterwards."""
    import keras

    policy = keras.config.dtype_policy()

    def run(code, seeds=(0, 1), export=False):
        (tmp_path / "nets.py").write_text(HEAD + code)
        network = {"file": str(tmp_path / "nets.py"), "function": "net", "options": {}}
        training = {"optimizer": ADAM, "seeds": list(seeds), "export": export}
        return check.examine("mine", network, 3, IMAGE, CLASSES, training)

    yield run
    keras.config.set_dtype_policy(policy)


@pytest.mark.parametrize("what", RIGHT)
def test_unusual_networks_that_are_right_pass(examine, what):
    model, warnings = examine(RIGHT[what], export="Lambda" not in RIGHT[what])
    assert warnings == []
    table = counts.layer_table(model)
    assert sum(row["parameters"] for row in table) == counts.trainable_parameters(model)
    named = named_weights(model)
    assert [array.shape for array in named.values()] == [tuple(w.shape) for w in model.weights]
    assert prepare(model, ADAM, 13, 100).path.startswith("by ")


@pytest.mark.parametrize("what", WRONG)
def test_a_mistake_is_reported_in_one_sentence(examine, what):
    code, message = WRONG[what]
    with pytest.raises(StudyError, match=message) as error:
        examine(code)
    assert str(error.value).startswith("mine of width 3")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("what", NOT_EXPORTED)
def test_a_network_that_cannot_be_exported_is_refused_before_training(examine, what):
    code, message = NOT_EXPORTED[what]
    examine(code)
    with pytest.raises(StudyError, match=message) as error:
        examine(code, export=True)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("what", ["zeros everywhere", "a seed in an initializer"])
def test_a_single_seed_need_not_change_the_weights(examine, what):
    examine(WRONG[what][0], seeds=[4])


SCALED_AGAIN = {
    "divided by 255 again": (
        """
def net(width, image_shape, classes):
    inner = Sequential([layers.Input(image_shape), layers.Rescaling(1 / 255, name="again"), layers.Flatten()])
    x0 = layers.Input(image_shape)
    return end(x0, inner(x0), classes)
""",
        "and the layer again makes them span 0.0039 instead of 1",
    ),
    "divided by 127.5 again": (
        """
def net(width, image_shape, classes):
    x0 = layers.Input(image_shape)
    return end(x0, layers.Flatten()(x0 / 127.5 - 1.0), classes)
""",
        "makes them span 0.0078 instead of 1",
    ),
}


@pytest.mark.parametrize("what", SCALED_AGAIN)
def test_images_that_are_scaled_again_are_a_warning(examine, what):
    code, message = SCALED_AGAIN[what]
    _, warnings = examine(code)
    assert len(warnings) == 1
    assert warnings[0].startswith("mine of width 3: images are given divided by 255 already, and the layer ")
    assert message in warnings[0]


def test_outputs_that_depend_on_the_batch_are_a_warning(examine):
    _, warnings = examine(
        """
def net(width, image_shape, classes):
    x0, x = flat(image_shape)
    return end(x0, x - ops.mean(x, axis=0, keepdims=True), classes)
"""
    )
    assert warnings == [
        "mine of width 3: what it returns for an image depends on the other images of the batch"
    ]


def test_widths_that_give_the_same_network_are_a_warning():
    def records(*parameters):
        return [
            {"width": width, "parameters": count, "multiply_adds": count}
            for width, count in enumerate(parameters, 1)
        ]

    assert check.width_warnings("mine", records(10)) == []
    assert check.width_warnings("mine", records(10, 20)) == []
    assert check.width_warnings("mine", records(10, 10, 20)) == [
        "mine is the same network at the widths 1, 2"
    ]
    with pytest.raises(StudyError, match="mine is the same network at all its widths"):
        check.width_warnings("mine", records(10, 10))
