"""Writes the program that trains one network: the memory layout of its layers, and the order of calls."""

from collections.abc import Sequence
from typing import NamedTuple

import keras
from keras import layers
from llvmlite import ir

from few_weights.engine.arena import Arena, Buffer
from few_weights.engine.dense import Dense
from few_weights.engine.gather import groups_of, write_gather
from few_weights.engine.layouts import Features, Images, padded_stride
from few_weights.engine.loss import write_loss
from few_weights.engine.machine_code import LANES, Code, Number, Program
from few_weights.engine.updates import Settings, Update, write_update
from few_weights.engine.winograd import Convolution


class Plan(NamedTuple):
    """The layers of a network: convolutions, each with whether pooling follows it, then dense layers."""

    convolutions: list[tuple[layers.Conv2D, bool]]
    dense: list[layers.Dense]

    @property
    def variables(self) -> list[keras.Variable]:
        """Kernel and bias of each layer."""
        with_weights = [*(layer for layer, _ in self.convolutions), *self.dense]
        return [variable for layer in with_weights for variable in (layer.kernel, layer.bias)]

    def __str__(self) -> str:
        counts = {"convolution": len(self.convolutions), "dense layer": len(self.dense)}
        return " and ".join(f"{count} {name}{'s' * (count > 1)}" for name, count in counts.items() if count)


