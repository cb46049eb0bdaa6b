"""TensorFlow's import: what must be set before it, and its messages kept out of the log."""

import contextlib
import gc
import os
import sys
import tempfile
from collections.abc import Iterator


def prepare_imports(own_code: bool) -> None:
    """Set what must be set before TensorFlow and Keras are imported.

    Args:
        own_code: whether a network of a user's file will be built.
    """
    # Imports and compilers create millions of objects that stay. Looking for garbage among them takes a
    # second, and the little there is goes with the process.
    gc.disable()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # oneDNN convolves up to three times faster; TensorFlow leaves it off on processors without AVX-512.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    if not own_code:
        # Keras imports these where they are installed; a training job needs neither, unless a user's file
        # does, and starts in three quarters of the time without them. None makes an import fail.
        for name in ("matplotlib", "pandas"):
            sys.modules[name] = None  # type: ignore[assignment]  # documented, but not in the stubs


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Hold back what this process writes to standard error, and show it only if an exception is raised.

    TensorFlow's C++ code logs messages during its import, before it reads the log level that it is given.
    """
    sys.stderr.flush()
    standard_error = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            held.seek(0)
            os.write(standard_error, held.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(standard_error, 2)
            os.close(standard_error)
