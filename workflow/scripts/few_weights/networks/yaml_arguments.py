"""The arguments of layers written in YAML: expressions of `width`, and the type that each argument takes."""

import ast
import difflib
import inspect
import math
import operator
import random
import re
from collections.abc import Callable, Mapping
from typing import Any

import keras

from few_weights.errors import StudyError
from few_weights.networks.yaml_hints import NAMED, Value, hint_for_name
from few_weights.plan.yaml_scalars import number_in, truth_in

#: Arguments that say how large the input is.
INPUT_SIZES = {"input_shape", "batch_input_shape", "batch_shape", "batch_size"}


#: Names of arguments in Keras 2 that some layers still accept.
FORMER = {"alpha", "implementation", "rms_scaling", "input_length"}


OPERATORS: dict[type[ast.operator | ast.unaryop], Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
}


FUNCTIONS: dict[str, Callable[..., Any]] = {"min": min, "max": max, "int": int, "round": round, "abs": abs}


#: Arguments that must be whole numbers, or lists of them, and their smallest value (None: any).
WHOLE: dict[str, int | None] = {
    **dict.fromkeys(("units", "filters", "kernel_size", "strides", "pool_size", "dilation_rate"), 1),
    **dict.fromkeys(("depth_multiplier", "size", "n", "input_dim", "output_dim", "output_size"), 1),
    **dict.fromkeys(("height", "width", "dims"), 1),
    **dict.fromkeys(("cropping", "padding", "output_padding"), 0),
    **dict.fromkeys(("groups", "axis", "target_shape"), None),
}


#: Those of them that must be a single number.
SINGLE = {"units", "filters", "depth_multiplier", "n", "input_dim", "output_dim", "height", "width", "groups"}


#: Arguments that must be real numbers, besides those whose default is one.
REAL = {"rate", "scale", "offset", "stddev", "negative_slope"}


#: Arguments that every layer takes.
EVERY_LAYER = {"name", "dtype", "trainable", "activity_regularizer", "autocast"}


