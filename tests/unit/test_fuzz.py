"""Random networks: one step of the engine against one step of plain Keras, at several points of a training.

`FUZZ_NETWORKS=1000 FUZZ_SEED=7 pytest tests/unit/test_fuzz.py` runs a longer campaign with other networks.
"""

import contextlib
import os
from dataclasses import dataclass

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import HealthCheck, Phase, assume, given, note, reject, seed, settings
from hypothesis import strategies as st
from keras import layers

from few_weights.engine import optimizers
from few_weights.engine.again import Again
from few_weights.engine.trainer import Trainer
from few_weights.errors import StudyError

NETWORKS = int(os.environ.get("FUZZ_NETWORKS", "50"))
SEED = int(os.environ.get("FUZZ_SEED", "0"))

#: A weight's error, over the largest update in its array: sums of up to some thousand float32 products, in
#: two orders, differ by about 1e-5 of the largest.
ROUNDING = 1e-4

#: Where that is exceeded, Keras itself is asked how much rounding matters: it takes the step again with
#: errors of this share, a few units in the last place, of each weight, then of an array's largest gradient. A
#: unit that stands at an edge of ReLU or pooling then falls to either side, a gradient that is 0 but for
#: rounding (a bias before batch normalisation) becomes another one, and Adam makes much of small gradients.
#: What is exactly 0 stays 0, so that ReLU of 0 is still compared.
DISTURBANCE = 1e-6
DISTURBED_STEPS = 8


@dataclass(frozen=True)
class Case:
    """A network and how it is trained.

    Args:
        body: its layers, each (name, arguments), or one of the compositions that `add_layers` knows.
        sequential: a `keras.Sequential`, or else a functional model.
        batches: the sizes of a full batch and of the last one of an epoch.
        black: whether the images are bars on black, or else noise.
    """

    image: tuple[int, int, int]
    body: list
    sequential: bool
    classes: int
    optimizer: dict
    schedule: dict | None
    shift: int
    batches: tuple[int, int]
    black: bool


# How a network is built


class Doubling(layers.Dense):
    """Derived from a layer that a fast way knows, and another one."""

    def call(self, x, training=None):
        return 2.0 * super().call(x)


class WeakPooling(layers.MaxPooling2D):
    def call(self, x):
        return 0.5 * super().call(x)


OWN = {"Doubling": Doubling, "WeakPooling": WeakPooling}

#: Activations that have the name or the look of others.
FUNCTIONS = {"ops.relu": keras.ops.relu, "half relu": lambda x: 0.5 * keras.ops.relu(x)}


def make_layer(name, arguments):
    arguments = dict(arguments)
    rank = arguments.pop("lora", 0)
    if arguments.get("activation") in FUNCTIONS:
        arguments["activation"] = FUNCTIONS[arguments["activation"]]
    if name == "Lambda":
        arguments["function"] = keras.ops.square
    layer = (OWN.get(name) or getattr(layers, name))(**arguments)
    layer.wanted_rank = rank
    return layer


def add_layers(body, x):
    """Apply layers to a symbolic tensor, or append them to a list; returns that, and the layers made."""
    made = []

    def apply(layer, *others):
        made.append(layer)
        return [*x, layer] if isinstance(x, list) else layer([x, *others] if others else x)

    for kind, *rest in body:
        if kind == "nested":
            x = apply(keras.Sequential([make_layer(*each) for each in rest[0]]))
        elif kind == "shared":
            first = make_layer(*rest[0])
            x = apply(first)
            x = apply(make_layer(*rest[1]))
            x = apply(Again(first)) if isinstance(x, list) else first(x)
        elif kind == "branches":
            (x, one), (other, two) = (add_layers(branch, x) for branch in rest[1:])
            made += [*one, *two]
            x = apply(getattr(layers, rest[0])(), other)
        else:
            x = apply(make_layer(kind, *rest))
    return x, made


def build(case):
    keras.utils.set_random_seed(1)
    inputs = layers.Input(case.image)
    if case.sequential:
        stack, made = add_layers(case.body, [inputs])
        model = keras.Sequential(stack)
    else:
        outputs, made = add_layers(case.body, inputs)
        model = keras.Model(inputs, outputs)
    for layer in made:
        if getattr(layer, "wanted_rank", 0):
            layer.enable_lora(layer.wanted_rank)
    return model


