"""How a script tells its user what went wrong: one message without a traceback for what the user can mend.

Anything else is a mistake of ours and keeps its traceback.
"""

import contextlib
import functools
import re
import signal
import sys
from collections.abc import Callable


class StudyError(Exception):
    """A mistake the user can mend: the message names what is wrong, where, and how to mend it."""


def entry_point(main: Callable[..., None]) -> Callable[..., None]:
    """Make `main` end with `error: <message>` and status 1 where it raises a StudyError or an OSError.

    Ctrl-C ends the process at once, as it ends any other program: Python's own way is to wait for a call of
    machine code to return, which may be an epoch, and then to print a traceback.
    """

    @functools.wraps(main)
    def run(*arguments, **options) -> None:
        with contextlib.suppress(ValueError):  # outside the main thread, as in a test
            signal.signal(signal.SIGINT, signal.SIG_DFL)
        try:
            main(*arguments, **options)
        except StudyError as error:
            message = str(error)
        except OSError as error:
            message = describe(error)
        else:
            return
        print(f"error: {message}", file=sys.stderr)
        sys.exit(1)

    return run


def describe(error: OSError) -> str:
    """The file that an operation failed on and the reason, as one sentence."""
    reason = error.strerror or str(error) or type(error).__name__
    return f"{error.filename}: {reason}" if error.filename else reason


def brief(error: Exception) -> str:
    """What an exception says, in one line."""
    # Keras makes the names of layers bold.
    text = re.sub(r"\x1b\[\d*m", "", str(error)).strip()
    if text.startswith("in user code:"):  # TensorFlow puts the traceback in front
        text = re.split(r"\n *\w*(?:Error|Exception): ", text)[-1]
    text = text.partition("Arguments received by")[0]
    text = " ".join(text.split()) or type(error).__name__
    return text if len(text) <= 300 else f"{text[:300]}…"
