"""Numbers and truth values as people write them in YAML."""

import re

#: Digits of a number; Python reads no whole number of more than 4,300.
LONGEST = 300


_WHOLE = re.compile(r"[-+]?(?:0|[1-9][0-9_]*|0x[0-9a-fA-F_]+|0o[0-7_]+|0b[01_]+)")


_REAL = re.compile(r"[-+]?(?:[0-9][0-9_]*\.?[0-9_]*|\.[0-9][0-9_]*)(?:[eE][-+]?[0-9]+)?")


#: Eight to a reader of YAML 1.1, ten to one of YAML 1.2.
_LEADING_ZERO = re.compile(r"[-+]?0[0-9_]+")


#: A number to base 60 to YAML 1.1, a text to YAML 1.2.
_SEXAGESIMAL = re.compile(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?")


_TRUE, _FALSE = {"true", "yes", "on", "y"}, {"false", "no", "off", "n"}


def number_in(text: str) -> int | float | None:
    """The number that a text writes down, as in YAML 1.1, YAML 1.2 or Python; None where they disagree."""
    text = text.strip()
    if len(text) > LONGEST or disputed(text):
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
    """True or false as people write it: `true`, `yes`, `on` and their opposites; None for any other text."""
    word = text.strip().lower()
    return True if word in _TRUE else False if word in _FALSE else None


def disputed(text: str) -> str | None:
    """What to write instead of a value that YAML 1.1 and YAML 1.2 read differently; None for any other."""
    text = text.strip()
    if len(text) > LONGEST:
        return None
    digits = text.replace("_", "")
    if _LEADING_ZERO.fullmatch(text):
        eight = int(digits, 8) if not re.search("[89]", digits) else None
        if eight == int(digits):
            return None
        meant = " or ".join(str(number) for number in (int(digits), eight) if number is not None)
        return f"{text} is octal to some readers of YAML and decimal to others; write {meant}"
    if _SEXAGESIMAL.fullmatch(text) and "." not in text:
        number = 0
        for part in digits.lstrip("+-").split(":"):
            number = 60 * number + int(part)
        return (
            f"{text} is a number to base 60 to some readers of YAML; write {number}, or put quotes around it"
        )
    return None