# How a case is drawn

ACTIVATIONS = ["relu", "linear", "gelu", "silu", "tanh", "sigmoid", "elu", "leaky_relu", "relu6", *FUNCTIONS]


def rarely(draw, one_in=8):
    return draw(st.integers(0, one_in - 1)) == one_in - 1


def draw_extras(draw, regularised=("kernel",)):
    """What may be asked of a layer with weights on top of its layer."""
    extras = {}
    if rarely(draw, 4):
        kind = draw(
            st.sampled_from(["regularizer", "constraint", "activity", "frozen", "float64", "no bias"])
        )
        part = draw(st.sampled_from([*regularised, "bias"]))
        if kind == "regularizer":
            extras[f"{part}_regularizer"] = draw(st.sampled_from(["l1", "l2"]))
        elif kind == "constraint":
            extras[f"{part}_constraint"] = draw(st.sampled_from(["non_neg", "max_norm"]))
        elif kind == "activity":
            extras["activity_regularizer"] = "l2"
        elif kind == "no bias":
            extras["use_bias"] = False
        else:
            extras |= {"trainable": False} if kind == "frozen" else {"dtype": "float64"}
    return extras


def draw_window(draw, shape, largest=4):
    return [draw(st.integers(1, min(largest, side))) for side in shape[:2]]


def draw_convolution(draw, shape, kind="Conv2D"):
    arguments = {"kernel_size": draw_window(draw, shape), "padding": draw(st.sampled_from(["valid", "same"]))}
    if rarely(draw, 6):
        arguments["kernel_size"] = list(shape[:2])
    spacing = draw(st.sampled_from(["plain", "plain", "strides", "dilation"]))
    if spacing == "strides":
        arguments["strides"] = step = draw(st.integers(2, 3))
        if kind == "Conv2DTranspose":  # TensorFlow 2.21 writes past its memory where the kernel is smaller
            arguments["kernel_size"] = [max(step, size) for size in arguments["kernel_size"]]
    elif spacing == "dilation" and arguments["padding"] == "same" and kind != "Conv2DTranspose":
        arguments["dilation_rate"] = 2
    if kind == "DepthwiseConv2D":
        arguments["depth_multiplier"] = draw(st.sampled_from([1, 1, 2]))
        parts = ("depthwise",)
    elif kind == "SeparableConv2D":
        arguments["filters"] = draw(st.integers(1, 4))
        parts = ("depthwise", "pointwise")
    else:
        arguments["filters"] = draw(st.integers(1, 4))
        groups = draw(st.sampled_from([1, 1, 1, shape[2]]))
        if groups > 1 and kind == "Conv2D":
            arguments |= {"groups": groups, "filters": groups * draw(st.integers(1, 2))}
        parts = ("kernel",)
    arguments["activation"] = draw(st.sampled_from(ACTIVATIONS))
    if kind == "Conv2D" and "groups" not in arguments and rarely(draw, 12):
        arguments["lora"] = 1
    return kind, arguments | draw_extras(draw, parts)


def draw_dense(draw, shape):
    arguments = {"units": draw(st.integers(1, 9)), "activation": draw(st.sampled_from(ACTIVATIONS))}
    if rarely(draw, 12):
        arguments["lora"] = 1
    return draw(st.sampled_from(["Dense"] * 7 + ["Doubling"])), arguments | draw_extras(draw)


def draw_pooling(draw, shape):
    kind = draw(st.sampled_from(["MaxPooling2D", "MaxPooling2D", "AveragePooling2D", "WeakPooling"]))
    arguments = {
        "padding": draw(st.sampled_from(["valid", "same"])),
        "pool_size": draw_window(draw, shape, 3),
    }
    if rarely(draw, 3):
        arguments["strides"] = draw(st.integers(1, 3))
    return kind, arguments


def draw_batch_normalisation(draw, shape):
    arguments = {
        "momentum": draw(st.sampled_from([0.9, 0.5])),
        "epsilon": draw(st.sampled_from([1e-3, 1e-2])),
    }
    if rarely(draw, 4):
        arguments |= draw(
            st.sampled_from([{"center": False}, {"scale": False}, {"axis": 1}, {"trainable": False}])
        )
    return "BatchNormalization", arguments


