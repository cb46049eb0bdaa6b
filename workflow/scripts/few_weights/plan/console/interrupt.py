"""Ctrl-C: trainings are stopped immediately, and one line says how far the study is and how to continue."""

import atexit
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import psutil


class Interrupt(logging.Filter):
    """What Ctrl-C does while a study runs. As a log filter it hides Snakemake's messages about stopped jobs.

    Without it, Snakemake waits until running trainings have ended, and reports each as failed; before the
    first job, it prints a traceback.

    Args:
        scripts: the folder of the scripts, by which the processes of jobs are recognised.

    Attributes:
        state: returns the line that is printed at the end.
    """

    def __init__(self, scripts: Path):
        super().__init__()
        self.scripts = str(scripts)
        self.state: Callable[[], str] = lambda: "Interrupted before the first job. Start again to continue."
        self.received = False

    def install(self, logger: logging.Logger) -> None:
        """Handle SIGINT, unless it is ignored or this is not the main thread, where Python forbids it."""
        with contextlib.suppress(ValueError):
            if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
                signal.signal(signal.SIGINT, self._stop)
                logger.addFilter(self)

    def filter(self, record: logging.LogRecord) -> bool:
        return not self.received

    def _stop(self, number: int, frame: FrameType | None) -> None:
        if not self.received:
            self.received = True
            # At the very end, after the last progress bar.
            atexit.register(print, f"\n{self.state()}", file=sys.stderr, flush=True)
            self._stop_jobs()
        # Snakemake stops its jobs for this as for KeyboardInterrupt, for which it has a traceback elsewhere.
        raise SystemExit(1)

    def _stop_jobs(self) -> None:
        """Interrupt the jobs, which `kill -INT` does not; a terminal sends Ctrl-C to them as well."""
        for process in psutil.Process(os.getpid()).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                if any(self.scripts in argument for argument in process.cmdline()):
                    process.send_signal(signal.SIGINT)
