"""What to write instead, for a layer or an argument in YAML that Keras does not know."""

import ast
import difflib
import inspect
import re
from collections.abc import Callable, Mapping

import keras

#: What the arguments of a layer may say: a number, a text, an expression, or lists and mappings of them.
Value = bool | int | float | str | None | list | dict


#: Arguments that name a function of Keras, by the end of their name.
NAMED = {
    "activation": keras.activations,
    "initializer": keras.initializers,
    "regularizer": keras.regularizers,
    "constraint": keras.constraints,
}


def hint_for_name(kind: str, value: Value) -> str:
    """What to write for an activation or the like that Keras does not know."""
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
        found = classes.get(letters_of(name))
        if found and kind != "activation":
            config = config if isinstance(config, Mapping) else {name: config}
            return f"write {_mapping(found, config)}"
    if isinstance(value, int | float) and kind == "regularizer":
        return f"write {_mapping('L2', {'l2': value})}"
    if not isinstance(value, str):
        return "write a name, or {class_name: NAME, config: {…}}"
    call = re.fullmatch(r"([\w.]+)\s*(\(.*\))?", value)
    name, brackets = (call[1].rpartition(".")[2], call[2]) if call else (value, None)
    found = classes.get(letters_of(name))
    if found and kind == "activation":
        return f"write {found}"
    if found and brackets and (config := bound_arguments(getattr(module, found), f"f{brackets}")):
        return f"write {_mapping(found, config)}"
    if found:
        return f"write {written(found)}"
    if kind == "activation" and name in vars(keras.layers):
        return f"it is a layer: write '- {name}' after this one"
    near = difflib.get_close_matches(letters_of(name), classes, n=1, cutoff=0.5)
    if near:
        return f"did you mean '{written(classes[near[0]])}'?"
    return f"known are: {', '.join(sorted({written(item) for item in classes.values()}))}"


def letters_of(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _mapping(name: str, config: Mapping) -> str:
    return f"{{class_name: {name}, config: {as_yaml(config)}}}"


def as_yaml(arguments: Mapping) -> str:
    return "{" + ", ".join(f"{key}: {value}" for key, value in arguments.items()) + "}"


def bound_arguments(function: Callable, call: str) -> dict | None:
    """The arguments of a call in Python by name, as they are written; None where it does not fit."""
    try:
        node = ast.parse(call, mode="eval").body
        arguments = [_unquoted(item) for item in node.args]
        keywords = {item.arg: _unquoted(item.value) for item in node.keywords}
        return dict(inspect.signature(function).bind_partial(*arguments, **keywords).arguments)
    except (SyntaxError, TypeError, ValueError, AttributeError):
        return None


def _unquoted(node: ast.expr) -> str:
    if isinstance(node, ast.Tuple):
        return f"[{', '.join(map(_unquoted, node.elts))}]"
    return str(node.value) if isinstance(node, ast.Constant) else ast.unparse(node)