def evaluate_expression(text: str, variables: Mapping[str, int]) -> Value:
    """The value of an arithmetic expression; any other text, such as `relu`, is returned as it is.

    An expression may contain numbers, the variables, `+ - * / //`, brackets, `min`, `max`, `round`, `int` and
    `abs`, and tuples and lists of these. `True`, `yes`, `None` and the like are converted. `/` gives a real
    number.

    Args:
        text: as it is in the YAML.
        variables: their values by name.

    Raises:
        StudyError: it is an expression, but contains something else.
    """
    word = text.strip()
    if word.lower() in ("none", "null", "~"):
        return None
    if len(word) > 1 and truth_in(word) is not None:
        return truth_in(word)
    try:
        tree = ast.parse(word, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        number = number_in(word)
        return text if number is None else number
    if isinstance(tree, ast.Name) and tree.id not in variables and tree.id.lower() not in variables:
        return word
    if isinstance(tree, ast.Constant) and isinstance(tree.value, str):
        return tree.value
    return _value_of(tree, word, variables)


def _value_of(node: ast.expr, text: str, variables: Mapping[str, int]) -> Value:
    def value(part: ast.expr) -> Value:
        return _value_of(part, text, variables)

    def calculate(function: Callable[..., Any], *parts: Value) -> int | float:
        try:
            if any(isinstance(part, list) for part in parts):
                raise TypeError
            result: int | float = function(*parts)
        except ZeroDivisionError:
            raise StudyError(f"'{text}' divides by zero") from None
        except (TypeError, OverflowError, MemoryError):
            raise StudyError(f"'{text}' cannot be calculated") from None
        if isinstance(result, float) and not math.isfinite(result):
            raise StudyError(f"'{text}' is not finite")
        return result

    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            return calculate(operator.pos, number)
        case ast.Name(id=name) if name in variables:
            return variables[name]
        case ast.Name(id=name) if name.lower() in variables:
            raise StudyError(f"'{text}': the variable is written '{name.lower()}'")
        case ast.BinOp(left=left, op=op, right=right) if type(op) in OPERATORS:
            return calculate(OPERATORS[type(op)], value(left), value(right))
        case ast.UnaryOp(op=op, operand=operand) if type(op) in OPERATORS:
            return calculate(OPERATORS[type(op)], value(operand))
        case ast.Call(func=ast.Name(id=name), args=[_, *_] as parts, keywords=[]) if name in FUNCTIONS:
            numbers = [value(part) for part in parts]
            return (
                numbers[0]
                if len(numbers) == 1 and name in ("min", "max")
                else calculate(FUNCTIONS[name], *numbers)
            )
        case ast.Tuple(elts=parts) | ast.List(elts=parts):
            return [value(part) for part in parts]
    near = difflib.get_close_matches(ast.unparse(node).lower(), [*variables, *FUNCTIONS], n=1)
    hint = f"; did you mean '{near[0]}'?" if near else ""
    raise StudyError(
        f"'{text}' contains '{ast.unparse(node)}'; an expression may contain {', '.join(variables)}, "
        f"numbers, + - * / //, brackets, {', '.join(FUNCTIONS)}{hint}"
    )


def layer_arguments(
    layer_class: type[keras.Layer], arguments: Mapping[str, Value], variables: Mapping[str, int]
) -> tuple[dict[str, Value], list[str]]:
    """Convert a layer's arguments in YAML to those that Keras takes.

    Args:
        layer_class: the layer.
        arguments: as they are in the YAML.
        variables: values of the variables that expressions may contain, by name.

    Returns:
        The arguments with every expression replaced by its value, and the problems with them, each one part
        of a sentence.
    """
    parameters = dict(list(inspect.signature(layer_class.__init__).parameters.items())[1:])
    known = {key for key, parameter in parameters.items() if parameter.kind is not parameter.VAR_KEYWORD}
    allowed = known | EVERY_LAYER | (FORMER if len(known) < len(parameters) else set())
    values: dict[str, Value] = {}
    problems: list[str] = []
    for key, written in arguments.items():
        try:
            if key not in allowed:
                raise StudyError(_unknown_argument(key, known | EVERY_LAYER))
            default = parameters[key].default if key in parameters else None
            values[key] = _argument(key, written, default, variables)
        except StudyError as error:
            problems.append(f"{key}: {error}")
    for key, parameter in parameters.items():
        positional = parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL)
        required = positional and parameter.default is parameter.empty
        if required and key not in arguments and not problems:
            problems.append(f"needs {key}: write {layer_class.__name__}: {{{key}: …}}")
    return values, problems


def _unknown_argument(key: str, known: set[str]) -> str:
    if key in INPUT_SIZES:
        return "leave it out; the input has the shape of the data set's images"
    if ":" in key:
        return "put a space after the colon"
    near = difflib.get_close_matches(key.lower(), known, n=1, cutoff=0.5)
    known_names = ", ".join(sorted(known - EVERY_LAYER)) or "none"
    return "there is no such argument; " + (
        f"did you mean '{near[0]}'?" if near else f"known are: {known_names}"
    )


def _argument(key: str, written: Value, default: object, variables: Mapping[str, int]) -> Value:
    if key == "name":  # free text: `conv-1` is not a subtraction
        return None if written is None else str(written)
    kind = key.rpartition("_")[2]
    if kind in NAMED:
        return _named(kind, written, variables)
    if key == "padding" and isinstance(default, str):
        return _padding(written)
    if isinstance(written, str) and (isinstance(default, str) or key in ("dtype", "data_format")):
        return written.strip()
    value = _evaluate(written, variables)
    if value is None and default is inspect.Parameter.empty:
        raise StudyError("must not be empty")
    if key in WHOLE and value is not None:
        if key in SINGLE and isinstance(value, list):
            hint = f"; write {value[0]}" if len(value) == 1 else ""
            raise StudyError(f"must be one whole number, not {value}{hint}")
        value = _whole(value, written, WHOLE[key], variables)
    elif isinstance(value, str) and isinstance(default, bool):
        raise StudyError(f"must be true or false, not '{value}'")
    elif isinstance(value, str) and (isinstance(default, float) or key in REAL):
        percent = number_in(value.rstrip("% ")) if value.endswith("%") else None
        hint = _near_variable(value, variables) if percent is None else f"; write {percent / 100:g}"
        raise StudyError(f"must be a number, not '{value}'{hint}")
    return value


