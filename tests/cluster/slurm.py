"""A real Slurm of six nodes with simulated GPUs on this one machine, for the duration of a test.

It runs Debian's daemons, and ends exactly the processes that it started. It writes only to its own folder and
uses its own ports, so it does not disturb another Slurm on the machine.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

#: One node per training in the tests, so that a failing node affects one training.
NODES = tuple(f"node{number}" for number in range(1, 7))

#: Slurm needs a device file for each GPU. Without cgroups nothing opens them, so any four work.
DEVICES = ("null", "zero", "full", "random")

CONFIGURATION = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={folder}/munge.socket
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/%n.log
# neither systemd nor cgroups
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/filetxt
JobCompLoc={folder}/completed.log
MpiDefault=none
SwitchType=switch/none
# use the sizes of a node written here, not those of the machine
SlurmdParameters=config_overrides
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
GresTypes=gpu
SchedulerParameters=batch_sched_delay=0,bf_interval=1,sched_interval=2
# long enough for a machine that is busy with other tests
SlurmdTimeout=60
MessageTimeout=30
KillWait=2
InactiveLimit=0
MinJobAge=600
ReturnToService=2
JobRequeue=0
"""


class Slurm:
    """The cluster.

    Its users' processes need the variables in `environment`; its GPUs are in the partition `partition`.
    """

    partition = "accelerated"

    def __init__(self):
        # The path of a Unix socket is limited to 108 characters, and pytest's folders are too deep.
        self.folder = Path(tempfile.mkdtemp(prefix="slurm-"))
        self.configuration = self.folder / "slurm.conf"
        self.environment = os.environ | {
            "SLURM_CONF": str(self.configuration),
            "PATH": f"{self.folder}/bin:{os.environ['PATH']}",
        }
        self.daemons: list[subprocess.Popen] = []

    def start(self) -> None:
        for name in ("state", "bin", *NODES):
            (self.folder / name).mkdir()
        ports = _free_ports(1 + len(NODES))
        lines = CONFIGURATION.format(host=socket.gethostname(), port=ports[0], folder=self.folder)
        gpus = ["AutoDetect=off"]
        for node, port in zip(NODES, ports[1:], strict=True):
            lines += (
                f"NodeName={node} NodeHostname={socket.gethostname()} NodeAddr=127.0.0.1 Port={port}"
                f" CPUs=8 RealMemory=8000 Gres=gpu:pretend:{len(DEVICES)} State=UNKNOWN\n"
            )
            gpus += [f"NodeName={node} Name=gpu Type=pretend File=/dev/{device}" for device in DEVICES]
        lines += (
            f"PartitionName={self.partition} Nodes={','.join(NODES)} Default=NO MaxTime=60 LLN=YES State=UP\n"
        )
        self.configuration.write_text(lines)
        (self.folder / "gres.conf").write_text("\n".join(gpus) + "\n")
        # The plugin removes SLURM_CONF from the environment of job steps, and srun would look in /etc/slurm.
        shim = self.folder / "bin" / "srun"
        shim.write_text(
            f'#!/bin/sh\nexport SLURM_CONF={self.configuration}\nexec {shutil.which("srun")} "$@"\n'
        )
        shim.chmod(0o755)

        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        self._daemon(
            "munged",
            "--foreground",
            "--force",
            f"--socket={self.folder}/munge.socket",
            f"--key-file={key}",
            f"--pid-file={self.folder}/munged.pid",
            f"--seed-file={self.folder}/munge.seed",
            f"--log-file={self.folder}/munged.log",
        )
        self._wait(lambda: self.run("munge", "-S", f"{self.folder}/munge.socket", "-n").returncode == 0)
        self._daemon("slurmctld", "-D", "-f", str(self.configuration))
        for node in NODES:
            self._daemon("slurmd", "-D", "-N", node, "-f", str(self.configuration))
        self._wait(lambda: self.run("sinfo", "-h", "-N", "-t", "idle").stdout.count("\n") == len(NODES))

    def run(self, *command: str) -> subprocess.CompletedProcess:
        """Run one of Slurm's commands."""
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=30)

    def jobs(self) -> dict[str, dict[str, str]]:
        """Every job since the start, by its id: the fields of `scontrol show job`."""
        records = self.run("scontrol", "-d", "-o", "show", "job").stdout.splitlines()
        jobs = [dict(field.split("=", 1) for field in line.split() if "=" in field) for line in records]
        return {job["JobId"]: job for job in jobs if "JobId" in job}

    def stop(self) -> None:
        """End all jobs, daemons and leftover processes of jobs. Safe to call after a failed start."""
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            self.run("scancel", "--signal=KILL", "--full", "-u", "root")
            self.run("scancel", "-u", "root")
            deadline = time.monotonic() + 10
            while self.run("squeue", "-h").stdout.strip() and time.monotonic() < deadline:
                time.sleep(0.1)
        for daemon in reversed(self.daemons):
            daemon.terminate()
            try:
                # A slurmd that has lost its controller ignores SIGTERM for a minute.
                daemon.wait(3)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        for process in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)

    def processes(self) -> list[int]:
        """The processes of this cluster's jobs, recognised by their environment."""
        processes = []
        for path in Path("/proc").glob("[0-9]*/environ"):
            with contextlib.suppress(OSError):
                environment = path.read_bytes().split(b"\0")
                same_cluster = f"SLURM_CONF={self.configuration}".encode() in environment
                if same_cluster and any(entry.startswith(b"SLURM_JOB_ID=") for entry in environment):
                    processes.append(int(path.parent.name))
        return processes

    def _daemon(self, *command: str) -> None:
        output = (self.folder / f"{command[0]}.out").open("ab")
        self.daemons.append(
            subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=self.environment,
                start_new_session=True,
            )
        )

    def _wait(self, ready) -> None:
        deadline = time.monotonic() + 30
        while not ready():
            ended = [daemon.args[0] for daemon in self.daemons if daemon.poll() is not None]
            if ended or time.monotonic() > deadline:
                logs = "\n".join(path.read_text()[-500:] for path in self.folder.glob("*.log"))
                raise RuntimeError(f"Slurm does not start; daemons that ended: {ended}\n{logs}")
            time.sleep(0.1)


def reason_to_skip() -> str | None:
    """Why no cluster can run here, or None."""
    if os.geteuid() != 0:
        return "starting a Slurm for tests needs root"
    if not all(map(shutil.which, ("slurmctld", "slurmd", "sbatch", "munged"))):
        return "no Slurm is installed; `make packages` installs Debian's"
    return None


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for free in sockets:
            free.bind(("127.0.0.1", 0))
        return [free.getsockname()[1] for free in sockets]
    finally:
        for free in sockets:
            free.close()
