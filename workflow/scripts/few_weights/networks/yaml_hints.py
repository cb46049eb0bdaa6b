"""Suggestions for layers and arguments in YAML that Keras does not know: what to write instead."""

import ast
import difflib
import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import keras

#: An argument of a layer: a number, a text, an expression, or lists and mappings of them.
Value: TypeAlias = "bool | int | float | str | None | list[Value] | Mapping[str, Value]"


#: Modules of Keras that a layer's arguments refer to by name, by the end of the argument's name.
NAMED = {
    "activation": keras.activations,
    "initializer": keras.initializers,
    "regularizer": keras.regularizers,
    "constraint": keras.constraints,
}


def hint_for_name(kind: str, value: Value) -> str:
    """What to write instead of an activation, initializer or the like that Keras does not know.

    Args:
        kind: a key of `NAMED`.
        value: what the study says.
    """
    module = NAMED[kind]
    is_named = inspect.isfunction if kind == "activation" else inspect.isclass
    classes = {
        letters_of(name): item.__name__
        for name, item in vars(module).items()
        if is_named(item) and item.__name__.lower() not in ("get", "serialize", "deserialize", "layer", kind)
    }

    def written(name: str) -> str:
        if kind == "activation" or len(name) < 3:
            return name
        return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()

    if isinstance(value, Mapping) and len(value) == 1:
        (name, config), *_ = value.items()
        class_name = classes.get(letters_of(name))
        if class_name and kind != "activation":
            config = config if isinstance(config, Mapping) else {name: config}
            return f"write {_mapping(class_name, config)}"
    if isinstance(value, int | float) and kind == "regularizer":
        return f"write {_mapping('L2', {'l2': value})}"
    if not isinstance(value, str):
        return "write a name, or {class_name: NAME, config: {…}}"
    call = re.fullmatch(r"([\w.]+)\s*(\(.*\))?", value)
    name, brackets = (call[1].rpartition(".")[2], call[2]) if call else (value, None)
    class_name = classes.get(letters_of(name))
    if class_name and kind == "activation":
        return f"write {class_name}"
    if class_name and brackets and (config := bound_arguments(getattr(module, class_name), f"f{brackets}")):
        return f"write {_mapping(class_name, config)}"
    if class_name:
        return f"write {written(class_name)}"
    if kind == "activation" and name in vars(keras.layers):
        return f"it is a layer: write '- {name}' after this one"
    near = difflib.get_close_matches(letters_of(name), classes, n=1, cutoff=0.5)
    if near:
        return f"did you mean '{written(classes[near[0]])}'?"
    return f"known are: {', '.join(sorted({written(item) for item in classes.values()}))}"


def letters_of(name: str) -> str:
    """A name in lower case, with letters and digits only."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _mapping(name: str, config: Mapping[str, object]) -> str:
    return f"{{class_name: {name}, config: {as_yaml(config)}}}"


def as_yaml(arguments: Mapping[str, object]) -> str:
    """Arguments as a mapping in braces."""
    return "{" + ", ".join(f"{key}: {value}" for key, value in arguments.items()) + "}"


def bound_arguments(function: Callable[..., object], call: str) -> dict[str, Any] | None:
    """The arguments of a call by name, as they are written.

    Args:
        function: the function, or class, that is called.
        call: a call in Python, such as "f(0.1, seed=2)".

    Returns:
        The arguments; None if it is no call, or does not fit the function.
    """
    try:
        node = ast.parse(call, mode="eval").body
        if not isinstance(node, ast.Call) or any(item.arg is None for item in node.keywords):
            return None
        arguments = [_unquoted(item) for item in node.args]
        keywords = {item.arg: _unquoted(item.value) for item in node.keywords if item.arg}
        return dict(inspect.signature(function).bind_partial(*arguments, **keywords).arguments)
    except (SyntaxError, TypeError, ValueError, AttributeError):
        return None


def _unquoted(node: ast.expr) -> str:
    if isinstance(node, ast.Tuple):
        return f"[{', '.join(map(_unquoted, node.elts))}]"
    return str(node.value) if isinstance(node, ast.Constant) else ast.unparse(node)
