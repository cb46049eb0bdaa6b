"""How few weights does a network need? The Python behind the workflow's rules, in packages by stage.

A study flows through them in this order: plan (the study's YAML as a list of runs), data, networks, training,
analysis, report. Each package may import only packages before it; its docstring says which. The engine, which
computes an epoch, stands alone and imports nothing else from here. Every package may import `errors.py` and
`files.py`. tests/unit/test_packages.py checks these rules.
"""

import os
import platform
from pathlib import Path


def _pin_linear_algebra() -> None:
    """Let linear algebra use the same code on every x86-64 with AVX2 and FMA, in one thread.

    By default OpenBLAS, which computes it for NumPy and SciPy, chooses code for the processor, and results
    differ in their last bits. It reads these variables when it is loaded, so this comes first.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        flags = Path("/proc/cpuinfo").read_text().split()
    except OSError:
        return
    if platform.machine() == "x86_64" and {"avx2", "fma"} <= set(flags):
        os.environ.setdefault("OPENBLAS_CORETYPE", "Haswell")


_pin_linear_algebra()
