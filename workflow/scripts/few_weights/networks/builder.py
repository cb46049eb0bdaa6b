"""Builds a `keras.Model` from a study's description of a network, and checks its inputs and outputs.

A network is a built-in one (`{"architecture": "mlp", "options": {…}}`), a function in a user's file
(`{"file": "nets.py", "function": "wide", "options": {…}}`), or a list of layers (`{"layers": […]}`).
`plan.study_file` makes these mappings. Every network ends in probabilities, not logits: the loss and the
exported files rely on it.
"""

import inspect
from collections.abc import Callable, Mapping

import keras
import numpy as np
from numpy.typing import NDArray

from few_weights.errors import StudyError, brief
from few_weights.networks import architectures, counts, user_files
from few_weights.networks.call_graph import Shape, graph_of
from few_weights.networks.yaml_layers import build_layers
from few_weights.plan.recipe import Network

#: The arguments of every function that builds a network, in this order.
ARGUMENTS = ("width", "image_shape", "classes")


def build_network(
    name: str,
    network: Network,
    width: int,
    image_shape: tuple[int, int, int],
    classes: int,
    seed: int | None = None,
) -> keras.Model:
    """Build the network of a study's architecture at a width.

    Args:
        name: what the study calls the architecture, for messages.
        network: what the architecture is.
        image_shape: rows, columns, channels.
        classes: how many there are.
        seed: set right before the network is built, after a user's file has run: so the same seed gives the
            same initial weights in every process, whatever that file does. None leaves the state as it is.

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
    """Check that an untrained network has weights to train, and returns probabilities for a few images.

    Raises:
        StudyError: it has no weights to train, cannot be computed, or does not return probabilities.
    """
    if counts.trainable_parameters(model) == 0:
        raise StudyError(f"{name} of width {width} has no weights to train; give it a layer such as Dense")
    images = np.random.default_rng(0).random((4, *model.input_shape[1:]), dtype=np.float32)
    try:
        probabilities = np.asarray(model(images, training=False))
    except Exception as error:  # a user's layer may raise anything
        raise StudyError(f"{name} of width {width} cannot be computed: {brief(error)}") from error
    require_probabilities(f"{name} of width {width}", probabilities)


def require_probabilities(name: str, outputs: NDArray[np.floating]) -> None:
    """Check that outputs (images, classes) are probabilities.

    Raises:
        StudyError: some are not finite, below 0, or do not add up to 1.
    """
    if not np.all(np.isfinite(outputs)):
        raise StudyError(
            f"{name} returns nan or infinity for an image; look for a division by 0, or a log or root of 0"
        )
    if not (np.all(outputs >= 0) and np.allclose(outputs.sum(axis=1), 1, atol=1e-3)):
        raise StudyError(
            f"{name} does not return probabilities; end it in a layer with activation softmax "
            "(logits are not enough)"
        )


def _build(
    network: Network, width: int, image_shape: tuple[int, int, int], classes: int, seed: int | None
) -> keras.Model:
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


def _require_shapes(model: object, image_shape: tuple[int, int, int], classes: int) -> None:
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
    graph = graph_of(model)
    if graph is None:
        raise StudyError(
            f"it is a {type(model).__name__} without a graph of layers; wrap it: keras.Model(inputs, outputs)"
        )
    if isinstance(graph.input, dict) or isinstance(graph.output, dict):
        raise StudyError(
            "its inputs or outputs are a dict; return keras.Model(inputs, outputs) of one tensor each"
        )
    takes, returns = ([tuple(tensor.shape) for tensor in tensors] for tensors in (inputs, outputs))
    if takes != [(None, *image_shape)]:
        raise StudyError(f"it takes {_list(takes)}; it must take one batch of images, {(None, *image_shape)}")
    if returns != [(None, classes)]:
        raise StudyError(
            f"it ends in {_list(returns)}; it must end in one probability per class, {(None, classes)}"
        )
    if (dtype := inputs[0].dtype) != "float32":
        raise StudyError(
            f"its input is {dtype}, but images are given as float32 from 0 to 1, which "
            + ("would become 0 or 1" if "float" not in dtype else "would be converted")
            + f"; write layers.Input(image_shape) without dtype={dtype!r}"
        )
    for method in ("call", "train_step", "compute_loss"):
        if _module_of(getattr(type(model), method)) != "keras":
            raise StudyError(
                f"its class {type(model).__name__} defines its own {method}, which few-weights does not "
                "use; return a plain keras.Model(inputs, outputs)"
            )


def _module_of(function: Callable[..., object]) -> str:
    return function.__module__.partition(".")[0]


def _list(shapes: list[Shape]) -> str:
    return " and ".join(map(str, shapes))


def _require_options(function: Callable[..., object], options: Mapping[str, object]) -> None:
    """Check the options against the function's signature, for a clearer message than Python's own.

    Raises:
        StudyError: it does not take width, image shape and classes, or not these options.
    """
    name = getattr(function, "__name__", type(function).__name__)
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except ValueError:  # one written in C
        return
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    names = [parameter.name for parameter in positional[:3]]
    several = any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters)
    if (len(names) < 3 and not several) or (set(names) == set(ARGUMENTS) and names != list(ARGUMENTS)):
        raise StudyError(
            f"{name} takes ({', '.join(p.name for p in parameters)}); it must take "
            f"({', '.join(ARGUMENTS)}) in this order, then its options"
        )
    parameters = [p for p in parameters if p not in positional[:3] and p.kind is not p.VAR_POSITIONAL]
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return
    known = [parameter.name for parameter in parameters]
    for option in options:
        if option not in known:
            raise StudyError(
                f"{name} has no option '{option}'; "
                + (f"its options are: {', '.join(known)}" if known else "it has no options")
            )
    for parameter in parameters:
        if parameter.default is parameter.empty and parameter.name not in options:
            raise StudyError(f"{name} needs the option '{parameter.name}'; give it in options")
