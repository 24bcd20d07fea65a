"""What Debian's package manager installs for us, where we are root on Debian or Ubuntu."""

import os
import shutil

from development.console import run, step


def is_ours() -> bool:
    """Tell whether we may install Debian packages here."""
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def install(*packages: str) -> None:
    """Install packages, without those they only recommend."""
    environment = {"DEBIAN_FRONTEND": "noninteractive"}
    # a package manager already at work (unattended upgrades on a fresh machine) is waited for
    apt = ["apt-get", "-q", "-y", "-o", "DPkg::Lock::Timeout=120"]
    with step(f"Installing {', '.join(packages)} from Debian"):
        run([*apt, "update"], "apt-get update failed", environment=environment)
        run(
            [*apt, "install", "--no-install-recommends", *packages],
            f"Debian could not install {' '.join(packages)}",
            environment=environment,
        )
