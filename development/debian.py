"""What Debian's package manager installs for us, where we are root on Debian or Ubuntu."""

import os
import shutil
from pathlib import Path

from development.console import SetupError, run, step
from development.locks import exclusive

LOCK = Path("/run/lock/vantage6-apt.lock")
#: `su` leaves the user's search path, without the folders of the system's programs.
SEARCH_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin"])
ENVIRONMENT = {"DEBIAN_FRONTEND": "noninteractive", "PATH": SEARCH_PATH}
# a package manager already at work (unattended upgrades on a fresh machine) is waited for
APT = ["apt-get", "-q", "-y", "-o", "DPkg::Lock::Timeout=120"]


def is_ours() -> bool:
    """Tell whether we may install Debian packages here."""
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def install(*packages: str) -> None:
    """Install packages, without those they only recommend."""
    with (
        exclusive(LOCK, "another process that installs Debian packages") as lock,
        step(f"Installing {', '.join(packages)} from Debian"),
    ):
        # the index has no waiting for locks of its own, so the child holds ours
        run([*APT, "update"], "apt-get update failed", environment=ENVIRONMENT, hold=lock)
        try:
            _install(packages)
        except SetupError as error:
            if "dpkg --configure -a" not in str(error):
                raise
            # one before us was killed half way
            run(["dpkg", "--configure", "-a"], "dpkg failed", environment=ENVIRONMENT)
            _install(packages)


def _install(packages: tuple[str, ...]) -> None:
    run(
        [*APT, "install", "--no-install-recommends", *packages],
        f"Debian could not install {' '.join(packages)}",
        environment=ENVIRONMENT,
    )
