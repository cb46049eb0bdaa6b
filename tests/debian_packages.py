"""Install the Debian packages that some tests need; `make packages` runs this.

Says first what it installs and why. Where it cannot install anything (another system, not root), it says
which tests will be skipped, and succeeds.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

#: What a group of tests needs: commands, and the Debian packages that have them.
NEEDS = {
    "the report in a browser": (("chromium",), ("chromium",)),
    "the Slurm profile on a real Slurm": (
        ("slurmctld", "slurmd", "sbatch", "munged"),
        ("slurmctld", "slurmd", "slurm-client", "munge", "slurm-wlm-basic-plugins"),
    ),
}
#: Debian asks this program whether a package may start its daemon, and 101 means no.
POLICY = Path("/usr/sbin/policy-rc.d")


def main() -> None:
    missing = {
        subject: packages
        for subject, (commands, packages) in NEEDS.items()
        if not all(map(shutil.which, commands))
    }
    if not missing:
        return
    for subject, packages in missing.items():
        print(f"To test {subject}, these Debian packages are needed: {' '.join(packages)}", file=sys.stderr)
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        print(
            "They cannot be installed here (no apt-get, or not root): those tests are skipped.",
            file=sys.stderr,
        )
        return
    print("Installing them with apt-get …", file=sys.stderr)
    if not install([package for packages in missing.values() for package in packages]):
        print("apt-get could not install them: those tests are skipped.", file=sys.stderr)


def install(packages: list[str]) -> bool:
    """Install Debian packages without starting their daemons; whether it worked."""
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    has_policy = POLICY.exists()
    if not has_policy:
        POLICY.write_text("#!/bin/sh\nexit 101\n")
        POLICY.chmod(0o755)
    try:
        subprocess.run(["apt-get", "update", "--quiet"], env=environment)
        command = ["apt-get", "install", "--quiet", "--yes", "--no-install-recommends", *packages]
        return subprocess.run(command, env=environment).returncode == 0
    finally:
        if not has_policy:
            POLICY.unlink()


if __name__ == "__main__":
    main()
