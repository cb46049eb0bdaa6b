"""Ctrl-C: the trainings are stopped at once, and one line says how far the study is and how to go on."""

import atexit
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import psutil


class Interrupt(logging.Filter):
    """What Ctrl-C does while a study runs. As a filter it keeps what Snakemake says of stopped jobs out.

    Snakemake alone waits until the trainings that run have ended, and reports each as failed.

    Args:
        scripts: the folder of the entry points, by which the processes of the jobs are recognised.
        state: gives the line that is printed at the end.
    """

    def __init__(self, scripts: Path, state: Callable[[], str]):
        super().__init__()
        self.scripts, self.state = str(scripts), state
        self.received = False

    def install(self, logger: logging.Logger) -> None:
        """Take over the signal, unless it is ignored, or this is not the main thread, where Python cannot."""
        with contextlib.suppress(ValueError):
            if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
                signal.signal(signal.SIGINT, self._stop)
                logger.addFilter(self)

    def filter(self, record: logging.LogRecord) -> bool:
        return not self.received

    def _stop(self, number, frame) -> None:
        if not self.received:
            self.received = True
            # At the very end, when the progress bars of a terminal are gone.
            atexit.register(print, f"\n{self.state()}", file=sys.stderr, flush=True)
            self._stop_jobs()
        raise KeyboardInterrupt

    def _stop_jobs(self) -> None:
        """A terminal sends Ctrl-C to the jobs as well; `kill -INT` does not."""
        for process in psutil.Process(os.getpid()).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                if any(self.scripts in word for word in process.cmdline()):
                    process.send_signal(signal.SIGINT)
