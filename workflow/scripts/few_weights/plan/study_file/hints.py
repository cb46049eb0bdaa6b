"""What to write instead, for mistakes that people often make in a study."""

import json
import re

from few_weights.plan.study_file.yaml_reader import Keys
from few_weights.plan.yaml_scalars import ambiguity, number_in

#: The argument that is meant where a layer has one value without a name.
FIRST_ARGUMENT = {
    "Activation": "activation",
    "AveragePooling2D": "pool_size",
    "Conv1D": "filters",
    "Conv2D": "filters",
    "Dense": "units",
    "Dropout": "rate",
    "MaxPooling2D": "pool_size",
    "Rescaling": "scale",
    "Reshape": "target_shape",
    "ZeroPadding2D": "padding",
}


def quote(value: object) -> str:
    """A value as messages show it: JSON, cut to 60 characters; `empty` for no value."""
    if value is None:
        return "empty"
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else text[:57] + "…"


def type_hint(value: object, expected: str, path: Keys) -> str:
    """What to write instead of a value of the wrong type; empty if nothing can be guessed.

    Args:
        value: the value.
        expected: the type of JSON Schema that the value should have.
        path: the path of the value in the study.
    """
    if value is None:
        return "; give it a value, or remove the key"
    match expected:
        case "integer" | "number":
            return _number_hint(value, expected)
        case "array" if path[-1] == "layers":
            return "; put '- ' before each layer" if isinstance(value, dict) else ""
        case "array" if path[-1] == "seeds" and isinstance(value, int) and not isinstance(value, bool):
            return _seeds_hint(value)
        case "array":
            return _list_hint(value)
        case "string" if isinstance(value, bool | float):
            return "; put quotes around it"
        case "object" if path[-1] == "optimizer" and isinstance(value, str):
            return f"; write {{name: {re.split('[^A-Za-z_]', value)[0].lower()}, …}} with its settings"
        case "object" if isinstance(value, list) and any(isinstance(item, dict) for item in value):
            return "; remove the '- ' before the keys"
        case "object" if path == ("architectures",):
            return "; give each architecture its own section, with widths and epochs"
    return ""


def layer_hint(value: object) -> str:
    """What to write instead of an entry of `layers` that is not a layer; empty if nothing can be guessed."""
    if not isinstance(value, dict) or not value:
        return ""
    (name, arguments), *more = value.items()
    if "{" in name:
        name, _, key = name.partition("{")
        return f"; a colon is missing: write {name.strip()}: {{{key.strip()}: {str(arguments).rstrip('} ')}}}"
    if "class_name" in value:
        return f"; write {value['class_name']}: {{…}} with the arguments from config"
    if more and arguments is None and name[:1].isupper() and not more[0][0][:1].isupper():
        inner = ", ".join(f"{key}: {quote(item).strip(chr(34))}" for key, item in more)
        return f"; write {name}: {{{inner}}}, or indent the arguments of {name} further"
    if more and name[:1].isupper():
        return "; put '- ' before each layer"
    if not more and isinstance(arguments, int | float | str) and not isinstance(arguments, bool):
        return f"; write {name}: {{{FIRST_ARGUMENT.get(name, 'ARGUMENT')}: {arguments}}}"
    return ""


def _number_hint(value: object, expected: str) -> str:
    if isinstance(value, list) and len(value) == 1:
        return f"; write {quote(value[0])}"
    if not isinstance(value, str):
        return ""
    text = value.strip()
    if explanation := ambiguity(text):
        return f"; {explanation.partition(', or put quotes')[0]}"
    if len(numbers := text.split()) > 1 and None not in map(number_in, numbers):
        return f"; write {', '.join(numbers)}"
    if text[-1:] in (",", ";") and number_in(text[:-1]) is not None:
        return f"; write {text[:-1]}"
    if expected == "integer":
        return f"; write {text.replace(',', '')}" if re.fullmatch(r"\d{1,3}(,\d{3})+", text) else ""
    if text.count(",") == 1 and number_in(text.replace(",", ".")) is not None:
        return f"; write {text.replace(',', '.')}"
    if text.endswith("%") and (percent := number_in(text.rstrip("% "))) is not None:
        return f"; write {percent / 100:g}"
    numerator, _, denominator = text.partition("/")
    above, below = number_in(numerator), number_in(denominator)
    if above is not None and below:
        return f"; write {above / below:.12g}"
    return ""


def _seeds_hint(value: int) -> str:
    if value < 0:
        return ""
    if value < 2:
        return f"; write [{value}]"
    first = "0, 1, …" if value > 3 else ", ".join(map(str, range(value)))
    last = f", {value - 1}" if value > 3 else ""
    return f"; write [{value}] for that one seed, [{first}{last}] for {value} seeds"


def _list_hint(value: object) -> str:
    if isinstance(value, dict) and value and all(item is None for item in value.values()):
        return f"; write [{', '.join(value)}]"
    if not isinstance(value, str):
        return ""
    counted = re.fullmatch(r"(?:list\()?range\((?:(\d+),)? ?(\d{1,2})\)+", value.strip())
    if counted:
        parts = [str(number) for number in range(int(counted[1] or 0), int(counted[2]))]
    else:
        parts = re.split(r"[\s,;]+", value.strip("[{( )}]"))
    return f"; write [{', '.join(parts)}]" if parts and None not in map(number_in, parts) else ""
