"""Builds a network that a study's YAML gives as a list of Keras layers, with the width as a variable."""

import difflib
import inspect
import re
from collections.abc import Mapping, Sequence

import keras

from few_weights.errors import StudyError, brief
from few_weights.networks.yaml_arguments import layer_arguments
from few_weights.networks.yaml_hints import Value, as_yaml, bound_arguments, letters_of


def build_layers(
    entries: Sequence[str | Mapping[str, Mapping[str, Value] | None]],
    width: int,
    image_shape: tuple[int, int, int],
    classes: int,
) -> keras.Model:
    """Build a network of layers that follow each other.

    Args:
        entries: each the name of a Keras layer (`Flatten`), or a mapping from it to its arguments
            (`{"Dense": {"units": "2 * width"}}`). The variables are `width` and `classes`.
        width: value of the variable `width`.
        image_shape: rows, columns, channels.
        classes: value of the variable `classes`.

    Raises:
        StudyError: entries are not layers, or one does not fit after those before it; the message says which.
    """
    variables = {"width": width, "classes": classes}
    planned: list[tuple[str, type[keras.Layer], dict[str, Value]]] = []
    problems: list[str] = []
    for position, entry in enumerate(entries):
        name, arguments = (entry.strip(), None) if isinstance(entry, str) else next(iter(entry.items()))
        label = f"layers[{position}] ({name})"
        try:
            layer_class = _layer_class(name)
            values, wrong = layer_arguments(layer_class, arguments or {}, variables)
        except StudyError as error:
            problems.append(f"{label}: {error}")
        else:
            problems += [f"{label} {problem}" for problem in wrong]
            planned.append((label, layer_class, values))
    if problems:
        raise StudyError("; also ".join(problems))
    model = keras.Sequential([keras.layers.Input(image_shape)])
    for label, layer_class, values in planned:
        try:
            model.add(layer_class(**values))
        except Exception as error:  # Keras raises many kinds of errors
            hint = "; put it before Flatten" if "expected min_ndim=4, found ndim=2" in str(error) else ""
            raise StudyError(f"{label}: {brief(error)}{hint}") from error
    return model


#: Layers that a list of layers cannot contain, and why.
PYTHON_ONLY = (
    dict.fromkeys(
        ("Add", "Average", "Concatenate", "Dot", "Maximum", "Minimum", "Multiply", "Subtract")
        + ("Attention", "AdditiveAttention", "MultiHeadAttention", "GroupQueryAttention"),
        "it takes several inputs",
    )
    | dict.fromkeys(
        ("Bidirectional", "Pipeline", "RNN", "SpectralNormalization", "StackedRNNCells", "TimeDistributed")
        + ("Wrapper",),
        "it takes other layers",
    )
    | dict.fromkeys(
        ("FlaxLayer", "JaxLayer", "Lambda", "TFSMLayer", "TorchModuleWrapper"), "it takes other Python code"
    )
)


def _layer_class(name: str) -> type[keras.Layer]:
    """The Keras layer of a name.

    Raises:
        StudyError: there is none, or not for a list of layers; the message says what to write instead.
    """
    if name in ("Input", "InputLayer"):
        raise StudyError("leave it out; the input has the shape of the data set's images")
    if name in PYTHON_ONLY:
        raise StudyError(
            f"{PYTHON_ONLY[name]}, which a list of layers cannot express; write the network in Python, "
            "with file"
        )
    known = {
        key
        for key, value in vars(keras.layers).items()
        if inspect.isclass(value) and issubclass(value, keras.Layer) and value is not keras.Layer
    }
    if name in known:
        return getattr(keras.layers, name)
    by_letters = {letters_of(key): key for key in known} | {"linear": "Dense"}
    rest = re.sub(r"^[\w.]*", "", name)
    word = name.removesuffix(rest)
    exact = by_letters.get(letters_of(word.rpartition(".")[2]))
    if exact and rest.startswith("("):
        arguments = bound_arguments(getattr(keras.layers, exact), f"f{rest}")
        if arguments is not None:
            written = {key: value for key, value in arguments.items() if key != "kwargs"}
            written |= arguments.get("kwargs", {})
            raise StudyError(f"write {exact}{f': {as_yaml(written)}' if written else ''}")
    if exact and rest.strip().startswith("{"):
        raise StudyError(f"a colon is missing: write {exact}: {rest.strip()}")
    near = [exact] if exact else difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    if not near:
        near = [by_letters[key] for key in difflib.get_close_matches(letters_of(name), by_letters, n=1)]
    if near and (flat := re.sub("[13]D", "2D", near[0])) in known and not re.search(r"\d", name):
        near = [flat]  # of the variants of a layer, the one for images
    hint = f"did you mean '{near[0]}'?" if near else "keras.io/api/layers lists them"
    raise StudyError(f"Keras has no such layer; {hint}")