def lay_out(plan: Plan) -> tuple[list[Images], list[Convolution], list[Dense]]:
    """The memory layout of a network.

    Returns:
        The images before each convolution and after the last, the convolutions, and the dense layers.
    """
    images: list[Images] = []
    shapes: list[tuple[int, int, bool, bool]] = []
    for number, (layer, pooled) in enumerate(plan.convolutions):
        rows, columns, filters = layer.output.shape[1:]
        size = 2 if pooled else 4
        if number == 0:
            images.append(_allocate_images(layer.input.shape[1:], layer, (0, 0)))
        following = [*(after for after, _ in plan.convolutions[number + 1 :]), None][0]
        written = (size * -(-rows // 4), size * -(-columns // 4))
        halved = (rows // 2, columns // 2, filters) if pooled else (rows, columns, filters)
        images.append(_allocate_images(halved, following, written))
        shapes.append((rows, columns, layer.activation is keras.activations.relu, pooled))
    convolutions = [
        Convolution(before, after, *shape)
        for before, after, shape in zip(images[:-1], images[1:], shapes, strict=True)
    ]
    dense: list[Dense] = []
    features = _features_of(images[-1]) if images else _flat(plan.dense[0].kernel.shape[0])
    for layer in plan.dense:
        units = _flat(layer.units)
        dense.append(Dense(features, units, layer.activation is keras.activations.relu))
        features = units
    return images, convolutions, dense


def _allocate_images(
    shape: tuple[int, int, int], layer: layers.Conv2D | None, written: tuple[int, int]
) -> Images:
    """The layout of images, large enough for the whole tiles that are written and that `layer` reads.

    Args:
        shape: rows, columns, channels.
        layer: the convolution that follows, if any.
        written: rows and columns that the convolution before writes, in whole tiles.
    """
    rows, columns, channels = shape
    border = 1 if layer is not None and layer.padding == "same" else 0
    needed = [border + max(pair) for pair in zip((rows, columns), written, strict=True)]
    if layer is not None:
        read = [4 * -(-length // 4) + 2 for length in layer.output.shape[1:3]]
        needed = [max(pair) for pair in zip(needed, read, strict=True)]
    return Images(rows, columns, channels, border, height=needed[0], width=needed[1])


def _flat(size: int) -> Features:
    return Features(1, size, 0, 0, padded_stride(size * LANES))


def _features_of(images: Images) -> Features:
    """Images as features: row by row, or as one row if there is nothing between the rows."""
    columns, stride = images.columns * images.channels, padded_stride(images.size)
    if images.width == images.columns:
        return Features(1, images.rows * columns, images.first, 0, stride)
    return Features(images.rows, columns, images.first, images.row_stride, stride)


def write_network(
    program: Program,
    arena: Arena,
    plan: Plan,
    buffers: Sequence[Buffer],
    starts: Sequence[int],
    size: int,
    update: Update,
    settings: Settings,
    batch_size: int,
    pixels: bool,
) -> None:
    """Write the functions "train" and "evaluate".

    Their arguments are those of `NetworkCode`.

    Args:
        program: where to write them.
        arena: where to reserve their memory.
        plan: the network.
        buffers: in the arena, of all weights, and one more of the same layout for each list of variables in
            the optimizer's state.
        starts: offsets in them of each layer's kernel and bias.
        size: of each of these buffers.
        update, settings: the optimizer.
        batch_size: images per step.
        pixels: whether the data are uint8, to be divided by 255.
    """
    images, convolutions, dense = lay_out(plan)
    first = _features_of_pixels(images[0]) if images else dense[0].features
    groups = -(-batch_size // LANES)

    def buffer_per_group(stride: int) -> Buffer:
        return Buffer(arena.buffer(stride * groups).offset, stride)

    weights, gradients = buffers[0], arena.buffer(size)
    parameters = [(Buffer(weights.offset + start), Buffer(gradients.offset + start)) for start in starts]
    scratch = [arena.buffer(max([0, *(each.scratch_size for each in convolutions)])) for _ in range(2)]
    network_input = values = buffer_per_group(first.group_stride)
    gradient = arena.buffer(images[0].size if images else 0)
    spatial: list[ConvolutionStage] = []
    flat: list[DenseStage] = []
    stage_layers: list[Convolution | Dense] = [*convolutions, *dense]
    for number, layer in enumerate(stage_layers):
        output = buffer_per_group(layer.output_stride)
        # The gradient between two convolutions is used before the next group is computed.
        used_immediately = number < len(convolutions) - 1
        upstream = (
            arena.buffer(layer.output_stride) if used_immediately else buffer_per_group(layer.output_stride)
        )
        (kernel, kernel_gradient), (bias, bias_gradient) = parameters[2 * number : 2 * number + 2]
        memory = Memory(values, output, gradient, upstream, kernel, kernel_gradient, bias, bias_gradient)
        if isinstance(layer, Convolution):
            argmax = buffer_per_group(layer.output_stride) if layer.pooled else arena.buffer(0)
            spatial.append(ConvolutionStage(program, arena, number, layer, memory, argmax, scratch))
        else:
            flat.append(DenseStage(program, number, layer, memory))
        values, gradient = output, upstream
    labels = buffer_per_group(LANES)
    gather, loss = (
        write_gather(program, "gather", first, pixels),
        write_loss(program, "loss", dense[-1].units),
    )
    take_step = write_update(program, "update", update, settings, size)

    def write_pass(code: Code, first_example: Number) -> ir.Value:
        """Write the forward pass of a batch; returns its number of groups."""
        examples, data, all_labels, order, losses, predictions = (
            code.named[name] for name in ("examples", "data", "labels", "order", "losses", "predictions")
        )
        count = code.smaller(code.subtract(examples, first_example), batch_size)
        chosen = code.at(order, first_example)
        code.call(gather, count, data, all_labels, chosen, network_input.at(code), labels.at(code))
        for convolution in spatial:
            convolution.write_preparation(code)
        groups_here = groups_of(code, count)
        if spatial:
            with code.loop(groups_here) as group:
                for convolution in spatial:
                    convolution.write_forward(code, group)
        for dense_stage in flat:
            dense_stage.write_forward(code, groups_here)
        outcome = [code.at(pointer, first_example) for pointer in (losses, predictions)]
        code.call(loss, count, count, values.at(code), labels.at(code), gradient.at(code), *outcome)
        return groups_here

    pointers = ["data", "labels", "order", "losses", "predictions", "arena"]
    code = program.define("evaluate", pointers, ["examples", "step"])
    with code.without_denormals(), code.loop(code.named["examples"], batch_size) as first_example:
        write_pass(code, first_example)
    code.finish()

    code = program.define("train", [*pointers, "rates"], ["examples", "step"])
    with code.without_denormals(), code.loop(code.named["examples"], batch_size) as first_example:
        groups_here = write_pass(code, first_example)
        for dense_stage in reversed(flat):
            dense_stage.write_backward(code, groups_here)
        if spatial:
            with code.loop(groups_here) as group:
                for convolution in reversed(spatial):
                    convolution.write_backward(code, group)
        for convolution in spatial:
            convolution.write_completion(code)
        rate = code.at(code.named["rates"], code.divide(first_example, batch_size)[0])
        state = [buffer.at(code) for buffer in buffers[1:]]
        code.call(take_step, rate, weights.at(code), gradients.at(code), *state)
    code.finish()


def _features_of_pixels(images: Images) -> Features:
    """The images before the first convolution as features, row by row, as they are gathered."""
    columns = images.columns * images.channels
    return Features(images.rows, columns, images.first, images.row_stride, padded_stride(images.size))


class Memory(NamedTuple):
    """The buffers that a layer reads and writes, forward and backward."""

    values: Buffer
    output: Buffer
    values_gradient: Buffer
    output_gradient: Buffer
    kernel: Buffer
    kernel_gradient: Buffer
    bias: Buffer
    bias_gradient: Buffer


class ConvolutionStage:
    """A convolution's functions, and the calls of them.

    Args:
        program: where to write them.
        arena: where to reserve memory.
        number: of the layer in the network, from 0.
        layer, memory: the layer and its buffers.
        argmax: which pixel of each pooling window was the largest.
        scratch: two buffers for the transform domain.
    """

    def __init__(
        self,
        program: Program,
        arena: Arena,
        number: int,
        layer: Convolution,
        memory: Memory,
        argmax: Buffer,
        scratch: Sequence[Buffer],
    ) -> None:
        self._memory, self._argmax, self._scratch = memory, argmax, scratch
        self._transformed_kernel, self._transformed_kernel_gradient = (
            arena.buffer(layer.transformed_kernel_size) for _ in range(2)
        )
        self._bias_gradient_lanes = arena.buffer(layer.output.channels * LANES)
        self._prepare = layer.write_kernel_transform(program, f"prepare_{number}")
        self._forward = layer.write_forward(program, f"forward_{number}")
        self._backward = layer.write_backward(program, f"backward_{number}", to_images=number > 0)
        self._complete = layer.write_gradient_transform(program, f"complete_{number}")

    def write_preparation(self, code: Code) -> None:
        code.call(self._prepare, self._memory.kernel.at(code), self._transformed_kernel.at(code))

    def write_forward(self, code: Code, group: Number) -> None:
        code.call(
            self._forward,
            self._memory.values.at(code, group),
            self._transformed_kernel.at(code),
            self._memory.bias.at(code),
            self._memory.output.at(code, group),
            self._argmax.at(code, group),
            *(buffer.at(code) for buffer in self._scratch),
        )

    def write_backward(self, code: Code, group: Number) -> None:
        code.call(
            self._backward,
            self._memory.values.at(code, group),
            self._transformed_kernel.at(code),
            self._memory.output.at(code, group),
            self._argmax.at(code, group),
            self._memory.output_gradient.at(code, group),
            self._transformed_kernel_gradient.at(code),
            self._bias_gradient_lanes.at(code),
            self._memory.values_gradient.at(code, group),
            *(buffer.at(code) for buffer in self._scratch),
        )

    def write_completion(self, code: Code) -> None:
        code.call(
            self._complete,
            self._transformed_kernel_gradient.at(code),
            self._bias_gradient_lanes.at(code),
            self._memory.kernel_gradient.at(code),
            self._memory.bias_gradient.at(code),
        )


class DenseStage:
    """A dense layer's functions, and the calls of them."""

    def __init__(self, program: Program, number: int, layer: Dense, memory: Memory) -> None:
        self._memory = memory
        self._forward = layer.write_forward(program, f"forward_{number}")
        self._backward = layer.write_backward(program, f"backward_{number}", to_features=number > 0)

    def write_forward(self, code: Code, groups: Number) -> None:
        code.call(
            self._forward,
            groups,
            self._memory.values.at(code),
            self._memory.kernel.at(code),
            self._memory.bias.at(code),
            self._memory.output.at(code),
        )

    def write_backward(self, code: Code, groups: Number) -> None:
        code.call(
            self._backward,
            groups,
            self._memory.values.at(code),
            self._memory.kernel.at(code),
            self._memory.output.at(code),
            self._memory.output_gradient.at(code),
            self._memory.kernel_gradient.at(code),
            self._memory.bias_gradient.at(code),
            self._memory.values_gradient.at(code),
        )
