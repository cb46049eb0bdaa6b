"""Machine code gives the same bits on every x86-64 with AVX2 and FMA.

Each network is trained for an epoch of the digits, and a digest of its weights is compared with the one in
`tests/bits.json`. After a deliberate change of the arithmetic, write the file again:

    WRITE_BITS=1 .venv/bin/python -m pytest tests/unit/test_bits.py -n 0

`full_matrix_adam` decomposes matrices by OpenBLAS: its digests are those of the versions that NumPy
and SciPy in requirements.txt bring, with the code for AVX2 that few_weights/__init__.py chooses.
"""

import hashlib
import json
import os
import re
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers
from samples.model_trainer import ModelTrainer
from samples.networks import ADADELTA, ADAM, FULL_MATRIX, MOMENTUM, RMSPROP, SGD, build

from few_weights.engine import compilation
from few_weights.engine.preparation import prepare

FILE = Path(__file__).parents[1] / "bits.json"
DIGITS = Path(__file__).parents[2] / "workflow" / "resources" / "digits.npz"
SCHEDULE = {"name": "warmup_cosine", "warmup": 0.2}

WIDTHS = {
    "mlp": 5,
    "pooled_mlp": 9,
    "cnn": 2,
    "vgg": 3,
    "separable": 5,
    "deep_separable": 4,
    "recurrent": 5,
    "strided_recurrent": 6,
    "looped": 5,
    "looped_doubled": 3,
}
#: Faster than in other tests, so that a single epoch changes much.
OPTIMIZERS = {
    "adadelta": ADADELTA,
    "adam": ADAM,
    "rmsprop": RMSPROP | {"learning_rate": 0.01},
    "sgd": SGD | {"learning_rate": 0.2},
    "momentum": MOMENTUM | {"nesterov": True},
    "full_matrix_adam": FULL_MATRIX | {"refresh": 10},
    "full_matrix_adam 5 bits": FULL_MATRIX | {"refresh": 10, "weight_bits": 5, "rounded_from": 12},
}
#: With the weights of this test, looped diverges, and the gradients of looped_doubled are too small to move a
#: weight of its first convolution.
UNSUITABLE = {
    ("looped", "momentum"),
    *(("looped_doubled", optimizer) for optimizer in ("adadelta", "sgd", "momentum")),
}
#: Those with few enough parameters for it.
FULL_MATRIX_NETWORKS = (
    "separable",
    "deep_separable",
    "recurrent",
    "strided_recurrent",
    "looped",
    "looped_doubled",
)


def everything():
    """The kinds of layers that the built-in networks do not have."""
    inputs = layers.Input((28, 28, 1))
    x = layers.Conv2D(3, 3, strides=2, padding="same", use_bias=False)(inputs)
    x = layers.Activation("silu")(layers.BatchNormalization()(x))
    y = layers.SeparableConv2D(3, 4, padding="same", activation="tanh")(x)
    y = layers.Dropout(0.2)(layers.LayerNormalization()(y))
    x = layers.Concatenate()([layers.Add()([x, y]), layers.AveragePooling2D(3, 1, "same")(x)])
    x = layers.PReLU(shared_axes=[1, 2])(layers.MaxPooling2D(3, 2, "same")(x))
    x = layers.Conv2D(4, 2, activation="elu")(x)
    x = layers.Dense(7, activation="sigmoid")(layers.Flatten()(layers.LeakyReLU()(x)))
    return keras.Model(inputs, layers.Dense(10, activation="softmax")(x))


@pytest.fixture(scope="module")
def digits():
    """The digits in 28 x 28 pixels, for which all networks are made: each pixel three times, in a border."""
    with np.load(DIGITS) as arrays:
        images = np.kron(arrays["x_train"], np.ones((3, 3), np.uint8))
        return np.pad(images, [(0, 0), (2, 2), (2, 2)])[..., None], arrays["y_train"]