def draw_other_normalisation(draw, shape):
    return draw(
        st.sampled_from(
            [
                ("LayerNormalization", {}),
                ("LayerNormalization", {"axis": [1, 2, 3]} if len(shape) == 3 else {}),
                ("GroupNormalization", {"groups": draw(st.sampled_from([1, shape[-1]]))}),
                ("UnitNormalization", {}),
                ("RMSNormalization", {}),
                ("Normalization", {"mean": 0.2, "variance": 0.5}),
                ("Rescaling", {"scale": 2.0, "offset": -0.5}),
            ]
        )
    )


def draw_activation(draw, shape):
    return draw(
        st.sampled_from(
            [
                *(("Activation", {"activation": name}) for name in ACTIVATIONS),
                ("ReLU", {}),
                ("ReLU", {"max_value": 0.5, "negative_slope": 0.1, "threshold": 0.1}),
                ("LeakyReLU", {"negative_slope": 0.2}),
                ("PReLU", {"shared_axes": [1, 2] if len(shape) == 3 else None}),
                ("ELU", {"alpha": 0.5}),
                ("Softmax", {}),
                ("Lambda", {}),
            ]
        )
    )


def draw_random(draw, shape):
    kinds = [
        ("Dropout", {"rate": 0.3}),
        ("GaussianNoise", {"stddev": 0.1}),
        ("GaussianDropout", {"rate": 0.2}),
    ]
    if len(shape) == 3:
        kinds += [("SpatialDropout2D", {"rate": 0.3})]
        kinds += [("RandomFlip", {}), ("RandomBrightness", {"factor": 0.2, "value_range": [0, 1]})]
    kind, arguments = draw(st.sampled_from(kinds))
    return kind, arguments | {"seed": 5}


def draw_rearrangement(draw, shape):
    rows, columns, channels = shape
    kinds = [
        ("ZeroPadding2D", {"padding": draw(st.sampled_from([1, [[0, 1], [1, 0]]]))}),
        ("UpSampling2D", {"size": [1, 2]}),
        ("UpSampling2D", {"size": 2, "interpolation": "bilinear"}),
        ("Permute", {"dims": [2, 1, 3]}),
        ("Permute", {"dims": [3, 2, 1]}),
        ("Reshape", {"target_shape": [columns, rows, channels]}),
        ("Reshape", {"target_shape": [rows, -1, 1]}),
    ]
    if min(rows, columns) > 1:
        kinds.append(("Cropping2D", {"cropping": [[1, 0], [0, 1]]}))
    return draw(st.sampled_from(kinds))


def draw_same_shape(draw, shape):
    """A layer whose output has the shape of its input."""
    if len(shape) == 1:
        plain = [("Dense", {"units": shape[0], "activation": draw(st.sampled_from(ACTIVATIONS))})]
    else:
        kernel = {"kernel_size": draw(st.integers(1, 3)), "padding": "same"}
        plain = [
            ("Conv2D", kernel | {"filters": shape[2]}),
            ("DepthwiseConv2D", kernel | {"use_bias": False}),
        ]
    plain += [draw_batch_normalisation(draw, shape), draw_activation(draw, shape)]
    return draw(st.sampled_from(plain))


def draw_composition(draw, shape):
    kind = draw(st.sampled_from(["nested", "shared", "branches"]))
    if kind == "nested":
        return kind, [draw_same_shape(draw, shape) for _ in range(draw(st.integers(1, 2)))]
    if kind == "shared":
        return kind, draw_same_shape(draw, shape), draw_activation(draw, shape)
    merge = draw(st.sampled_from(["Add", "Concatenate", "Multiply", "Average", "Maximum", "Subtract"]))
    return kind, merge, [draw_same_shape(draw, shape)], [draw_same_shape(draw, shape)]


def draw_any(draw, shape):
    choices = [draw_batch_normalisation, draw_activation, draw_random, draw_other_normalisation]
    choices += [draw_composition, draw_dense]
    if len(shape) == 3:
        choices += [draw_convolution, draw_pooling, draw_rearrangement] * 2
        kinds = ("DepthwiseConv2D", "SeparableConv2D", "Conv2DTranspose")
        choices += [lambda draw, shape, kind=kind: draw_convolution(draw, shape, kind) for kind in kinds]
    return draw(st.sampled_from(choices))(draw, shape)


