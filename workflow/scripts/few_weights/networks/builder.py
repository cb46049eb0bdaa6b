"""From what a study says of a network to a checked `keras.Model`.

A network is one of ours (`{"architecture": "mlp", "options": {…}}`), a function of the user's
(`{"file": "nets.py", "function": "wide", "options": {…}}`), or a list of layers (`{"layers": […]}`).
`plan.study_file` makes these mappings. Every network ends in probabilities, not logits: the loss and what
is exported rely on it.
"""

import inspect
from collections.abc import Callable, Mapping

import keras
import numpy as np

from few_weights.errors import StudyError, brief
from few_weights.networks import architectures, counting, user_files
from few_weights.networks.yaml_layers import build_layers

#: What every function from a width to a network takes, in this order.
TAKEN = ("width", "image_shape", "classes")


def build_network(
    name: str,
    network: Mapping,
    width: int,
    image_shape: tuple[int, int, int],
    classes: int,
    seed: int | None = None,
) -> keras.Model:
    """The network that a study calls `name`, at that width.

    `seed` is set right before it is built, after a user's file has run: so the same seed gives the same
    initial weights in every process, whatever that file does.

    Raises:
        StudyError: it cannot be built at this width on such images, or its shapes do not fit the data.
    """
    try:
        model = _build(network, width, image_shape, classes, seed)
        _require_shapes(model, image_shape, classes)
    except StudyError as error:
        raise StudyError(
            f"{name} of width {width} cannot be built on images of {image_shape}, {classes} classes: {error}"
        ) from error
    return model


def check_network(name: str, width: int, model: keras.Model) -> None:
    """Ask an untrained network for the classes of a few images.

    Raises:
        StudyError: it holds no weights to train, or what it gives are no probabilities.
    """
    if counting.trainable_parameters(model) == 0:
        raise StudyError(f"{name} of width {width} has no weights to train; give it a layer such as Dense")
    images = np.random.default_rng(0).random((4, *model.input_shape[1:]), dtype=np.float32)
    try:
        answer = np.asarray(model(images, training=False))
    except Exception as error:  # whatever a layer of the user's does
        raise StudyError(f"{name} of width {width} cannot be computed: {brief(error)}") from error
    require_probabilities(f"{name} of width {width}", answer)


def require_probabilities(name: str, answer: np.ndarray) -> None:
    """Refuse answers (images, classes) that are no probabilities.

    Raises:
        StudyError: some are not finite, below 0, or do not sum up to 1.
    """
    if not np.all(np.isfinite(answer)):
        raise StudyError(
            f"{name} gives nan or infinity for an image; look for a division by 0, or a log or root of 0"
        )
    if not (np.all(answer >= 0) and np.allclose(answer.sum(axis=1), 1, atol=1e-3)):
        raise StudyError(
            f"{name} does not give probabilities; end it in a layer with activation softmax "
            "(logits are not enough)"
        )


def _build(network: Mapping, width: int, image_shape, classes: int, seed: int | None) -> keras.Model:
    if "layers" in network:
        _set_seed(seed)
        return build_layers(network["layers"], width, image_shape, classes)
    options = network["options"]
    if "file" in network:
        function = user_files.load_function(network["file"], network["function"])
        _require_options(function, options)
        with user_files.running(network["file"]):
            _set_seed(seed)
            return function(width, image_shape, classes, **options)
    function = architectures.builder_of(network["architecture"])
    _require_options(function, options)
    _set_seed(seed)
    try:
        return function(width, image_shape, classes, **options)
    except ValueError as error:
        raise StudyError(brief(error)) from error


def _set_seed(seed: int | None) -> None:
    if seed is not None:
        keras.utils.set_random_seed(seed)  # Python, NumPy and TensorFlow


def _require_shapes(model, image_shape: tuple[int, int, int], classes: int) -> None:
    if not isinstance(model, keras.Model):
        raise StudyError(f"the function returns {type(model).__name__}, not a keras.Model")
    try:
        inputs, outputs = model.inputs, model.outputs
    except (AttributeError, ValueError):
        inputs = outputs = None
    if not inputs or not outputs:
        raise StudyError(
            "it has no inputs and outputs yet; begin with layers.Input(image_shape), or wrap it: "
            "keras.Model(inputs, outputs)"
        )
    graph = counting.graph_of(model)
    if graph is None:
        raise StudyError(
            f"it is a {type(model).__name__} without a graph of layers; wrap it: keras.Model(inputs, outputs)"
        )
    if isinstance(graph.input, dict) or isinstance(graph.output, dict):
        raise StudyError(
            "its inputs or outputs are a dict; return keras.Model(inputs, outputs) of one tensor each"
        )
    takes, gives = ([tuple(tensor.shape) for tensor in tensors] for tensors in (inputs, outputs))
    if takes != [(None, *image_shape)]:
        raise StudyError(f"it takes {_list(takes)}; it must take one batch of images, {(None, *image_shape)}")
    if gives != [(None, classes)]:
        raise StudyError(
            f"it ends in {_list(gives)}; it must end in one probability a class, {(None, classes)}"
        )
    if (dtype := inputs[0].dtype) != "float32":
        raise StudyError(
            f"its input is {dtype}, but images arrive as float32 from 0 to 1, which become "
            + ("0 or 1 there" if "float" not in dtype else "something else there")
            + f"; write layers.Input(image_shape) without dtype={dtype!r}"
        )
    for method in ("call", "train_step", "compute_loss"):
        if _module_of(getattr(type(model), method)) != "keras":
            raise StudyError(
                f"its class {type(model).__name__} has a {method} of its own, which training here does not "
                "use; return a plain keras.Model(inputs, outputs)"
            )


def _module_of(function: Callable) -> str:
    return function.__module__.partition(".")[0]


def _list(shapes: list[tuple]) -> str:
    return " and ".join(map(str, shapes))


def _require_options(function: Callable, options: Mapping) -> None:
    """Refuse what the function does not take before Python does, in its words.

    Raises:
        StudyError: it does not take width, image shape and classes, or does not know an option.
    """
    name = getattr(function, "__name__", type(function).__name__)
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except ValueError:  # one written in C
        return
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    names = [parameter.name for parameter in positional[:3]]
    several = any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters)
    if (len(names) < 3 and not several) or (set(names) == set(TAKEN) and names != list(TAKEN)):
        raise StudyError(
            f"{name} takes ({', '.join(p.name for p in parameters)}); it must take "
            f"({', '.join(TAKEN)}) in this order, and options behind them"
        )
    parameters = [p for p in parameters if p not in positional[:3] and p.kind is not p.VAR_POSITIONAL]
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return
    known = [parameter.name for parameter in parameters]
    for option in options:
        if option not in known:
            raise StudyError(
                f"{name} knows no option '{option}'; "
                + (f"it knows: {', '.join(known)}" if known else "it knows none")
            )
    for parameter in parameters:
        if parameter.default is parameter.empty and parameter.name not in options:
            raise StudyError(f"{name} needs the option '{parameter.name}'; give it in options")
