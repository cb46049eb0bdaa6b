"""Random layers of Keras: how Hypothesis draws them, and how they are made and applied.

A drawn layer is (name, arguments), or a composition: ("nested", layers), ("shared", layer, activation) or
("branches", merging layer, layers, layers).
"""

import keras
from hypothesis import strategies as st
from keras import layers

from few_weights.engine.again import Again
from few_weights.engine.kinds import activation as activations


class Doubling(layers.Dense):
    """Derived from a layer that a fast path supports, but another one."""

    def call(self, x, training=None):
        return 2.0 * super().call(x)


class WeakPooling(layers.MaxPooling2D):
    def call(self, x):
        return 0.5 * super().call(x)


OWN = {"Doubling": Doubling, "WeakPooling": WeakPooling}

#: Activations that resemble others.
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
    """Apply layers to a symbolic tensor, or append them to a list; returns it, and the new layers."""
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


IN_MACHINE_CODE = list(activations.ACTIVATIONS)
ACTIVATIONS = [*IN_MACHINE_CODE, "leaky_relu", "relu6", *FUNCTIONS]


def rarely(draw, one_in=8):
    return draw(st.integers(0, one_in - 1)) == one_in - 1


def draw_extras(draw, regularised=("kernel",)):
    """Settings of a layer with weights that are rarely used."""
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


MERGING = ["Add", "Concatenate", "Multiply", "Average", "Maximum", "Subtract"]


def draw_composition(draw, shape, merging=MERGING):
    kind = draw(st.sampled_from(["nested", "shared", "branches"]))
    if kind == "nested":
        return kind, [draw_same_shape(draw, shape) for _ in range(draw(st.integers(1, 2)))]
    if kind == "shared":
        return kind, draw_same_shape(draw, shape), draw_activation(draw, shape)
    merge = draw(st.sampled_from(merging))
    return kind, merge, [draw_same_shape(draw, shape)], [draw_same_shape(draw, shape)]


def draw_any(draw, shape):
    choices = [draw_batch_normalisation, draw_activation, draw_random, draw_other_normalisation]
    choices += [draw_composition, draw_dense]
    if len(shape) == 3:
        choices += [draw_convolution, draw_pooling, draw_rearrangement] * 2
        kinds = ("DepthwiseConv2D", "SeparableConv2D", "Conv2DTranspose")
        choices += [lambda draw, shape, kind=kind: draw_convolution(draw, shape, kind) for kind in kinds]
    return draw(st.sampled_from(choices))(draw, shape)


def draw_for_winograd(draw, shape):
    """Layers of networks for Winograd's algorithm."""
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
    """Layers that small networks are made of, with settings that machine code supports."""
    activation = {"activation": draw(st.sampled_from(IN_MACHINE_CODE))}
    bias = {"use_bias": draw(st.booleans())}
    choices = [
        ("Activation", activation),
        ("LeakyReLU", {"negative_slope": 0.1}),
        ("PReLU", {"shared_axes": [1, 2] if len(shape) == 3 and draw(st.booleans()) else None}),
        ("LayerNormalization", {}),
        draw_batch_normalisation(draw, shape),
        draw_composition(draw, shape, ["Add", "Concatenate"]),
        ("Dropout", {"rate": draw(st.sampled_from([0.0, 0.3])), "seed": 5}),
    ]
    penalty = "l2" if rarely(draw, 4) else None
    if len(shape) == 1:
        dense = {"units": draw(st.integers(1, 9)), "kernel_regularizer": penalty}
        return draw(st.sampled_from([("Dense", dense | activation | bias)] * 4 + choices))
    kernel = {"kernel_size": draw_window(draw, shape), "padding": draw(st.sampled_from(["valid", "same"]))}
    kernel |= draw(st.sampled_from([{}, {}, {"strides": 2}, {"strides": 3}]))
    dilated = {"kernel_size": 3, "padding": "same", "dilation_rate": 2}
    filters = {"filters": draw(st.integers(1, 4))}
    choices += 2 * [
        ("Conv2D", filters | activation | kernel | bias | {"kernel_regularizer": penalty}),
        ("Conv2D", filters | {"kernel_size": 1} | bias),
        ("Conv2D", filters | activation | dilated),
        ("DepthwiseConv2D", activation | kernel | bias | {"depth_multiplier": draw(st.sampled_from([1, 2]))}),
        ("SeparableConv2D", filters | activation | kernel | bias),
        ("Dense", {"units": 3} | activation),
    ]
    choices += [("Reshape", {"target_shape": [shape[1], shape[0], shape[2]]})]
    sides = [[draw(st.integers(0, 2)) for _ in range(2)] for _ in range(2)]
    choices += [("ZeroPadding2D", {"padding": draw(st.sampled_from([1, [1, 2], sides]))})]
    pooling = {"padding": kernel["padding"], "pool_size": draw_window(draw, shape, 3)}
    choices += [("MaxPooling2D", pooling), ("AveragePooling2D", pooling)]
    choices += [(name, {"keepdims": True}) for name in ("GlobalMaxPooling2D", "GlobalAveragePooling2D")]
    if min(shape[:2]) >= 2:
        choices += [("MaxPooling2D", {}), ("MaxPooling2D", {}), ("AveragePooling2D", {})]
        choices += [("Cropping2D", {"cropping": [[1, 0], [0, 1]]})]
    return draw(st.sampled_from(choices))


def draw_block(draw):
    """A convolution with what follows it in many networks."""
    activation = draw(st.sampled_from(["relu", "gelu", "silu"]))
    return [
        ("Conv2D", {"filters": draw(st.integers(1, 3)), "kernel_size": 3, "use_bias": False}),
        ("BatchNormalization", {}),
        ("Activation", {"activation": activation}),
        ("MaxPooling2D", {}),
        ("BatchNormalization", {}),
    ]