def draw_for_machine_code(draw, shape):
    """Layers that machine code takes."""
    activation = {"activation": draw(st.sampled_from(["relu", "linear"]))}
    if len(shape) == 1:
        return "Dense", {"units": draw(st.integers(1, 20))} | activation
    if min(shape[:2]) < 3:
        return "Flatten", {}
    if rarely(draw, 3):
        return "MaxPooling2D", {}
    padding = draw(st.sampled_from(["valid", "same"]))
    return "Conv2D", {"filters": draw(st.integers(1, 10)), "kernel_size": 3, "padding": padding} | activation


def draw_small(draw, shape):
    """Layers that small networks are made of."""
    activation = draw(st.sampled_from(["relu", "gelu", "linear", "silu"]))
    if len(shape) == 1:
        dense = "Dense", {"units": draw(st.integers(1, 9)), "activation": activation}
        return draw_batch_normalisation(draw, shape) if rarely(draw, 4) else dense
    kernel = {"kernel_size": draw_window(draw, shape), "padding": draw(st.sampled_from(["valid", "same"]))}
    bias = {"use_bias": draw(st.booleans())}
    choices = [
        ("Conv2D", {"filters": draw(st.integers(1, 3)), "activation": activation} | kernel | bias),
        ("Conv2D", {"filters": draw(st.integers(1, 4)), "kernel_size": 1} | bias),
        ("DepthwiseConv2D", {"activation": activation} | kernel | bias),
        draw_batch_normalisation(draw, shape),
        ("Activation", {"activation": activation}),
    ]
    if min(shape[:2]) >= 2:
        choices += [("MaxPooling2D", {}), ("MaxPooling2D", {}), ("AveragePooling2D", {})]
    return draw(st.sampled_from(choices))


def draw_block(draw):
    """A convolution as it is written in many networks, with all that follows it."""
    activation = draw(st.sampled_from(["relu", "gelu", "silu"]))
    return [
        ("Conv2D", {"filters": draw(st.integers(1, 3)), "kernel_size": 3, "use_bias": False}),
        ("BatchNormalization", {}),
        ("Activation", {"activation": activation}),
        ("MaxPooling2D", {}),
        ("BatchNormalization", {}),
    ]


def shape_after(item, shape):
    """The shape behind a layer, of one example. Refuses what Keras refuses, and what would be large."""
    with refused_by_keras():
        inputs = layers.Input(shape)
        outputs = add_layers([item], inputs)[0]
    assume(None not in outputs.shape[1:] and 0 < np.prod(outputs.shape[1:]) <= 1500)
    return outputs.shape[1:]


@contextlib.contextmanager
def refused_by_keras():
    try:
        yield
    except (ValueError, TypeError, NotImplementedError, tf.errors.OpError, StudyError):
        reject()


OPTIMIZERS = [
    {"name": "adadelta", "learning_rate": 1.0, "rho": 0.9},
    {"name": "rmsprop", "learning_rate": 0.003, "rho": 0.9},
    {"name": "adam", "learning_rate": 0.01, "beta_1": 0.9, "beta_2": 0.99},
    {"name": "sgd", "learning_rate": 0.05},
    {"name": "sgd", "learning_rate": 0.02, "momentum": 0.9, "nesterov": True},
    {"name": "full_matrix_adam", "learning_rate": 0.01, "beta_1": 0.9, "beta_2": 0.99, "refresh": 5},
]


def draw_end_of_space(draw, style):
    """From images to features."""
    others = ["GlobalAveragePooling2D", "GlobalMaxPooling2D"] * (style != draw_for_machine_code)
    return draw(st.sampled_from(["Flatten", "Flatten", *others])), {}


