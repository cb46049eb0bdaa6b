"""From a Keras model to the steps of a `GroupProgram`: which kind each layer is, and how its values lie in memory.

To add a layer, write its kind in `kinds/` and a function here that reads it from Keras, under `@reads`.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import keras
from keras import layers

from few_weights.engine.again import Again
from few_weights.engine.kinds.activation import ACTIVATIONS, Activation
from few_weights.engine.kinds.convolution import Convolution
from few_weights.engine.kinds.depthwise import Depthwise
from few_weights.engine.kinds.dropout import Dropout
from few_weights.engine.kinds.kind import Kind
from few_weights.engine.kinds.merge import Merge
from few_weights.engine.kinds.normalization import BatchNormalization, LayerNormalization
from few_weights.engine.kinds.pooling import Pooling
from few_weights.engine.layouts import Map
from few_weights.engine.machine_code import LANES
from few_weights.engine.plain import has_only, is_plain, seconds_by_keras

#: The loss is written out for each class, and a depthwise convolution for each weight of a kernel: what is larger
#: would take seconds to compile.
MOST_CLASSES = 256
MOST_TAPS = 64

#: About what it takes to compile a layer with its gradient.
SECONDS_PER_KIND = 0.15

#: Settings of convolutions.
SPATIAL = ("kernel_size", "strides", "padding", "dilation_rate", "activation", "use_bias")


class UnknownLayerError(Exception):
    """What no machine code is written for, such as "lstm"."""


@dataclass(frozen=True)
class Tensor:
    """A value of the network: its number, and its shape without the batch."""

    number: int
    shape: tuple[int, ...]

    @property
    def spatial(self) -> tuple[int, int, int]:
        """Its shape as rows, columns and channels."""
        return (1,) * (3 - len(self.shape)) + self.shape  # type: ignore[return-value]


@dataclass
class Step:
    """One application of a layer.

    Args:
        make: from the maps of its inputs and its output to its kind.
        inputs, output: the numbers of the tensors.
        weights: numbers of its variables by name.
        kind: made when all maps are known.
        copy: whether it only copies, and is left out where the input has no border that would be in the way.
    """

    make: Callable[[Sequence[Map], Map], Kind]
    inputs: tuple[int, ...]
    output: int
    weights: Mapping[str, int]
    kind: Kind | None = None
    copy: bool = False


@dataclass
class GroupPlan:
    """A network as steps over tensors; tensor 0 is the input.

    Args:
        maps: how each tensor lies.
        buffers: for each tensor, the first one that it shares its memory with.
        steps: in the order of the forward pass.
        variables: Keras' variables that they use, each once.
        states: variables that training leaves alone, such as the seeds of dropout.
        logits: the number of the tensor before the softmax.
    """

    maps: list[Map] = field(default_factory=list)
    buffers: list[int] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    variables: list[keras.Variable] = field(default_factory=list)
    states: list[keras.Variable] = field(default_factory=list)
    logits: int = 0

    def __str__(self) -> str:
        names = [type(step.kind).__name__.lower() for step in self.steps]
        return ", ".join(f"{names.count(name)} {name}" for name in dict.fromkeys(names))


def plan_groups(model: keras.Model, body: Sequence[keras.Layer], steps: int) -> GroupPlan | str:
    """The plan of a network, or why there is none, as "for lstm".

    Args:
        model: the network.
        body: its layers, but for leading ones without weights, where they follow each other; else the model
            alone.
        steps: how many the training takes.
    """
    planner = _Planner()
    try:
        plan = planner.read(body)
    except UnknownLayerError as error:
        return f"for {error}"
    if math.prod(body[0].input.shape[1:][-2:]) < LANES:
        return f"for rows of fewer than {LANES} numbers"
    if not has_only(model, [*plan.variables, *plan.states]):
        return "for variables or a dtype outside its layers"
    written = len({step.kind for step in plan.steps})
    if SECONDS_PER_KIND * written > seconds_by_keras(steps):
        return f"for {written} different layers, which take too long to compile for {steps:,} steps"
    return plan


#: Reads a layer of a class: (planner, layer, inputs) -> output.
READERS: dict[type, Callable[["_Planner", keras.Layer, Sequence[Tensor]], Tensor]] = {}


def reads(*kinds: type) -> Callable:
    """Register a function that reads layers of these classes."""

    def register(reader):
        READERS.update(dict.fromkeys(kinds, reader))
        return reader

    return register


class _Planner:
    """Walks through a network's graph."""

    def __init__(self):
        self.plan = GroupPlan()
        self._borders: list[list[int]] = []
        self._softmax: Tensor | None = None

    def read(self, body: Sequence[keras.Layer]) -> GroupPlan:
        tensor = self.tensor(tuple(body[0].input.shape[1:]))
        for layer in body:
            tensor = self.apply(layer, tensor)
        if self._softmax is not tensor:
            raise UnknownLayerError("a last layer without softmax")
        if self.plan.maps[tensor.number].channels > MOST_CLASSES:
            raise UnknownLayerError(f"{tensor.shape[-1]} classes")
        self.plan.logits = tensor.number
        self._finish()
        return self.plan

    def apply(self, layer: keras.Operation, *inputs, **options) -> Tensor:
        """Add a layer, or all of a model within the model."""
        if self._softmax is not None:
            raise UnknownLayerError("a softmax before the end")
        graph = getattr(layer, "_functional", layer)
        if isinstance(graph, keras.Function):
            if not has_only(layer, layer.variables):
                raise UnknownLayerError(layer.name)
            return graph._run_through_graph(
                inputs, operation_fn=lambda operation: operation, call_fn=self.apply
            )
        if isinstance(layer, Again):
            if not is_plain(layer, Again, ("first",), None):
                raise UnknownLayerError(layer.name)
            layer = layer.first
        reader = READERS.get(type(layer))
        tensors = [each for each in keras.tree.flatten(inputs) if isinstance(each, Tensor)]
        if (
            reader is None
            or options.keys() - {"training", "mask"}
            or len(tensors) != len(keras.tree.flatten(inputs))
        ):
            raise UnknownLayerError(layer.name)
        return reader(self, layer, tensors)

    def tensor(self, shape: tuple[int, ...], shared: int | None = None) -> Tensor:
        """A new tensor; `shared` is one that it shares its memory with."""
        number = len(self.plan.maps)
        if len(shape) not in (1, 3) or None in shape:
            raise UnknownLayerError(f"values of shape {shape}")
        tensor = Tensor(number, tuple(shape))
        self.plan.maps.append(Map(*tensor.spatial))
        self.plan.buffers.append(number if shared is None else self.plan.buffers[shared])
        self._borders.append([0, 0, 0, 0])
        return tensor

    def pad(self, tensor: Tensor, borders: Sequence[int]) -> None:
        """Ask for a border of zeros around a tensor: rows above, columns left, rows below, columns right."""
        self._borders[tensor.number] = [
            max(pair) for pair in zip(self._borders[tensor.number], borders, strict=True)
        ]

    def add(self, make, inputs: Sequence[Tensor], output: Tensor, **weights) -> Tensor:
        """Add a step; `weights` that are None are left out."""
        numbers = {name: self._variable(each) for name, each in weights.items() if each is not None}
        self.plan.steps.append(Step(make, tuple(each.number for each in inputs), output.number, numbers))
        return output

    def activate(self, layer: keras.Layer, activation: Callable, tensor: Tensor) -> Tensor:
        """Add an activation."""
        if activation is keras.activations.softmax and len(tensor.shape) == 1:
            self._softmax = tensor
            return tensor
        if activation is keras.activations.linear:
            return tensor
        names = [name for name in ACTIVATIONS if activation is getattr(keras.activations, name)]
        if not names:
            raise UnknownLayerError(f"{layer.name}'s activation")
        return self.add_activation(names[0], tensor)

    def add_activation(self, name: str, tensor: Tensor, parameter: float = 0.0) -> Tensor:
        """Add an activation by its name."""

        def make(inputs, output):
            return Activation(inputs[0], output, name, parameter)

        return self.add(make, [tensor], self.tensor(tensor.shape))

    def _variable(self, variable: keras.Variable) -> int:
        for number, known in enumerate(self.plan.variables):
            if known is variable:
                return number
        self.plan.variables.append(variable)
        return len(self.plan.variables) - 1

    def _finish(self) -> None:
        """Give each tensor its border, and make the kinds."""
        plan = self.plan
        plan.maps = [
            Map(each.rows, each.columns, each.channels, *borders)
            for each, borders in zip(plan.maps, self._borders, strict=True)
        ]
        for step in [step for step in plan.steps if step.copy]:
            if self._borders[step.inputs[0]] == [0, 0, 0, 0]:
                plan.steps.remove(step)
                before, after = plan.buffers[step.inputs[0]], plan.buffers[step.output]
                plan.buffers = [before if number == after else number for number in plan.buffers]
        for step in plan.steps:
            step.kind = step.make([plan.maps[number] for number in step.inputs], plan.maps[step.output])


