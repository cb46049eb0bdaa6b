"""A network written down in a study's YAML: a list of Keras layers, with the width as a variable."""

import ast
import difflib
import inspect
import operator
import re
from collections.abc import Callable, Mapping, Sequence

import keras

from few_weights.errors import StudyError

OPERATORS: dict[type, Callable] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
    ast.USub: operator.neg,
}
FUNCTIONS = {"min": min, "max": max}

#: What makes text bold in a terminal; Keras does so with the names of layers.
STYLES = re.compile(r"\x1b\[\d*m")

#: What the arguments of a layer may say: a number, a text, an expression, or lists and mappings of them.
Value = bool | int | float | str | None | list | dict


def build_layers(
    entries: Sequence[str | Mapping], width: int, image_shape: tuple[int, int, int], classes: int
) -> keras.Model:
    """The network of these layers, in order, on images of this shape.

    An entry is the name of a Keras layer (`Flatten`), or maps it to its arguments
    (`{"Dense": {"units": "2 * width"}}`). The variables are `width` and `classes`.

    Raises:
        StudyError: an entry is no layer, or does not fit behind the ones before it; the message says which.
    """
    variables = {"width": width, "classes": classes}
    model = keras.Sequential([keras.layers.Input(image_shape)])
    for position, entry in enumerate(entries):
        name, arguments = (entry, None) if isinstance(entry, str) else next(iter(entry.items()))
        place = f"layers[{position}] ({name})"
        layer_class = _layer_class(name, place)
        values = _evaluate(arguments or {}, variables, place)
        try:
            model.add(layer_class(**values))
        except Exception as error:  # whatever Keras finds wrong with what the study says
            raise StudyError(f"{place}: {brief(error)}") from error
    return model


def brief(error: Exception) -> str:
    """What an exception says, in one line."""
    text = STYLES.sub("", str(error)).strip()
    if text.startswith("in user code:"):  # TensorFlow puts the traceback in front
        text = re.split(r"\n *\w*(?:Error|Exception): ", text)[-1]
    text = text.partition("Arguments received by")[0]
    text = " ".join(text.split()) or type(error).__name__
    return text if len(text) <= 300 else f"{text[:300]}…"


def evaluate_expression(text: str, variables: Mapping[str, int]) -> int | str:
    """The value of an arithmetic expression; any other text, such as `relu`, stays what it is.

    There are whole numbers, the variables, `+ - * //`, brackets, `min` and `max`.

    Raises:
        StudyError: it is an expression, but holds something else.
    """
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except SyntaxError:
        return text
    if isinstance(tree, ast.Name) and tree.id not in variables:
        return text
    return _value_of(tree, text, variables)


def _value_of(node: ast.expr, text: str, variables: Mapping[str, int]) -> int:
    def value(part):
        return _value_of(part, text, variables)

    match node:
        case ast.Constant(value=int() as number) if not isinstance(number, bool):
            return number
        case ast.Name(id=name) if name in variables:
            return variables[name]
        case ast.BinOp(op=ast.Div()):
            raise StudyError(f"'{text}': write // for a division, whose result is a whole number")
        case ast.BinOp(left=left, op=op, right=right) if type(op) in OPERATORS:
            try:
                return OPERATORS[type(op)](value(left), value(right))
            except ZeroDivisionError:
                raise StudyError(f"'{text}' divides by zero") from None
        case ast.UnaryOp(op=op, operand=operand) if type(op) in OPERATORS:
            return OPERATORS[type(op)](value(operand))
        case ast.Call(func=ast.Name(id=name), args=[_, *_] as parts, keywords=[]) if name in FUNCTIONS:
            return FUNCTIONS[name](*map(value, parts)) if len(parts) > 1 else value(parts[0])
    raise StudyError(
        f"'{text}' holds '{ast.unparse(node)}'; an expression takes {', '.join(variables)}, whole numbers, "
        "+ - * //, brackets, min and max"
    )


def _evaluate(value: Value, variables: Mapping[str, int], place: str) -> Value:
    """The arguments of a layer with every expression replaced by its value."""
    if isinstance(value, Mapping):
        return {
            # a layer's name is free text: `conv-1` is no subtraction
            key: item if key == "name" else _evaluate(item, variables, f"{place} {key}")
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_evaluate(item, variables, place) for item in value]
    if isinstance(value, str):
        try:
            return evaluate_expression(value, variables)
        except StudyError as error:
            raise StudyError(f"{place}: {error}") from None
    return value


def _layer_class(name: str, place: str) -> type[keras.Layer]:
    if name in ("Input", "InputLayer"):
        raise StudyError(f"{place}: leave it out; the input has the shape of the data set's images")
    known = {
        key
        for key, value in vars(keras.layers).items()
        if inspect.isclass(value) and issubclass(value, keras.Layer) and value is not keras.Layer
    }
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
        hint = f"did you mean '{near[0]}'?" if near else "keras.io/api/layers lists them"
        raise StudyError(f"{place}: Keras has no such layer; {hint}")
    return getattr(keras.layers, name)
