"""From what a study says of a network to a checked `keras.Model`.

A network is one of ours (`{"architecture": "mlp", "options": {…}}`), a function of the user's
(`{"file": "nets.py", "function": "wide", "options": {…}}`), or a list of layers (`{"layers": […]}`).
`study.resolve_study` makes these mappings. Every network ends in probabilities, not logits: the loss and what
is exported rely on it.
"""

import importlib.util
import inspect
import sys
import tempfile
import traceback
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from types import ModuleType

import keras
import numpy as np

from few_weights import architectures, counting
from few_weights.errors import StudyError
from few_weights.layer_list import brief, build_layers


def build_network(
    name: str, network: Mapping, width: int, image_shape: tuple[int, int, int], classes: int
) -> keras.Model:
    """The network that a study calls `name`, at that width.

    Raises:
        StudyError: it cannot be built at this width on such images, or its shapes do not fit the data.
    """
    try:
        model = _build(network, width, image_shape, classes)
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
    if not (np.all(answer >= 0) and np.allclose(answer.sum(axis=1), 1, atol=1e-3)):
        raise StudyError(
            f"{name} of width {width} does not give probabilities; end it in a layer with "
            "activation softmax (logits are not enough)"
        )


def model_bytes(model: keras.Model) -> bytes:
    """The network as a .keras file, which `keras.saving.load_model` reads.

    Raises:
        StudyError: a layer of the user's cannot be saved.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.keras")
        try:
            keras.saving.save_model(model, path)
        except Exception as error:  # whatever a layer of the user's does
            raise StudyError(
                f"the network cannot be saved as .keras ({brief(error)}); give its own layers a get_config, "
                "or leave save_models out"
            ) from error
        return path.read_bytes()


def _build(network: Mapping, width: int, image_shape, classes: int) -> keras.Model:
    if "layers" in network:
        return build_layers(network["layers"], width, image_shape, classes)
    options = network["options"]
    if "file" in network:
        function = _own_function(network["file"], network["function"])
        _require_options(function, options)
        try:
            return function(width, image_shape, classes, **options)
        except Exception as error:  # it is not our code
            raise StudyError(_blame(error, network["file"])) from error
    function = architectures.builder_of(network["architecture"])
    _require_options(function, options)
    try:
        return function(width, image_shape, classes, **options)
    except ValueError as error:
        raise StudyError(brief(error)) from error


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
    takes, gives = ([tuple(tensor.shape) for tensor in tensors] for tensors in (inputs, outputs))
    if takes != [(None, *image_shape)]:
        raise StudyError(f"it takes {_list(takes)}; it must take one batch of images, {(None, *image_shape)}")
    if gives != [(None, classes)]:
        raise StudyError(
            f"it ends in {_list(gives)}; it must end in one probability a class, {(None, classes)}"
        )


def _list(shapes: list[tuple]) -> str:
    return " and ".join(map(str, shapes))


def _require_options(function: Callable, options: Mapping) -> None:
    """Tell an option that the function does not know before Python does, in its words."""
    parameters = list(inspect.signature(function).parameters.values())[3:]
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return
    known = [parameter.name for parameter in parameters]
    for option in options:
        if option not in known:
            raise StudyError(
                f"{function.__name__} knows no option '{option}'; "
                + (f"it knows: {', '.join(known)}" if known else "it knows none")
            )
    for parameter in parameters:
        if parameter.default is parameter.empty and parameter.name not in options:
            raise StudyError(f"{function.__name__} needs the option '{parameter.name}'; give it in options")


def _own_function(file: str, function: str) -> Callable:
    module = _load(Path(file).resolve(), file)
    found = getattr(module, function, None)
    if not callable(found):
        own = [
            name
            for name, value in vars(module).items()
            if inspect.isfunction(value) and value.__module__ == module.__name__
        ]
        raise StudyError(f"{file} holds no function '{function}'; it holds: {', '.join(own) or 'none'}")
    return found


@cache
def _load(path: Path, file: str) -> ModuleType:
    """Run a file of the user's, once. Modules that lie beside it can be imported from it."""
    if str(path.parent) not in sys.path:
        # Last, so that nothing of ours or of Python's can be hidden by a file's name.
        sys.path.append(str(path.parent))
    spec = importlib.util.spec_from_file_location(f"own_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # it is not our code
        raise StudyError(_blame(error, file)) from error
    return module


def _blame(error: Exception, file: str) -> str:
    """An error in the user's code, with the line of their file that led to it."""
    if isinstance(error, SyntaxError):
        line = error.lineno
    else:
        frames = traceback.extract_tb(error.__traceback__)
        line = next(
            (
                frame.lineno
                for frame in reversed(frames)
                if Path(frame.filename).resolve() == Path(file).resolve()
            ),
            None,
        )
    return f"{file}{f', line {line}' if line else ''}: {type(error).__name__}: {brief(error)}"
