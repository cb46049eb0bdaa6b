"""Numbers and truth values as people write them in YAML."""

import re

#: The most digits of a number; Python converts no whole number of more than 4,300 digits.
LONGEST = 300

_WHOLE = re.compile(r"[-+]?(?:0|[1-9][0-9_]*|0x[0-9a-fA-F_]+|0o[0-7_]+|0b[01_]+)")

_REAL = re.compile(r"[-+]?(?:[0-9][0-9_]*\.?[0-9_]*|\.[0-9][0-9_]*)(?:[eE][-+]?[0-9]+)?")

#: 010 is eight in YAML 1.1 and ten in YAML 1.2.
_LEADING_ZERO = re.compile(r"[-+]?0[0-9_]+")

#: A number to base 60 in YAML 1.1, a text in YAML 1.2.
_SEXAGESIMAL = re.compile(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?")

_TRUE, _FALSE = {"true", "yes", "on", "y"}, {"false", "no", "off", "n"}


def number_in(text: str) -> int | float | None:
    """The number that a text means in YAML 1.1, YAML 1.2 or Python; None if it means none, or two."""
    text = text.strip()
    if len(text) > LONGEST or ambiguity(text):
        return None
    if _LEADING_ZERO.fullmatch(text):
        return int(text.replace("_", ""))
    if _WHOLE.fullmatch(text):
        try:
            return int(text.replace("_", ""), 0)
        except ValueError:  # 0x_
            return None
    if _REAL.fullmatch(text):
        return float(text.replace("_", ""))
    return None


def truth_in(text: str) -> bool | None:
    """The truth value of `true`, `yes`, `on`, `y` and their opposites; None for any other text."""
    lower = text.strip().lower()
    return True if lower in _TRUE else False if lower in _FALSE else None


def ambiguity(text: str) -> str | None:
    """How readers of YAML 1.1 and 1.2 disagree on a value, and what to write instead; None if they agree."""
    text = text.strip()
    if len(text) > LONGEST:
        return None
    digits = text.replace("_", "")
    if _LEADING_ZERO.fullmatch(text):
        eight = int(digits, 8) if not re.search("[89]", digits) else None
        if eight == int(digits):
            return None
        meant = " or ".join(str(number) for number in (int(digits), eight) if number is not None)
        return f"{text} is octal for some readers of YAML and decimal for others; write {meant}"
    if _SEXAGESIMAL.fullmatch(text) and "." not in text:
        number = 0
        for part in digits.lstrip("+-").split(":"):
            number = 60 * number + int(part)
        return (
            f"{text} is a number to base 60 for some readers of YAML; write {number}, or put quotes around it"
        )
    return None