def _require(layer: keras.Layer, settings: Sequence[str], weights: Sequence[str] = ()) -> None:
    """Refuse a layer with a setting or weight that its reader does not know."""
    if not is_plain(layer, type(layer), tuple(settings), tuple(weights)):
        raise UnknownLayerError(layer.name)


def _with_bias(layer: keras.Layer, kernel: str = "kernel") -> tuple[str, ...]:
    return (kernel, "bias") if layer.use_bias else (kernel,)


def _output_shape(layer: keras.Layer, tensor: Tensor) -> tuple[int, ...]:
    return tuple(layer.compute_output_shape((None, *tensor.shape))[1:])


def _paddings(layer, tensor: Tensor, output: tuple[int, ...], size, dilation) -> list[tuple[int, int]]:
    """Rows above and below, columns left and right, that a layer's windows reach beyond the values."""
    pairs = []
    for axis in (0, 1):
        reach = (output[axis] - 1) * layer.strides[axis] + (size[axis] - 1) * dilation[axis] + 1
        missing = reach - tensor.spatial[axis]
        before = max(missing, 0) // 2 if layer.padding == "same" else 0
        pairs.append((before, max(missing - before, 0)))
    return pairs


@reads(layers.Conv2D)
def _read_convolution(planner: _Planner, layer, inputs):
    _require(layer, ("filters", *SPATIAL), _with_bias(layer))
    return _add_convolution(planner, layer, Convolution, inputs[0])


