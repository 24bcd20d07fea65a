"""The federation that is shipped with the algorithm tools, as our tests and the demo use it.

With the client of researchers, a container engine that is started where there is none, and
errors in the form of the commands of this folder.
"""

from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

from docker.models.containers import Container

from development.console import SetupError
from development.engine import ensure_engine
from vantage6.client import Client
from vantage6.tools import local_federation as shipped
from vantage6.tools.local_federation import (
    API_PATH,
    COMMANDS,
    LOOPBACK,
    FederationError,
    Hospital,
    living_processes,
    running,
)
from vantage6.tools.local_federation.service import START_SECONDS

__all__ = [
    "API_PATH",
    "COMMANDS",
    "LOOPBACK",
    "START_SECONDS",
    "Federation",
    "Hospital",
    "Service",
    "containers",
    "living_processes",
    "remove",
    "run_command",
    "running",
]


class Service(shipped.Service):
    """A service whose failure is told as that of a command of this folder."""

    def wait_until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait for a condition; SetupError when the process ends or takes too long."""
        try:
            super().wait_until(condition, what)
        except FederationError as error:
            raise SetupError(str(error)) from error


class Federation(shipped.Federation):
    """A federation with the client of researchers."""

    service_type: ClassVar[type[shipped.Service]] = Service

    def run(self, *command: str) -> str:
        """Run one of our commands to its end and return its output."""
        return run_command(*command)

    def client(self, hospital: Hospital | None = None) -> Client:
        """A client of the researcher, with the key of the organization set up."""
        client = Client(
            f"http://{LOOPBACK}", self.port, API_PATH, pins_file=self.folder / "pins.json"
        )
        client.authenticate(self.researcher, self.password)
        key = self.private_key(hospital or self.hospitals[0])
        client.setup_encryption(key if self.encrypted else None)
        return client


def remove(folder: Path) -> None:
    """End what a federation in this folder left running, however it ended, and delete it."""
    if shipped.node_names(folder):
        ensure_engine()
    shipped.remove(folder)


def containers(folder: Path) -> list[Container]:
    """The containers of the nodes of the federation in a folder."""
    names = shipped.node_names(folder)
    if not names:
        return []
    found = ensure_engine().containers.list(all=True, ignore_removed=True)
    return [container for container in found if container.labels.get("node") in names]


def run_command(*command: str) -> str:
    """Run one of our commands to its end and return its output; SetupError if it fails."""
    try:
        return shipped.run_command(*command)
    except FederationError as error:
        raise SetupError(str(error)) from error