@st.composite
def cases(draw):
    style = draw(st.sampled_from([draw_any, draw_for_machine_code, draw_small]))
    sides = [1, 2, 3, 6, 7, 8, 9, 11, 12, 13]
    shape = image = (*(draw(st.sampled_from(sides[2 * (style != draw_any) :])) for _ in range(2)), 1)
    if rarely(draw, 4):
        shape = image = (*image[:2], 3)
    # The simplest of all networks is the first that every run of hypothesis tries.
    assume(image != (1, 1, 1))
    body = []
    for _ in range(draw(st.integers(0, 3 if style == draw_small else 6))):
        if style == draw_small and len(shape) == 3 and min(shape[:2]) >= 5 and draw(st.booleans()):
            items = draw_block(draw)
        else:
            items = [(draw_any if rarely(draw, 15) else style)(draw, shape)]
        for item in items:
            shape = shape_after(item, shape)
        body += items
        if len(shape) == 3 and rarely(draw, 6):
            body.append(draw_end_of_space(draw, style))
            shape = shape_after(body[-1], shape)
    classes = draw(st.integers(2, 10))
    if len(shape) > 1:
        body.append(draw_end_of_space(draw, style))
        shape = shape_after(body[-1], shape)
    body.append(("Dense", {"units": classes, "activation": "softmax"}))
    if rarely(draw):
        body[-1:] = [("Dense", {"units": classes}), ("Softmax", {})]
    full = draw(st.sampled_from([1, 1, 2, 3, 5, 8, 9, 17]))
    last = draw(st.sampled_from([1, 1, max(1, full - 1), full]))
    plain = style == draw_for_machine_code and not rarely(draw, 4)
    branched = any(item[0] == "branches" for item in body)
    sequential = not branched and (style == draw_small or not rarely(draw, 6))
    return Case(
        image=image,
        body=body,
        sequential=sequential,
        classes=classes,
        optimizer=draw(st.sampled_from(OPTIMIZERS[:4] if plain else OPTIMIZERS)),
        schedule=None if plain or draw(st.booleans()) else {"name": "warmup_cosine", "warmup": 0.25},
        shift=0 if plain or not rarely(draw, 4) else 1,
        batches=(full, last),
        black=draw(st.booleans()),
    )


# How a case is compared


def images_of(case, count):
    rng = np.random.default_rng(2)
    labels = rng.integers(0, case.classes, count).astype(np.uint8)
    images = rng.integers(1, 256, (count, *case.image)).astype(np.uint8)
    if case.black:
        for image, label in zip(images, labels, strict=True):
            image[np.arange(len(image)) % case.classes != label % len(image)] = 0
    return images, labels


def moved(images, shifts):
    """Images moved by rows and columns; what enters is black."""
    result = np.zeros_like(images)
    rows, columns = images.shape[1:3]
    for image, target, (down, right) in zip(images, result, shifts, strict=True):
        for row in range(rows):
            for column in range(columns):
                if 0 <= row - down < rows and 0 <= column - right < columns:
                    target[row, column] = image[row - down, column - right]
    return result


def changes(before, after):
    return [
        np.asarray(new, np.float64) - np.asarray(old, np.float64)
        for old, new in zip(before, after, strict=True)
    ]


class Reference:
    """Plain Keras, which can begin any step from any state."""

    def __init__(self, case, steps):
        self.model = build(case)
        optimizer = optimizers.build_optimizer(case.optimizer, case.schedule, steps)
        # Layer after layer, with no compiler that could fuse or reorder what is compared.
        self.model.compile(optimizer, "sparse_categorical_crossentropy", run_eagerly=True, jit_compile=False)
        optimizer.build(self.model.trainable_variables)
        self.variables = [*self.model.variables, *optimizer.variables]

    def state(self):
        return [np.array(variable.numpy()) for variable in self.variables]

    def take_steps(self, state, batches, weights_by=0.0, gradients_by=0.0, rng=None):
        """Steps from a state, perhaps disturbed: the states before and behind them, and the last loss."""
        for variable, value in zip(self.variables, state, strict=True):
            variable.assign(value)
        for variable in self.model.variables:
            if weights_by and "float" in variable.dtype:
                variable.assign(variable * (1 + rng.uniform(-weights_by, weights_by, variable.shape)))
        optimizer = self.model.optimizer

        def apply(gradients, variables):
            disturbed = [
                each + rng.uniform(-gradients_by, gradients_by, each.shape) * np.abs(each).max(initial=0)
                for each in (np.asarray(gradient) for gradient in gradients)
            ]
            typed = zip(disturbed, variables, strict=True)
            type(optimizer).apply(
                optimizer, [tf.constant(each, variable.dtype) for each, variable in typed], variables
            )

        before = self.state()
        if gradients_by:
            optimizer.apply = apply
        try:
            for images, labels in batches:
                self.model.reset_metrics()
                loss = float(self.model.train_on_batch(images, labels))
        finally:
            vars(optimizer).pop("apply", None)
        return before, self.state(), loss