@reads(layers.DepthwiseConv2D)
def _read_depthwise(planner: _Planner, layer, inputs):
    _require(layer, ("depth_multiplier", *SPATIAL), _with_bias(layer))
    if math.prod(layer.kernel_size) > MOST_TAPS:
        raise UnknownLayerError(f"{layer.name}'s kernel of {layer.kernel_size}")
    return _add_convolution(planner, layer, Depthwise, inputs[0])


def _add_convolution(planner: _Planner, layer, kind, tensor: Tensor) -> Tensor:
    if layer.padding not in ("valid", "same"):
        raise UnknownLayerError(layer.name)
    shape = _output_shape(layer, tensor)
    rows, columns = _paddings(layer, tensor, shape, layer.kernel_size, layer.dilation_rate)
    planner.pad(tensor, (rows[0], columns[0], rows[1], columns[1]))

    def make(inputs, output):
        geometry = layer.kernel_size, layer.strides, layer.dilation_rate, (rows[0], columns[0])
        return kind(inputs[0], output, *geometry, layer.use_bias)

    output = planner.add(make, [tensor], planner.tensor(shape), kernel=layer.kernel, bias=layer.bias)
    return planner.activate(layer, layer.activation, output)


@reads(layers.SeparableConv2D)
def _read_separable(planner: _Planner, layer, inputs):
    _require(
        layer,
        ("filters", "depth_multiplier", *SPATIAL),
        _with_bias(layer, "depthwise_kernel")[:1] + _rest(layer),
    )
    tensor = inputs[0]
    if math.prod(layer.kernel_size) > MOST_TAPS or layer.padding not in ("valid", "same"):
        raise UnknownLayerError(layer.name)
    shape = _output_shape(layer, tensor)
    rows, columns = _paddings(layer, tensor, shape, layer.kernel_size, layer.dilation_rate)
    planner.pad(tensor, (rows[0], columns[0], rows[1], columns[1]))

    def make_depthwise(inputs, output):
        geometry = layer.kernel_size, layer.strides, layer.dilation_rate, (rows[0], columns[0])
        return Depthwise(inputs[0], output, *geometry, False)

    def make_pointwise(inputs, output):
        return Convolution(inputs[0], output, (1, 1), (1, 1), (1, 1), (0, 0), layer.use_bias)

    between = planner.tensor((*shape[:2], tensor.spatial[2] * layer.depth_multiplier))
    planner.add(make_depthwise, [tensor], between, kernel=layer.depthwise_kernel)
    output = planner.tensor(shape)
    planner.add(make_pointwise, [between], output, kernel=layer.pointwise_kernel, bias=layer.bias)
    return planner.activate(layer, layer.activation, output)


