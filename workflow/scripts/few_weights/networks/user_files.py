"""Running a user's Python file as `python file.py` would in its folder, and keeping what it does to itself.

A process that loads such a file trains or describes networks of that file alone: whatever else it sets, such
as Keras' defaults, reaches no other network. What would end or confuse the process is undone or refused here.
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
from types import ModuleType

import keras

from few_weights.errors import StudyError, brief

#: Modules that a file of the same name in the user's folder does not replace: what is loaded builds on them.
KEPT = {"few_weights", "keras", "tensorflow", "numpy", "__main__"} | sys.stdlib_module_names


#: Seconds that a thread which a file starts may go on after the file is loaded.
PATIENCE = 2.0


#: Seconds in which a file must have run to its end.
LIMIT = 120.0


class _TooLongError(BaseException):
    """A file is still running after `LIMIT`; a base exception, so that no `except Exception` catches it."""


#: Files that have run, by their path.
_loaded: dict[Path, ModuleType] = {}


def load_function(file: str, function: str) -> Callable:
    """The function of that name in a file of the user's. The file runs once in a process.

    It always runs from the same seed, so that what it draws is the same in each process and for each run.

    Raises:
        StudyError: the file does not run to its end, or holds no such function.
    """
    path = Path(file).resolve()
    if path not in _loaded:
        _loaded[path] = _run(path, file)
    module = _loaded[path]
    found = getattr(module, function, None)
    if not callable(found):
        own = [
            name
            for name, value in vars(module).items()
            if callable(value) and getattr(value, "__module__", None) == module.__name__
        ]
        raise StudyError(f"{file} holds no function '{function}'; it holds: {', '.join(own) or 'none'}")
    return found


def forget(file: str) -> None:
    """Let the file, and what it imports from its folder, run anew when it is next asked for."""
    path = Path(file).resolve()
    _loaded.pop(path, None)
    for name, module in list(sys.modules.items()):
        if _lies_in(path.parent, name, module):
            del sys.modules[name]


@contextlib.contextmanager
def running(file: str) -> Iterator[None]:
    """While code of a user's file runs: its imports are those of its folder, it has no arguments or input.

    Afterwards the working folder is what it was.

    Raises:
        StudyError: for whatever the code raises, `sys.exit` with it; the message names the file and the line.
    """
    path = Path(file).resolve()
    _prefer(path.parent)
    folder, arguments, standard_input = Path.cwd(), sys.argv, sys.stdin
    complaints = io.StringIO()
    try:
        sys.argv = [str(path)]
        # argparse says there what it misses, and ends Python.
        with Path(os.devnull).open() as sys.stdin, contextlib.redirect_stderr(complaints):
            yield
    except StudyError:
        raise
    except (Exception, SystemExit, _TooLongError) as error:
        raise StudyError(blame(error, file, complaints.getvalue())) from error
    finally:
        sys.argv, sys.stdin = arguments, standard_input
        os.chdir(folder)
    sys.stderr.write(complaints.getvalue())


def _run(path: Path, file: str) -> ModuleType:
    if path.suffix == ".ipynb":
        raise StudyError(f"{file} is a notebook; save its code as a .py file (File, Save and Export As)")
    loader = SourceFileLoader(f"own_{path.stem}", str(path))
    module = module_from_spec(spec_from_loader(loader.name, loader))
    before = set(threading.enumerate())
    with running(file), _limited():
        keras.utils.set_random_seed(0)
        sys.modules[loader.name] = module
        loader.exec_module(module)
    for thread in set(threading.enumerate()) - before:
        if not thread.daemon:
            thread.join(PATIENCE)
            if thread.is_alive():
                raise StudyError(
                    f"{file} starts a thread ({thread.name}) that runs on after the file is loaded, so that "
                    f"Python would not end; {_BY_HAND}"
                )
    return module


@contextlib.contextmanager
def _limited() -> Iterator[None]:
    """Interrupt what goes on for longer than `LIMIT`, where Python delivers signals: in the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number, frame):
        raise _TooLongError

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, LIMIT)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


_BY_HAND = 'put what is for running the file by hand below: if __name__ == "__main__":'


def _prefer(folder: Path) -> None:
    """Let modules be looked for in that folder first, as Python does for the folder of its script."""
    sys.path[:] = [str(folder), *(path for path in sys.path if path != str(folder))]
    importlib.invalidate_caches()
    here = {
        entry.stem if entry.suffix == ".py" else entry.name
        for entry in folder.iterdir()
        if entry.suffix == ".py" or (entry / "__init__.py").is_file()
    } - KEPT
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] in here and not _lies_in(folder, name, module):
            del sys.modules[name]


def _lies_in(folder: Path, name: str, module: ModuleType) -> bool:
    """Whether a loaded module is a file of that folder, or of a package there."""
    top = name.partition(".")[0]
    origin = getattr(module, "__file__", None)
    if origin is None or top in KEPT:
        return False
    return Path(origin) == folder / f"{top}.py" or Path(origin).is_relative_to(folder / top)


def blame(error: BaseException, file: str, complaints: str = "") -> str:
    """An error in the user's code in one sentence, with the line of their files that led to it.

    Args:
        file: where their code begins; a line may be in another file of the same folder.
        complaints: what was written to standard error meanwhile.
    """
    path = Path(file).resolve()
    if isinstance(error, SyntaxError) and error.filename:
        places = [(Path(error.filename), error.lineno)]
    else:
        frames = traceback.extract_tb(error.__traceback__)
        places = [(Path(frame.filename), frame.lineno) for frame in reversed(frames)]
    if str(error).lstrip().startswith("in user code:"):  # TensorFlow's own account of where
        found = re.findall(r'File "([^"]+)", line (\d+)', str(error))
        places = [(Path(name), int(line)) for name, line in reversed(found)] + places
    where = file
    for place, line in places:
        if _is_own(place, path.parent):
            name = file if place == path else Path(file).parent / place.relative_to(path.parent)
            where = f"{name}, line {line}"
            break
    if isinstance(error, _TooLongError):
        return f"{where}: the file has not run to its end after {LIMIT:g} seconds; {_BY_HAND}"
    if isinstance(error, SystemExit):
        said = complaints.strip().splitlines()[-1:]
        asked = f" ({said[0]})" if said else ""
        return f"{where}: Python is ended here{asked}; {_BY_HAND}"
    return f"{where}: {type(error).__name__}: {brief(error)}"


def _is_own(place: Path, folder: Path) -> bool:
    return (
        place.is_relative_to(folder)
        and "site-packages" not in place.parts
        and not place.is_relative_to(Path(__file__).parents[1])
    )
