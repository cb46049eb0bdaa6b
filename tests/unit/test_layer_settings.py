"""A setting that the readers of layers do not know goes by Keras; one that they know gives Keras' steps."""

import keras
import numpy as np
import pytest
from keras import layers
from samples.model_trainer import ModelTrainer
from samples.networks import SGD
from samples.single_steps import Reference, changes, noise, require_close

from few_weights.engine.group_plan import READERS
from few_weights.engine.layer_readers import ADDITION
from few_weights.engine.optimizers import build_optimizer
from few_weights.engine.preparation import choose_path

pytestmark = pytest.mark.slow

IMAGE = (9, 11, 3)
#: What a layer needs; two of each that merges.
NEEDED = {
    "Conv2D": {"filters": 3, "kernel_size": 3},
    "DepthwiseConv2D": {"kernel_size": 3},
    "SeparableConv2D": {"filters": 3, "kernel_size": 3},
    "Dense": {"units": 4},
    "Activation": {"activation": "relu"},
    "Reshape": {"target_shape": [11, 9, 3]},
    "AveragePooling2D": {"pool_size": 2},
    "Dropout": {"rate": 0.0},
    "SpatialDropout2D": {"rate": 0.0},
}
#: What else a setting may be, by the end of its name.
OTHERS = {
    "activation": ["gelu", "relu6", "softmax", keras.ops.tanh],
    "activity_regularizer": ["l2"],
    "alpha": [0.5, 0.0],
    "axis": [1, 3, -2, [1, 2]],
    "constraint": ["non_neg"],
    "cropping": [1],
    "data_format": ["channels_first"],
    "depth_multiplier": [2],
    "dilation_rate": [2, [1, 2]],
    "dtype": ["float64", "mixed_float16"],
    "epsilon": [0.1],
    "filters": [6],
    "groups": [3],
    "kernel_size": [[2, 5]],
    "lora_alpha": [0.5],
    "lora_rank": [1],
    "max_value": [0.2],
    "momentum": [0.5],
    "negative_slope": [0.3],
    "noise_shape": [[None, 1, 1, 3]],
    "padding": ["same", "valid", 2, [1, 0], [[1, 0], [0, 2]]],
    "pool_size": [[2, 3]],
    "quantization_config": [],
    "rate": [1.0, 0.4],
    "regularizer": ["l1", "l2"],
    "renorm_clipping": [{"rmax": 2.0}],
    "renorm_momentum": [0.5],
    "seed": [3],
    "shared_axes": [1, 3, [1, 2], [1, 2, 3]],
    "strides": [2, [1, 2]],
    "target_shape": [[-1], [33, 9], [3, 9, 11]],
    "threshold": [0.1],
    "units": [9],
}
#: Settings without a value that matters here: names and initial weights are no part of a step.
WITHOUT_MEANING = ("name", "_initializer")


def make(kind, **settings):
    """A network with the layer between others; a softmax at the end."""
    inputs = layers.Input(IMAGE)
    if kind == "Softmax":
        logits = layers.Dense(5)(layers.Flatten()(inputs))
        return keras.Model(inputs, layers.Softmax(**settings)(logits))
    x = layers.Conv2D(3, 1)(inputs)
    layer = getattr(layers, kind)(**NEEDED.get(kind, {}) | settings)
    x = layer([x, inputs]) if kind in ("Add", "Concatenate") else layer(x)
    return keras.Model(inputs, layers.Dense(5, activation="softmax")(layers.Flatten()(x)))


def alternatives(kind):
    """All settings of a layer with other values: (name, value)."""
    config = getattr(layers, kind)(**NEEDED.get(kind, {})).get_config()
    for name, value in config.items():
        if name.endswith(WITHOUT_MEANING):
            continue
        if isinstance(value, bool):
            yield name, not value
            continue
        ends = [end for end in OTHERS if name.endswith(end)]
        assert ends, f"no other value is known for {kind}'s setting {name}; add some to OTHERS"
        for other in OTHERS[max(ends, key=len)]:
            yield name, other


KINDS = sorted(kind.__name__ for kind in READERS if kind is not ADDITION)
CASES = [(kind, name, value) for kind in KINDS for name, value in [("name", None), *alternatives(kind)]]


@pytest.mark.parametrize(("kind", "name", "value"), CASES, ids=lambda value: str(value)[:20])
def test_any_setting_of_a_layer_goes_by_keras_or_gives_the_steps_of_keras(kind, name, value):
    """One step, if machine code is written; a setting that Keras refuses is nobody's."""
    keras.backend.clear_session()
    keras.utils.set_random_seed(1)
    optimizer = build_optimizer(SGD)
    try:
        model = make(kind, **{name: value})
    except Exception as error:
        pytest.skip(f"refused by Keras: {type(error).__name__}")
    path = choose_path(model, optimizer, 10_000)[2]
    if path.startswith("by Keras"):
        assert name != "name", f"the layer as it is: {path}"
        return
    if "dropout" in path:
        assert value in (0.4, 3)  # what is dropped has tests of its own
        return
    images, labels = noise(11, IMAGE, 5)
    batches = [(images / np.float32(255), labels)]
    reference = Reference(model, optimizer)
    begin = reference.state()
    try:
        before, after, loss = reference.take_steps(begin, batches)
    except Exception as error:
        pytest.skip(f"refused by Keras: {type(error).__name__}")
    reference.assign(begin)
    trainer = ModelTrainer(model, SGD, 11, images, labels, epochs=1000)
    reported, _ = trainer.train_epoch(np.arange(11))
    ours = changes(before, trainer.state())
    require_close(reference, 0, begin, batches, ours, changes(before, after))
    if not model.losses:
        assert reported == pytest.approx(loss, rel=1e-4)