def _rest(layer) -> tuple[str, ...]:
    return ("pointwise_kernel", "bias") if layer.use_bias else ("pointwise_kernel",)


@reads(layers.Dense)
def _read_dense(planner: _Planner, layer, inputs):
    _require(layer, ("units", "activation", "use_bias"), _with_bias(layer))
    tensor = inputs[0]

    def make(inputs, output):
        return Convolution(inputs[0], output, (1, 1), (1, 1), (1, 1), (0, 0), layer.use_bias)

    output = planner.tensor((*tensor.shape[:-1], layer.units))
    planner.add(make, [tensor], output, kernel=layer.kernel, bias=layer.bias)
    return planner.activate(layer, layer.activation, output)


@reads(layers.Activation)
def _read_activation(planner: _Planner, layer, inputs):
    _require(layer, ("activation",))
    return planner.activate(layer, layer.activation, inputs[0])


@reads(layers.ReLU)
def _read_relu(planner: _Planner, layer, inputs):
    _require(layer, ("negative_slope", "threshold", "max_value"))
    if layer.max_value is not None or layer.threshold or layer.negative_slope:
        raise UnknownLayerError(layer.name)
    return planner.add_activation("relu", inputs[0])


@reads(layers.LeakyReLU)
def _read_leaky_relu(planner: _Planner, layer, inputs):
    _require(layer, ("negative_slope",))
    return planner.add_activation("leaky_relu", inputs[0], float(layer.negative_slope))


@reads(layers.ELU)
def _read_elu(planner: _Planner, layer, inputs):
    _require(layer, ("alpha",))
    if layer.alpha != 1:
        raise UnknownLayerError(layer.name)
    return planner.add_activation("elu", inputs[0])


@reads(layers.Softmax)
def _read_softmax(planner: _Planner, layer, inputs):
    _require(layer, ("axis",))
    if layer.axis != -1:
        raise UnknownLayerError(layer.name)
    return planner.activate(layer, keras.activations.softmax, inputs[0])


@reads(layers.Flatten, layers.Reshape)
def _read_reshape(planner: _Planner, layer, inputs):
    _require(layer, ("target_shape",) if isinstance(layer, layers.Reshape) else ())
    return _reshape(planner, inputs[0], _output_shape(layer, inputs[0]))


def _reshape(planner: _Planner, tensor: Tensor, shape: tuple[int, ...]) -> Tensor:
    """The values in a new shape: copied to where they lie without a border, which then both shapes describe."""

    def make(inputs, output):
        values = inputs[0]
        return Activation(values, Map(values.rows, values.columns, values.channels), "linear")

    copy = planner.add(make, [tensor], planner.tensor(tensor.shape))
    planner.plan.steps[-1].copy = True
    # A border of the new shape would not be one of the copy.
    inner = planner.tensor(shape, copy.number)

    def copy_again(inputs, output):
        return Activation(inputs[0], output, "linear")

    return inner if len(shape) == 1 else planner.add(copy_again, [inner], planner.tensor(shape))


@reads(layers.MaxPooling2D, layers.AveragePooling2D)
def _read_pooling(planner: _Planner, layer, inputs):
    _require(layer, ("pool_size", "strides", "padding"))
    tensor = inputs[0]
    if layer.padding not in ("valid", "same"):
        raise UnknownLayerError(layer.name)
    shape = _output_shape(layer, tensor)
    rows, columns = _paddings(layer, tensor, shape, layer.pool_size, (1, 1))
    return _add_pooling(
        planner,
        tensor,
        shape,
        layer.pool_size,
        layer.strides,
        (rows[0], columns[0]),
        type(layer) is layers.MaxPooling2D,
    )


