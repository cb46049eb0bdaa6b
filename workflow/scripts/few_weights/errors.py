"""How a script reports an error: a mistake that the user can fix is one message without a traceback.

Anything else is a bug and keeps its traceback.
"""

import contextlib
import functools
import re
import signal
import sys
from collections.abc import Callable
from typing import ParamSpec

P = ParamSpec("P")


class StudyError(Exception):
    """A mistake that the user can fix: the message says what is wrong, where, and how to fix it."""


def entry_point(main: Callable[P, None]) -> Callable[P, None]:
    """Make `main` end with `error: <message>` and exit status 1 where it raises a StudyError or an OSError.

    Ctrl-C ends the process immediately, as it ends any other program. Python by default waits until a call
    of machine code returns, which may take a whole epoch, and then prints a traceback.
    """

    @functools.wraps(main)
    def run(*arguments: P.args, **options: P.kwargs) -> None:
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


def brief(error: BaseException) -> str:
    """The message of an exception from Keras or TensorFlow in one line of at most 301 characters."""
    # Keras prints the names of layers in bold.
    text = re.sub(r"\x1b\[\d*m", "", str(error)).strip()
    if text.startswith("in user code:"):  # TensorFlow puts the traceback before the message
        text = re.split(r"\n *\w*(?:Error|Exception): ", text)[-1]
    text = text.partition("Arguments received by")[0]
    text = " ".join(text.split()) or type(error).__name__
    return text if len(text) <= 300 else f"{text[:300]}…"
