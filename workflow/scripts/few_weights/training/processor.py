"""The processor that a job trains on, for its metrics."""

import platform
from pathlib import Path


def processor_device(threads: int) -> str:
    """The name of a processor with so many threads, as `device` in metrics.json."""
    return f"{processor_name()}, {threads} thread{'s' if threads > 1 else ''}"


def processor_name() -> str:
    """The processor's name; `platform.processor()` is empty on most Linux systems."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
