"""Runs a user's Python file as `python file.py` would in its folder, and contains its side effects.

A process that loads such a file trains or describes only networks of that file: whatever else the file sets,
such as Keras' defaults, affects no other network. What would end or confuse the process is undone or refused.
"""

import contextlib
import importlib
import io
import os
import re
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

import keras

from few_weights.errors import StudyError, brief

#: Modules that a file of the same name in the user's folder does not replace: loaded code depends on them.
IRREPLACEABLE = {"few_weights", "keras", "tensorflow", "numpy", "__main__"} | sys.stdlib_module_names


#: Seconds that a thread started by a file may keep running after the file is loaded.
THREAD_SECONDS = 2.0


#: Seconds within which a file must have run to its end.
FILE_SECONDS = 120.0


class _TooLongError(BaseException):
    """A file still runs after `FILE_SECONDS`. A BaseException, so that no `except Exception` catches it."""


#: The modules of files that have run, by path.
_loaded: dict[Path, ModuleType] = {}


def load_function(file: str, function: str) -> Callable[..., Any]:
    """Return a function of a user's file. The file runs once in a process.

    It always runs from the same random seed, so that what it draws is the same in each process and each run.

    Args:
        file: path of the file.
        function: the function's name.

    Raises:
        StudyError: the file does not run to its end, or has no such function.
    """
    path = Path(file).resolve()
    if path not in _loaded:
        _loaded[path] = _run(path, file)
    module = _loaded[path]
    loaded = getattr(module, function, None)
    if not callable(loaded):
        defined = [
            name
            for name, value in vars(module).items()
            if callable(value) and getattr(value, "__module__", None) == module.__name__
        ]
        raise StudyError(
            f"{file} has no function '{function}'; its functions are: {', '.join(defined) or 'none'}"
        )
    return loaded


def forget(file: str) -> None:
    """Forget a file and what it imported from its folder, so that it runs again when it is next loaded."""
    path = Path(file).resolve()
    _loaded.pop(path, None)
    for name, module in list(sys.modules.items()):
        if _lies_in(path.parent, name, module):
            del sys.modules[name]


@contextlib.contextmanager
def running(file: str) -> Iterator[None]:
    """Context in which code of a user's file runs: it imports from its folder, without arguments or input.

    Afterwards the working folder is what it was before.

    Raises:
        StudyError: for whatever the code raises, including `sys.exit`; the message names file and line.
    """
    path = Path(file).resolve()
    _prefer(path.parent)
    folder, arguments, standard_input = Path.cwd(), sys.argv, sys.stdin
    error_output = io.StringIO()
    try:
        sys.argv = [str(path)]
        # argparse writes there which arguments are missing, and ends Python.
        with Path(os.devnull).open() as sys.stdin, contextlib.redirect_stderr(error_output):
            yield
    except StudyError:
        raise
    except (Exception, SystemExit, _TooLongError) as error:
        raise StudyError(blame(error, file, error_output.getvalue())) from error
    finally:
        sys.argv, sys.stdin = arguments, standard_input
        os.chdir(folder)
    sys.stderr.write(error_output.getvalue())


def _run(path: Path, file: str) -> ModuleType:
    if path.suffix == ".ipynb":
        raise StudyError(f"{file} is a notebook; save its code as a .py file (File, Save and Export As)")
    loader = SourceFileLoader(f"own_{path.stem}", str(path))
    spec = spec_from_loader(loader.name, loader)
    assert spec is not None, "a source file always has a spec"
    module = module_from_spec(spec)
    before = set(threading.enumerate())
    with running(file), _limited():
        keras.utils.set_random_seed(0)
        sys.modules[loader.name] = module
        loader.exec_module(module)
    for thread in set(threading.enumerate()) - before:
        if not thread.daemon:
            thread.join(THREAD_SECONDS)
            if thread.is_alive():
                raise StudyError(
                    f"{file} starts a thread ({thread.name}) that keeps running after the file is loaded, so "
                    f"that Python would not end; {_BY_HAND}"
                )
    return module


@contextlib.contextmanager
def _limited() -> Iterator[None]:
    """Interrupt what runs for longer than `FILE_SECONDS`; in the main thread only, where signals arrive."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise _TooLongError

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, FILE_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


_BY_HAND = 'put code that is for running the file by hand under: if __name__ == "__main__":'


def _prefer(folder: Path) -> None:
    """Search a folder first for modules, as Python does with the folder of its script."""
    sys.path[:] = [str(folder), *(path for path in sys.path if path != str(folder))]
    importlib.invalidate_caches()
    in_folder = {
        entry.stem if entry.suffix == ".py" else entry.name
        for entry in folder.iterdir()
        if entry.suffix == ".py" or (entry / "__init__.py").is_file()
    } - IRREPLACEABLE
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] in in_folder and not _lies_in(folder, name, module):
            del sys.modules[name]


def _lies_in(folder: Path, name: str, module: ModuleType) -> bool:
    """Whether a loaded module is a file in the folder, or in a package there."""
    top = name.partition(".")[0]
    origin = getattr(module, "__file__", None)
    if origin is None or top in IRREPLACEABLE:
        return False
    return Path(origin) == folder / f"{top}.py" or Path(origin).is_relative_to(folder / top)


def blame(error: Exception | SystemExit | _TooLongError, file: str, error_output: str = "") -> str:
    """Describe an error in a user's code in one sentence, with the line of their files that led to it.

    Args:
        error: what was raised.
        file: where their code begins; the line may be in another file of the same folder.
        error_output: what the code wrote to standard error.
    """
    where = _location(error, file)
    if isinstance(error, _TooLongError):
        return f"{where}: the file has not run to its end after {FILE_SECONDS:g} seconds; {_BY_HAND}"
    if isinstance(error, SystemExit):
        last_line = error_output.strip().splitlines()[-1:]
        reason = f" ({last_line[0]})" if last_line else ""
        return f"{where}: Python is ended here{reason}; {_BY_HAND}"
    return f"{where}: {type(error).__name__}: {brief(error)}"


def _location(error: BaseException, file: str) -> str:
    """The innermost line of the user's files that led to an error, as "nets.py, line 3"."""
    path = Path(file).resolve()
    lines: list[tuple[Path, int | None]]
    if isinstance(error, SyntaxError) and error.filename:
        lines = [(Path(error.filename), error.lineno)]
    else:
        frames = traceback.extract_tb(error.__traceback__)
        lines = [(Path(frame.filename), frame.lineno) for frame in reversed(frames)]
    if str(error).lstrip().startswith("in user code:"):  # TensorFlow puts a traceback into its message
        quoted = re.findall(r'File "([^"]+)", line (\d+)', str(error))
        lines = [(Path(name), int(line)) for name, line in reversed(quoted)] + lines
    for source, line in lines:
        if _is_own(source, path.parent):
            name = file if source == path else Path(file).parent / source.relative_to(path.parent)
            return f"{name}, line {line}"
    return file


def _is_own(source: Path, folder: Path) -> bool:
    return (
        source.is_relative_to(folder)
        and "site-packages" not in source.parts
        and not source.is_relative_to(Path(__file__).parents[1])
    )
