"""Decides how a Keras model is trained, and writes its machine code.

All that needs Keras happens here, once per network and recipe. A `NetworkCode` can then be stored, and run by
processes that do not import Keras.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from few_weights.engine.arena import Arena
from few_weights.engine.errors import EngineError
from few_weights.engine.group_plan import GroupPlan
from few_weights.engine.group_program import GroupProgram
from few_weights.engine.keras_loop import KerasLoop
from few_weights.engine.layer_readers import plan_groups
from few_weights.engine.layouts import whole_vectors
from few_weights.engine.leading_layers import Pool
from few_weights.engine.machine_code import Program
from few_weights.engine.machine_loop import MachineLoop
from few_weights.engine.network_code import NetworkCode
from few_weights.engine.optimizers import build_optimizer, learning_rate_of, name_of, why_not_optimizer
from few_weights.engine.plain import is_plain
from few_weights.engine.updates import Update, update_of
from few_weights.engine.winograd_program import Plan, write_network
from few_weights.engine.winograd_reader import plan_network

#: Layers without weights, and their settings: if a network begins with them, they are applied once to all
#: images. They compute each image independently of others, and draw no random numbers.
WEIGHTLESS = {
    layers.AveragePooling2D: ("pool_size", "strides", "padding"),
    layers.Flatten: (),
    layers.MaxPooling2D: ("pool_size", "strides", "padding"),
    layers.Reshape: ("target_shape",),
}


#: The largest arena in bytes. Batch normalisation needs the values of a whole batch at once: a network that
#: needs more is so large that Keras computes it as fast.
MOST_MEMORY = 2**30


@dataclass(frozen=True)
class Preparation:
    """How a model is trained.

    Args:
        model, optimizer: what is trained, and Keras' optimizer, built for it.
        batch_size: images per step.
        path: how, and for machine code why not, in words.
        code: None where Keras computes the model.
    """

    model: keras.Model
    optimizer: keras.optimizers.Optimizer
    batch_size: int
    path: str
    code: NetworkCode | None

    @property
    def variables(self) -> list[keras.Variable]:
        """Those of the model and then of the optimizer."""
        return [*self.model.variables, *self.optimizer.variables]

    def make_loop(self, cache: Path | None = None) -> MachineLoop | KerasLoop:
        """The loop that trains the model; `cache` is the folder of compiled code, None for none."""
        if self.code is None:
            return KerasLoop(self.model, self.optimizer, self.batch_size)
        return MachineLoop(self.code, [np.asarray(each) for each in self.variables], cache)


def prepare(
    model: keras.Model,
    optimizer: Mapping[str, Any],
    batch_size: int,
    examples: int,
    schedule: Mapping[str, Any] | None = None,
    epochs: int = 1,
    quantisation: Mapping[str, Any] | None = None,
) -> Preparation:
    """Decide how to train a model, and write its machine code.

    Args:
        model: ends in a softmax over the classes.
        optimizer: `name` and settings, as `build_optimizer` takes them.
        batch_size: images per step; the last step of an epoch takes the rest.
        examples: images to train on.
        schedule: of the learning rate, as `build_optimizer` takes it; None keeps it constant.
        epochs: of the whole training, for the schedule, and to decide what is worth compiling.
        quantisation: of the weights, as `build_optimizer` takes it; None keeps float32.

    Raises:
        EngineError: the model brings its own training step, or its optimizer does not fit it.
    """
    _require_keras_step(model)
    batch_size = min(batch_size, examples)
    steps = epochs * math.ceil(examples / batch_size)
    built = build_optimizer(optimizer, schedule, steps, quantisation)
    if model.dtype_policy.name == "mixed_float16":  # as `compile` does
        built = keras.optimizers.LossScaleOptimizer(built)
    built.build(model.trainable_variables)
    leading, plan, path = choose_path(model, built, steps)
    pools = [pool for pool in map(_read_leading, leading) if pool]
    code = None if plan is None else _write(plan, pools, model, built, batch_size)
    if code and 4 * code.arena_size > MOST_MEMORY:
        path = (
            f"by Keras, and not by machine code for {4 * code.arena_size / 2**30:.1f} GiB of values at once"
        )
        code = None
    return Preparation(model, built, batch_size, path, code)


def choose_path(
    model: keras.Model, optimizer: keras.optimizers.Optimizer, steps: int
) -> tuple[list[keras.Layer], Plan | GroupPlan | None, str]:
    """Choose how to train a model.

    Args:
        model, optimizer: what to train, and with what.
        steps: of the whole training.

    Returns:
        The leading layers that are applied to the data beforehand; the plan for machine code, or None where
        Keras computes the model, as it is, without leading layers; and a description of both.
    """
    # A class derived from Sequential may compute something else.
    body = list(model.layers) if type(model) is keras.Sequential else [model]
    if stranger := _first_of_another_size(model, body):
        return [], None, f"by Keras, and not by machine code for {stranger.name}, first used at another size"
    leading: list[keras.Layer] = []
    while len(body) > 1 and any(is_plain(body[0], kind, settings) for kind, settings in WEIGHTLESS.items()):
        leading.append(body.pop(0))
    once = f"; {', '.join(layer.name for layer in leading)} applied once" if leading else ""
    plan = _plan_or_reason(model, body, optimizer, steps)
    if isinstance(plan, str):
        return [], None, f"by Keras, and not by machine code {plan}"
    return leading, plan, f"by machine code, {plan}{once}"


def _first_of_another_size(model: keras.Model, body: Sequence[keras.Layer]) -> keras.Layer | None:
    """The first layer that another network has used before, at another size: the shapes that a layer
    records are those of its first use, and a plan goes by them."""
    shape = model.inputs[0].shape
    for layer in body:
        if isinstance(layer, keras.Model):
            break  # the layers of a model, and those after it, are planned from the shapes of their inputs
        if not (isinstance(layer.input, keras.KerasTensor) and isinstance(layer.output, keras.KerasTensor)):
            break  # a layer of several tensors goes by Keras
        if layer.input.shape != shape:
            return layer
        shape = layer.output.shape
    return None


def _plan_or_reason(
    model: keras.Model, body: list[keras.Layer], optimizer: keras.optimizers.Optimizer, steps: int
) -> Plan | GroupPlan | str:
    """The plan for machine code; or why there is none, such as "for lstm"."""
    if tf.config.get_visible_devices("GPU"):
        return "on a GPU"
    if reason := why_not_optimizer(optimizer):
        return reason
    if name_of(optimizer) != "full_matrix_adam":
        plan = plan_network(model, body, steps)
        if isinstance(plan, Plan):
            return plan
    return plan_groups(model, body, steps)


def _require_keras_step(model: keras.Model) -> None:
    """Refuse a model that brings its own training step, since it would not be called here.

    Raises:
        EngineError: names the method.
    """
    for name in ("train_step", "compute_loss"):
        if getattr(type(model), name) is not getattr(keras.Model, name) or name in vars(model):
            raise EngineError(
                f"{type(model).__name__} defines its own {name}, but a study trains every network by Keras' "
                "step, with the cross-entropy of its classes as the loss; remove it, and let a layer call "
                "add_loss for additional terms"
            )


def _read_leading(layer: Any) -> Pool | None:
    """A leading layer as `prepare_images` takes it; None for a new shape, which moves no number."""
    if isinstance(layer, (layers.Flatten, layers.Reshape)):
        return None
    images, shape = tuple(layer.input.shape[1:]), tuple(layer.output.shape[1:])
    before = []
    for axis in (0, 1):
        length = (shape[axis] - 1) * layer.strides[axis] + layer.pool_size[axis]
        before.append(max(length - images[axis], 0) // 2 if layer.padding == "same" else 0)
    largest = isinstance(layer, layers.MaxPooling2D)
    return Pool(largest, tuple(layer.pool_size), tuple(layer.strides), images, shape, (before[0], before[1]))


def _write(
    plan: Plan | GroupPlan,
    pools: Sequence[Pool],
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    batch_size: int,
) -> NetworkCode:
    """Write the code for a plan, which comes after leading layers."""
    name, config, pixels = name_of(optimizer), optimizer.get_config(), not pools
    update = update_of(name, config)
    if isinstance(plan, GroupPlan):
        program, arena_size, places, gradient = _write_groups(plan, optimizer, update, batch_size, pixels)
    else:
        assert update is not None
        program, arena_size, places, gradient = _write_winograd(
            plan, optimizer, update, batch_size, not pools
        )
    full_matrix = ("beta_1", "beta_2", "epsilon", "refresh", "weight_bits", "rounded_from")
    kept = {"name": name} | {key: config[key] for key in (update.settings if update else full_matrix)}
    if not update:
        kept["sizes"] = [math.prod(variable.shape) for variable in optimizer._trainable_variables]
    variables = [*model.variables, *optimizer.variables]
    return NetworkCode(
        program.name,
        str(program.module),
        arena_size,
        batch_size,
        list(pools),
        kept,
        learning_rate_of(optimizer),
        [places.get(id(variable)) for variable in variables],
        next(number for number, each in enumerate(variables) if each is optimizer.iterations),
        gradient,
    )


#: A program, the size of its arena, where each variable begins in it, by the variable's id, and `gradient` as
#: in `NetworkCode`.
Written = tuple[Program, int, dict[int, int], tuple[int, int, int] | None]


def _write_winograd(
    plan: Plan, optimizer: keras.optimizers.Optimizer, update: Update, batch_size: int, pixels: bool
) -> Written:
    variables = plan.variables
    indices = [optimizer._get_variable_index(variable) for variable in variables]
    state = [[getattr(optimizer, name)[index] for index in indices] for name in update.state]
    # All weights are in one buffer, each aligned to a whole vector; likewise the optimizer's state.
    starts, size = _starts(variables, whole_vectors)
    arena = Arena()
    buffers = [arena.buffer(size) for _ in (variables, *state)]
    program = Program("winograd")
    write_network(
        program, arena, plan, buffers, starts, size, update, optimizer.get_config(), batch_size, pixels
    )
    places = _places([buffer.offset for buffer in buffers], [variables, *state], starts)
    return program, arena.size, places, None


def _write_groups(
    plan: GroupPlan,
    optimizer: keras.optimizers.Optimizer,
    update: Update | None,
    batch_size: int,
    pixels: bool,
) -> Written:
    trained = optimizer._trainable_variables
    # The weights one after the other, in the order of the optimizer.
    starts, size = _starts(trained, int)
    start_of = {id(variable): start for variable, start in zip(trained, starts, strict=True)}
    plan_starts = [start_of.get(id(variable)) for variable in plan.variables]
    program = Program("groups")
    written = GroupProgram(
        program, plan, plan_starts, size, update, optimizer.get_config(), batch_size, pixels
    )
    state = [getattr(optimizer, name) for name in update.state] if update else []
    places = _places([written.weights, *written.state], [trained, *state], starts)
    for variable, (place, _) in zip(plan.variables, written.variables, strict=True):
        places.setdefault(id(variable), place)
    gradient = None if update else (written.weights, written.gradients, size)
    return program, written.arena.size, places, gradient


def _starts(variables: Iterable[keras.Variable], padded: Any) -> tuple[list[int], int]:
    """Where each variable begins in a buffer of all of them, and the buffer's size."""
    sizes = [padded(math.prod(variable.shape)) for variable in variables]
    *starts, size = np.cumsum([0, *sizes]).tolist()
    return starts, size


def _places(
    offsets: Sequence[int], groups: Sequence[Sequence[keras.Variable]], starts: Sequence[int]
) -> dict[int, int]:
    """Where variables begin in the arena: each group of them in a buffer of its own."""
    return {
        id(variable): offset + start
        for offset, group in zip(offsets, groups, strict=True)
        for variable, start in zip(group, starts, strict=True)
    }