@reads(layers.GlobalMaxPooling2D, layers.GlobalAveragePooling2D)
def _read_global_pooling(planner: _Planner, layer, inputs):
    _require(layer, ("keepdims",))
    size = inputs[0].spatial[:2]
    shape = (1, 1, inputs[0].shape[-1]) if layer.keepdims else inputs[0].shape[-1:]
    return _add_pooling(
        planner, inputs[0], shape, size, size, (0, 0), type(layer) is layers.GlobalMaxPooling2D
    )


def _add_pooling(planner: _Planner, tensor, shape, size, strides, padding, largest) -> Tensor:
    def make(inputs, output):
        return Pooling(inputs[0], output, tuple(size), tuple(strides), tuple(padding), largest)

    return planner.add(make, [tensor], planner.tensor(shape))


@reads(layers.Add, layers.Concatenate)
def _read_merge(planner: _Planner, layer, inputs):
    concatenates = isinstance(layer, layers.Concatenate)
    if isinstance(layer, keras.Layer):
        _require(layer, ("axis",) if concatenates else ())
    shapes = {each.shape[:-1] if concatenates else each.shape for each in inputs}
    if len(shapes) > 1 or (concatenates and layer.axis not in (-1, len(inputs[0].shape))):
        raise UnknownLayerError(layer.name)
    shape = inputs[0].shape
    if concatenates:
        shape = (*shape[:-1], sum(each.shape[-1] for each in inputs))

    def make(inputs, output):
        return Merge(tuple(inputs), output, not concatenates)

    return planner.add(make, inputs, planner.tensor(shape))


@reads(layers.BatchNormalization)
def _read_batch_normalization(planner: _Planner, layer, inputs):
    settings = ("axis", "momentum", "epsilon", "center", "scale", "synchronized", "renorm", "renorm_momentum")
    if layer.synchronized or layer.renorm:
        raise UnknownLayerError(layer.name)
    states = (layer.moving_mean, layer.moving_variance)
    if not is_plain(layer, layers.BatchNormalization, settings, _affine(layer), states=states):
        raise UnknownLayerError(layer.name)
    if _last_axis(layer) not in (-1, len(inputs[0].shape)):
        raise UnknownLayerError(layer.name)

    def make(inputs, output):
        return BatchNormalization(inputs[0], output, layer.scale, layer.center, layer.momentum, layer.epsilon)

    return planner.add(
        make,
        inputs,
        planner.tensor(inputs[0].shape),
        gamma=layer.gamma if layer.scale else None,
        beta=layer.beta if layer.center else None,
        moving_mean=layer.moving_mean,
        moving_variance=layer.moving_variance,
    )


@reads(layers.LayerNormalization)
def _read_layer_normalization(planner: _Planner, layer, inputs):
    _require(layer, ("axis", "epsilon", "center", "scale", "rms_scaling"), _affine(layer))
    if getattr(layer, "rms_scaling", False):
        raise UnknownLayerError(layer.name)
    if _last_axis(layer) not in (-1, len(inputs[0].shape)):
        raise UnknownLayerError(layer.name)

    def make(inputs, output):
        return LayerNormalization(inputs[0], output, layer.scale, layer.center, layer.epsilon)

    gamma, beta = layer.gamma if layer.scale else None, layer.beta if layer.center else None
    return planner.add(make, inputs, planner.tensor(inputs[0].shape), gamma=gamma, beta=beta)


def _affine(layer) -> tuple[str, ...]:
    return (("gamma",) if layer.scale else ()) + (("beta",) if layer.center else ())


def _last_axis(layer) -> int | None:
    axis = layer.axis
    if isinstance(axis, int):
        return axis
    return axis[0] if len(axis) == 1 else None


@reads(layers.Dropout, layers.SpatialDropout2D)
def _read_dropout(planner: _Planner, layer, inputs):
    spatial = isinstance(layer, layers.SpatialDropout2D)
    if not layer.rate:
        return inputs[0]
    state = layer.seed_generator.state
    if not is_plain(layer, type(layer), ("rate", "seed"), (), states=(state,)):
        raise UnknownLayerError(layer.name)
    if state not in planner.plan.states:
        planner.plan.states.append(state)
    seed = int(abs(int(keras.ops.convert_to_numpy(state)[0])) + 0x9E3779B9 * len(planner.plan.steps)) % 2**32

    def make(inputs, output):
        return Dropout(inputs[0], output, layer.rate, seed, spatial)

    return planner.add(make, inputs, planner.tensor(inputs[0].shape))
