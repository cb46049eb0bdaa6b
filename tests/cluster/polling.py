"""Snakemake's own command line, with the pauses between two looks at the queue held at two seconds.

The plugin looks ever less often, up to every three minutes, which spares a real scheduler; tests would wait.
"""

import sys

from snakemake.cli import main
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor

pause = RemoteExecutor.next_seconds_between_status_checks
RemoteExecutor.next_seconds_between_status_checks = property(
    pause.fget, lambda executor, seconds: pause.fset(executor, min(seconds, 2))
)
sys.exit(main())
