"""A registry of images with a log-in, for tests: the one of Debian's packages, on loopback."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import bcrypt
import yaml

from development import programs
from development.ports import LOOPBACK, free_port

PROGRAM = programs.Program("docker-registry", "docker-registry")
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
    command = [PROGRAM.install(), "serve", str(_write_config(registry))]
    with programs.running(command, port, folder / "registry.log"):
        yield registry


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