def digest(name, optimizer, digits, schedule=None):
    """Sixteen digits of the SHA-256 of all weights after an epoch in batches of 50, the last of 37."""
    keras.backend.clear_session()
    model = everything() if name == "everything" else build(name, WIDTHS[name], (28, 28, 1))
    rng = np.random.default_rng(0)
    for variable in model.variables:
        if "seed_generator" in variable.path:
            variable.assign([3, 0])
        elif len(variable.shape) > 1:
            scale = 1 / np.sqrt(np.prod(variable.shape[:-1]))
            variable.assign(rng.uniform(-scale, scale, variable.shape).astype(np.float32))
    images, labels = digits
    trainer = ModelTrainer(model, optimizer, 50, images, labels, schedule, epochs=1)
    assert trainer.path.startswith("by machine code")
    before = [np.array(variable) for variable in model.trainable_variables]
    assert np.isfinite(trainer.train_epoch(rng.permutation(len(labels)))[0])
    for variable, value in zip(model.trainable_variables, before, strict=True):
        assert np.any(np.asarray(variable) != value), f"{variable.path} does not change"
    found = hashlib.sha256()
    for variable in model.variables:
        found.update(np.ascontiguousarray(variable).tobytes())
    return found.hexdigest()[:16]


CASES = [
    *(
        (name, optimizer, None)
        for name in WIDTHS
        for optimizer in OPTIMIZERS
        if not optimizer.startswith("full_matrix_adam") or name in FULL_MATRIX_NETWORKS
        if (name, optimizer) not in UNSUITABLE
    ),
    ("everything", "adam", None),
    ("everything", "momentum", SCHEDULE),
    ("cnn", "adam", SCHEDULE),
]


#: What LLVM may be asked for: instructions that processors have, and no function of the C library.
INSTRUCTIONS = {
    *("sqrt", "floor", "fabs", "copysign", "fmuladd", "masked.store"),
    *("x86.sse.ldmxcsr", "x86.sse.stmxcsr"),
}


@pytest.mark.parametrize("name", ["everything", "cnn"])
def test_no_function_of_the_c_library_is_called(name):
    """Its last bit may differ between versions."""
    model = everything() if name == "everything" else build(name, 2, (28, 28, 1))
    source = prepare(model, ADAM, 50, 500).code.source
    declared = re.findall(r'declare .*@"?llvm\.([\w.]+?)(?:\.v8f32)?(?:\.p0)?"?\(', source)
    assert len(declared) == len(re.findall("^declare ", source, re.MULTILINE))
    assert set(declared) <= INSTRUCTIONS


@pytest.mark.slow
@pytest.mark.skipif(
    compilation.where_bits_are_equal() == compilation.OWN_BITS,
    reason="not an x86-64 with FMA: its bits are its own",
)
@pytest.mark.parametrize(
    ("name", "optimizer", "schedule", "processor"),
    [
        *((*case, None) for case in CASES),
        # The optimizers' code is the same for all networks.
        *((*case, "x86-64-v3") for case in CASES if case[0] == "cnn" or case[1] == "adam"),
    ],
    ids=lambda value: value if isinstance(value, str) else "schedule" if value else "",
)
def test_a_training_gives_the_bits_that_are_committed(
    name, optimizer, schedule, processor, digits, monkeypatch
):
    """On this processor; and by the code for any processor with AVX2 and FMA."""
    if processor:
        monkeypatch.setenv(compilation.PROCESSOR, processor)
    key = " ".join([name, optimizer, *(["schedule"] if schedule else [])])
    found = digest(name, OPTIMIZERS[optimizer], digits, schedule)
    committed = json.loads(FILE.read_text()) if FILE.exists() else {}
    if os.environ.get("WRITE_BITS") and processor is None:
        FILE.write_text(json.dumps(committed | {key: found}, indent=0, sort_keys=True) + "\n")
        return
    assert found == committed[key]
