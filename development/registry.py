"""A registry of images with a log-in, for tests: the one of Debian's packages, on loopback."""

import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import bcrypt
import yaml

from development import debian
from development.console import SetupError, last_line
from development.ports import free_port

PACKAGE = "docker-registry"
LOOPBACK = "127.0.0.1"
SECONDS = 15
#: Between two looks whether it answers already.
POLL_SECONDS = 0.05
USERNAME = "alice"
PASSWORD = "not a secret"
#: The least that bcrypt takes: nobody attacks this one.
_ROUNDS = 4


@dataclass(frozen=True)
class Registry:
    """A registry that runs; only who logs in may use it.

    Attributes
    ----------
    address : str
        Host and port, as in the names of its images.
    username, password : str
    folder : Path
        Where it keeps what was pushed.
    """

    address: str
    username: str
    password: str
    folder: Path

    @property
    def log_in(self) -> dict[str, str]:
        """An entry of `docker_registries`."""
        return {
            "registry": self.address,
            "username": self.username,
            "password": self.password,
        }


def obstacle() -> str:
    """Say why there can be no registry here, or nothing when there can."""
    if _program() is None and not debian.is_ours():
        return f"{PACKAGE} is not installed, and only root on Debian can have that done"
    return ""


def install() -> str:
    """Install the registry where it is missing and we may; the path of the program."""
    if _program() is None and debian.is_ours():
        debian.install(PACKAGE)
    program = _program()
    if program is None:
        raise SetupError(obstacle() or f"Debian's {PACKAGE} brought no program")
    return program


@contextmanager
def running(folder: Path, port: int | None = None) -> Iterator[Registry]:
    """Run a registry for a while, with all that it writes in one folder.

    Parameters
    ----------
    folder : Path
        What an earlier one left there is used again.
    port : int, optional
        A free one unless it is named.
    """
    port = port or free_port()
    folder.mkdir(parents=True, exist_ok=True)
    registry = Registry(f"{LOOPBACK}:{port}", USERNAME, PASSWORD, folder)
    log = folder / "registry.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [install(), "serve", str(_write_config(registry))],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        _wait_until_it_listens(process, port, log)
        yield registry
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(SECONDS)


def _write_config(registry: Registry) -> Path:
    digest = bcrypt.hashpw(registry.password.encode(), bcrypt.gensalt(_ROUNDS)).decode()
    users = registry.folder / "htpasswd"
    users.write_text(f"{registry.username}:{digest}\n", encoding="utf-8")
    config = registry.folder / "config.yml"
    content = {
        "version": 0.1,
        "log": {"level": "warn"},
        "storage": {"filesystem": {"rootdirectory": str(registry.folder / "images")}},
        "http": {"addr": registry.address},
        "auth": {"htpasswd": {"realm": "test", "path": str(users)}},
    }
    config.write_text(yaml.safe_dump(content), encoding="utf-8")
    return config


def _wait_until_it_listens(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    end = time.monotonic() + SECONDS
    while process.poll() is None and time.monotonic() < end:
        try:
            socket.create_connection((LOOPBACK, port), timeout=SECONDS).close()
        except ConnectionRefusedError:
            time.sleep(POLL_SECONDS)
        else:
            return
    reason = last_line(log.read_text(encoding="utf-8", errors="replace"))
    raise SetupError(f"The registry does not listen: {reason}")


def _program() -> str | None:
    return shutil.which("docker-registry", path=debian.SEARCH_PATH)