def compare(case):
    """One step of the engine from Keras' state after 0, 3 and 7 steps; the last with a whole epoch's two."""
    full, last = case.batches
    count = full + last
    images, labels = images_of(case, count)
    shifts = np.random.default_rng(3).integers(-case.shift, case.shift, (count, 2), np.int32, endpoint=True)
    seen = moved(images, shifts) / np.float32(255)
    epochs = 1000 if case.schedule is None else 5  # few are not worth to be compiled by XLA
    with refused_by_keras():
        reference = Reference(case, epochs * -(-count // full))
    model = build(case)
    trainer = Trainer(
        model, case.optimizer, full, images, labels, case.schedule, epochs, augmented=case.shift > 0
    )
    note(trainer.path)
    examples = np.arange(count)
    batches = [(seen[part], labels[part]) for part in (examples[:full], examples[full:])]
    points = {0: examples[:full], 3: examples[full:], 7: examples}
    state = reference.state()
    for step in range(8):
        begin = state
        # A step that is not compared, or the first that is; 7 is an epoch of both batches.
        chosen = {0: batches[:1], 3: batches[1:], 7: batches}.get(step, batches[step % 2 :][:1])
        with refused_by_keras():
            before, state, loss = reference.take_steps(begin, chosen)
        assume(np.isfinite(loss) and all(np.isfinite(each).all() for each in state))
        if step not in points:
            continue
        trainer.restore(begin)
        order = points[step]
        reported, _ = trainer.train_epoch(order, shifts if case.shift else None)
        ours = changes(before, trainer.state())
        theirs = changes(before, state)
        require_close(reference, step, begin, chosen, ours, theirs)
        if len(chosen) == 1 and not reference.model.losses:
            assert reported == pytest.approx(loss, rel=1e-4, abs=1e-5), f"loss of step {step}"
    return trainer.path, model


def spread_of(reference, begin, batches, theirs, **disturbance):
    """How far each number's change is from Keras' own in disturbed steps, at most."""
    rng = np.random.default_rng(4)
    steps = [
        changes(*reference.take_steps(begin, batches, rng=rng, **disturbance)[:2])
        for _ in range(DISTURBED_STEPS)
    ]
    return [
        np.max([np.abs(each - change) for each in group], 0)
        for change, *group in zip(theirs, *steps, strict=True)
    ]


def require_close(reference, step, begin, batches, ours, theirs):
    """Raise AssertionError where an update is further from Keras' than rounding explains."""
    spread = None
    for number, (mine, right) in enumerate(zip(ours, theirs, strict=True)):
        # Storing a weight rounds it, however small its update is.
        # A gradient that is 0 by cancelling may be 1e-9 in a graph and 0 in Keras, eagerly.
        stored = 1e-8 + 4 * np.finfo(np.float32).eps * np.abs(np.asarray(begin[number], np.float64))
        error = np.abs(mine - right)
        allowed = ROUNDING * np.abs(right).max(initial=0) + stored
        if (error <= allowed).all():
            continue
        if spread is None:
            by_weights = spread_of(reference, begin, batches, theirs, weights_by=DISTURBANCE)
            by_gradients = spread_of(reference, begin, batches, theirs, gradients_by=DISTURBANCE)
            # An edge that is crossed by one weight moves a whole array, in which some may have gone unmoved.
            spread = [
                each.max(initial=0) + other for each, other in zip(by_weights, by_gradients, strict=True)
            ]
        largest = np.abs(right).max(initial=1e-30)
        assert (error <= allowed + 4 * spread[number]).all(), (
            f"{reference.variables[number].path} at step {step}: off by {error.max() / largest:.2g} of its "
            f"largest update; Keras' own is by {spread[number].max() / largest:.2g} where it is disturbed"
        )


@pytest.mark.parametrize("number", range(NETWORKS), ids=lambda number: f"seed {SEED}, network {number}")
def test_a_random_network_steps_as_in_keras(number):
    """Each is drawn by a run of hypothesis of its own: one run would vary a few networks again and again."""

    @seed(1_000_000 * SEED + number)
    @settings(
        max_examples=1,
        phases=[Phase.generate],
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(cases())
    def check(case):
        keras.backend.clear_session()
        compare(case)

    check()
