"""A network as steps over tensors, and how each tensor's values lie in memory.

`layer_readers.py` has a function for each layer of Keras that makes its steps.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import keras

from few_weights.engine.again import Again
from few_weights.engine.kinds.activation import ACTIVATIONS, Activation
from few_weights.engine.kinds.dropout import Dropout
from few_weights.engine.kinds.kind import Kind
from few_weights.engine.layouts import Map
from few_weights.engine.plain import has_only, is_plain

#: From the maps of the inputs and of the output to the kind of a step.
Maker = Callable[[Sequence[Map], Map], Kind]

#: The gradient code of the loss is written once per class: for more, compiling takes seconds.
MOST_CLASSES = 256


class UnsupportedLayerError(Exception):
    """There is no machine code for a layer; the message names it, such as "lstm"."""


@dataclass(frozen=True)
class Tensor:
    """A value in a network: its number, and its shape without the batch."""

    number: int
    shape: tuple[int, ...]

    @property
    def spatial(self) -> tuple[int, int, int]:
        """The shape as rows, columns and channels."""
        rows, columns, channels = (1,) * (3 - len(self.shape)) + self.shape
        return rows, columns, channels


@dataclass(frozen=True)
class Step:
    """One use of a layer.

    Args:
        kind: how it is computed.
        inputs, output: numbers of tensors.
        weights: numbers of its variables, by the names that its kind gives them.
    """

    kind: Kind
    inputs: tuple[int, ...]
    output: int
    weights: Mapping[str, int]


@dataclass
class GroupPlan:
    """A network as steps over tensors; tensor 0 is the input.

    Args:
        maps: how each tensor lies in memory.
        buffers: the number of each tensor's buffer; tensors with the same number share one.
        steps: in the order of the forward pass.
        variables: the variables of the steps, random states among them, each once.
        penalties: for each variable with an L2 penalty, its number and factor.
        logits: the number of the tensor before the softmax.
    """

    maps: list[Map] = field(default_factory=list)
    buffers: list[int] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    variables: list[keras.Variable] = field(default_factory=list)
    penalties: dict[int, float] = field(default_factory=dict)
    logits: int = 0

    def __str__(self) -> str:
        names = [type(step.kind).__name__.lower() for step in self.steps]
        return ", ".join(f"{names.count(name)} {name}" for name in dict.fromkeys(names))


def input_shape(layer: Any) -> tuple[int, ...]:
    """The shape of one example, which a layer or a model takes.

    Raises:
        UnsupportedLayerError: it takes several inputs, or shapes that differ.
    """
    inputs = keras.tree.flatten(layer.inputs if isinstance(layer, keras.Model) else layer.input)
    if len(inputs) != 1:
        raise UnsupportedLayerError(f"{layer.name}'s {len(inputs)} inputs")
    shape = tuple(inputs[0].shape[1:])
    if None in shape:
        raise UnsupportedLayerError(f"{layer.name}'s input of shape {shape}")
    return shape


#: Reads one use of a layer: (planner, layer, inputs) -> output.
Reader = Callable[["Planner", Any, Sequence[Tensor]], Tensor]

#: The reader of each class of layers.
READERS: dict[type, Reader] = {}


def reads(*classes: type) -> Callable[[Reader], Reader]:
    """Register a function as the reader of classes of layers."""

    def register(reader: Reader) -> Reader:
        READERS.update(dict.fromkeys(classes, reader))
        return reader

    return register


@dataclass
class _Draft:
    """A step whose kind is made when all maps are known; if it only copies, it may be superfluous."""

    make: Maker
    inputs: tuple[int, ...]
    output: int
    weights: dict[str, int]
    copies: bool
    in_place: bool


class Planner:
    """Follows a network's graph from its input to its softmax, and collects the plan."""

    def __init__(self) -> None:
        self.plan = GroupPlan()
        self._drafts: list[_Draft] = []
        self._borders: list[tuple[int, ...]] = []
        self._softmax: Tensor | None = None

    def read(self, body: Sequence[keras.Layer]) -> GroupPlan:
        """The plan of layers that follow each other.

        Raises:
            UnsupportedLayerError: there is none.
        """
        tensor = self.tensor(input_shape(body[0]))
        for layer in body:
            tensor = self.use(layer, tensor)
        if self._softmax is not tensor:
            raise UnsupportedLayerError("a last layer without softmax")
        if tensor.shape[-1] > MOST_CLASSES:
            raise UnsupportedLayerError(f"{tensor.shape[-1]} classes")
        self.plan.logits = tensor.number
        self._finish()
        return self.plan

    def use(self, layer: Any, *inputs: Any, **options: Any) -> Tensor:
        """Add one use of a layer; of a model, all of its layers."""
        if self._softmax is not None:
            raise UnsupportedLayerError("a softmax before the end")
        if options.get("mask") is not None:
            raise UnsupportedLayerError(f"{layer.name}'s mask")
        graph = getattr(layer, "_functional", layer)
        if isinstance(graph, keras.Function):
            if not isinstance(layer, keras.Model) or not has_only(layer, layer.variables):
                raise UnsupportedLayerError(layer.name)
            # As Keras calls its graphs, in order and with nested inputs; there is no public way.
            outputs: list[Tensor] = keras.tree.flatten(
                graph._run_through_graph(inputs, operation_fn=lambda operation: operation, call_fn=self.use)
            )
            if len(outputs) != 1:
                raise UnsupportedLayerError(f"{layer.name}'s {len(outputs)} outputs")
            return outputs[0]
        if isinstance(layer, Again):
            if not is_plain(layer, Again, ("first",), None):
                raise UnsupportedLayerError(layer.name)
            layer = layer.first
        reader = READERS.get(type(layer))
        arguments = keras.tree.flatten(inputs)
        tensors = [argument for argument in arguments if isinstance(argument, Tensor)]
        if reader is None or len(tensors) != len(arguments) or options.keys() - {"training", "mask"}:
            raise UnsupportedLayerError(layer.name)
        return reader(self, layer, tensors)

    def tensor(self, shape: tuple[int | None, ...], shared: Tensor | None = None) -> Tensor:
        """A new tensor, which shares the buffer of another one if `shared` is given."""
        known = tuple(size for size in shape if size is not None)
        if len(known) != len(shape) or len(known) not in (1, 3):
            raise UnsupportedLayerError(f"values of shape {shape}")
        tensor = Tensor(len(self.plan.maps), known)
        self.plan.maps.append(Map(*tensor.spatial))
        self.plan.buffers.append(tensor.number if shared is None else self.plan.buffers[shared.number])
        self._borders.append((0, 0, 0, 0))
        return tensor

    def pad(self, tensor: Tensor, borders: Sequence[int]) -> None:
        """Request zeros around a tensor: rows above, columns left, rows below, columns right."""
        known = self._borders[tensor.number]
        self._borders[tensor.number] = tuple(max(pair) for pair in zip(known, borders, strict=True))

    def add(
        self,
        make: Maker,
        inputs: Sequence[Tensor],
        output: Tensor,
        copies: bool = False,
        in_place: bool = False,
        **weights: keras.Variable | None,
    ) -> Tensor:
        """Add a step; returns its output.

        Args:
            make: makes its kind from the maps of its inputs and output, when their borders are known.
            inputs, output: its tensors.
            copies: whether it only copies, and is left out where that is superfluous.
            in_place: whether its kind can replace its input by its output, if nothing else needs the input.
            weights: its variables; None for one that the layer does without.
        """
        numbers = {name: self._variable(each) for name, each in weights.items() if each is not None}
        inputs_numbers = tuple(each.number for each in inputs)
        self._drafts.append(_Draft(make, inputs_numbers, output.number, numbers, copies, in_place))
        return output

    def activate(self, layer: Any, activation: Callable[..., Any], tensor: Tensor) -> Tensor:
        """Add an activation that a layer has."""
        if activation is keras.activations.softmax and len(tensor.shape) == 1:
            self._softmax = tensor
            return tensor
        if activation is keras.activations.linear:
            return tensor
        for name in ACTIVATIONS:
            if activation is getattr(keras.activations, name, None):
                return self.add_activation(name, tensor)
        raise UnsupportedLayerError(f"{layer.name}'s activation")

    def add_activation(self, name: str, tensor: Tensor, slope: float = 0.0) -> Tensor:
        """Add an activation by its name in `ACTIVATIONS`, or leaky_relu, whose slope below 0 is `slope`."""
        return self.add(
            lambda inputs, output: Activation(inputs[0], output, name, slope),
            [tensor],
            self.tensor(tensor.shape),
            # A negative slope has the sign of y differ from that of x.
            in_place=slope > 0 if name == "leaky_relu" else ACTIVATIONS[name].from_output,
        )

    def reshape(self, tensor: Tensor, shape: tuple[int, ...]) -> Tensor:
        """The values in a new shape.

        They are copied to a buffer without a border, in which both shapes have the same order, unless they
        have no border already.
        """

        def copy(inputs: Sequence[Map], output: Map) -> Kind:
            return Activation(inputs[0], output, "linear")

        packed = self.add(copy, [tensor], self.tensor(tensor.shape), copies=True)
        reshaped = self.tensor(shape, packed)
        # A border that the new shape needs cannot be in the shared buffer.
        return self.add(copy, [reshaped], self.tensor(shape), copies=True)

    def _variable(self, variable: keras.Variable) -> int:
        for number, known in enumerate(self.plan.variables):
            if known is variable:
                return number
        self.plan.variables.append(variable)
        number = len(self.plan.variables) - 1
        if variable.regularizer is not None:
            self.plan.penalties[number] = float(variable.regularizer.l2)
        return number

    def _finish(self) -> None:
        """Give each tensor its border, leave out superfluous copies, and make the kinds."""
        plan = self.plan
        for draft in reversed(self._drafts):
            if draft.in_place:
                # The input gets the border that the output needs, in case they share a buffer.
                self.pad(Tensor(draft.inputs[0], ()), self._borders[draft.output])
        names = ("top", "left", "bottom", "right")
        plan.maps = [
            replace(known, **dict(zip(names, borders, strict=True)))
            for known, borders in zip(plan.maps, self._borders, strict=True)
        ]
        for draft in self._drafts:
            (source, *_), output = draft.inputs, draft.output
            if draft.copies and not any(self._borders[source]) and not any(self._borders[output]):
                self._share(source, output)
                continue
            kind = draft.make([plan.maps[number] for number in draft.inputs], plan.maps[output])
            in_place = draft.in_place and self._can_replace(source, kind)
            if in_place and isinstance(kind, Activation | Dropout):
                self._share(source, output)
                kind = replace(kind, in_place=True)
            plan.steps.append(Step(kind, draft.inputs, output, draft.weights))

    def _share(self, tensor: int, other: int) -> None:
        """Move another tensor, and those that share its buffer, to the buffer of a tensor."""
        before, after = self.plan.buffers[other], self.plan.buffers[tensor]
        self.plan.buffers = [after if number == before else number for number in self.plan.buffers]

    def _can_replace(self, tensor: int, kind: Kind) -> bool:
        """Whether a kind may put its output in the place of a tensor.

        It may not replace the image, nor a tensor that shares a buffer of another size, nor one that anything
        else reads, be it under another shape, nor one that its writer needs for the gradient.
        """
        plan = self.plan
        sharing = [number for number, buffer in enumerate(plan.buffers) if buffer == plan.buffers[tensor]]
        uses = [number for draft in self._drafts for number in draft.inputs]
        writers = [step.kind for step in plan.steps if step.output in sharing]
        return (
            0 not in sharing
            and plan.maps[tensor].size == plan.maps[sharing[0]].size
            and all(uses.count(number) == 1 for number in sharing)
            and all(self._allows(writer, kind) for writer in writers)
        )

    @staticmethod
    def _allows(writer: Kind, kind: Kind) -> bool:
        """Whether `kind` may replace the output of `writer`, whose gradient then has to do without it."""
        if not writer.needs_output:
            return True
        # Dropout leaves the sign of what it keeps, and passes no gradient elsewhere.
        return (
            isinstance(kind, Dropout)
            and isinstance(writer, Activation)
            and writer.name in ("relu", "leaky_relu")
        )