def _padding(written: Value) -> str:
    word = str(written).strip().lower()
    if word not in ("valid", "same", "causal"):
        near = difflib.get_close_matches(word, ("valid", "same"), n=1, cutoff=0.5)
        hint = f"; did you mean '{near[0]}'?" if near else "; put a ZeroPadding2D in front for another"
        raise StudyError(f"must be valid or same, not '{written}'{hint}")
    return word


def _evaluate(value: Value, variables: Mapping[str, int]) -> Value:
    """A value with every expression in it replaced by its value."""
    if isinstance(value, Mapping):
        return {key: item if key == "name" else _evaluate(item, variables) for key, item in value.items()}
    if isinstance(value, list):
        return [_evaluate(item, variables) for item in value]
    return evaluate_expression(value, variables) if isinstance(value, str) else value


def _whole(value: Value, written: Value, least: int | None, variables: Mapping[str, int]) -> Value:
    """Check that a calculated value is a whole number of at least `least`, or a list of these, and return it.

    Args:
        value: the calculated value.
        written: as it is in the YAML, for the message.
    """
    if isinstance(value, list):
        parts = written if isinstance(written, list) else [written] * len(value)
        return [_whole(item, part, least, variables) for item, part in zip(value, parts, strict=True)]
    text = written if isinstance(written, str) else None
    if value is None:
        return None
    if isinstance(value, str):
        sizes = re.findall(r"\d+", value) if re.fullmatch(r"\s*\d+(\s*[x×]\s*\d+)+\s*", value) else []
        hint = f"; write [{', '.join(sizes)}]" if sizes else _near_variable(value, variables)
        raise StudyError(f"must be a whole number, not '{value}'{hint}")
    if isinstance(value, bool | Mapping):
        raise StudyError(f"must be a whole number, not {str(value).lower()}")
    at = f" at width {variables['width']}" if text and "width" in text else ""
    described = f"'{text}' is {value:g}{at}" if text else f"it is {value}"
    if isinstance(value, float):
        if not value.is_integer():
            hint = f"; write {text.replace('/', '//')}" if text and "/" in text and "//" not in text else ""
            raise StudyError(f"{described} and must be a whole number{hint}")
        value = int(value)
    if least is not None and value < least:
        hint = f"; write max({least}, {text})" if at else ""
        raise StudyError(f"{described} and must be at least {least}{hint}")
    return value


def _near_variable(text: str, variables: Mapping[str, int]) -> str:
    near = difflib.get_close_matches(text.lower(), variables, n=1, cutoff=0.5)
    return f"; did you mean '{near[0]}'?" if near else ""


def _named(kind: str, written: Value, variables: Mapping[str, int]) -> Value:
    """An activation, initializer, regularizer or constraint that Keras knows, as a name or a mapping."""
    value = written
    if isinstance(written, str):
        value = written.strip().strip("'\"")
        if value.lower() in ("none", "null", ""):
            return None
    elif isinstance(written, Mapping):
        value = _evaluate(written, variables)
    state = random.getstate()
    try:
        NAMED[kind].get(value)
    except Exception:  # Keras raises several kinds of errors, with long messages
        raise StudyError(
            f"Keras has no {kind} '{_shortened(written)}'; {hint_for_name(kind, value)}"
        ) from None
    finally:
        # An initializer draws its seed from this state; the check must not change the network's seeds.
        random.setstate(state)
    return value


def _shortened(value: Value) -> str:
    return str(value) if len(str(value)) <= 60 else f"{str(value)[:57]}…"
