"""Snakemake's command line, asking the queue at least every two seconds.

The Slurm plugin asks less and less often, down to every three minutes. That spares a real scheduler, but
slows down tests.
"""

import sys

from snakemake.cli import main
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor

pause = RemoteExecutor.next_seconds_between_status_checks
RemoteExecutor.next_seconds_between_status_checks = property(
    pause.fget, lambda executor, seconds: pause.fset(executor, min(seconds, 2))
)
sys.exit(main())
