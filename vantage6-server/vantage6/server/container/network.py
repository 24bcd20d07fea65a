"""The network of a server in a container."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from docker.errors import APIError, NotFound

from vantage6.common.container import containers
from vantage6.common.container.containers import ContainerFailed, Running, explained
from vantage6.server.container import broker, settings


def ensure(api: Any, name: str, labels: Mapping[str, str]) -> None:
    """Have the network of a server."""
    with explained():
        if not api.networks(names=[f"^{name}$"]):
            api.create_network(name, driver="bridge", check_duplicate=True, labels=dict(labels))


def remove(api: Any, name: str) -> None:
    """Take a network away, unless somebody is in it."""
    try:
        with explained():
            api.remove_network(name)
    except NotFound:
        return
    except ContainerFailed as error:
        if not _is_in_use(error):
            raise


def _is_in_use(error: ContainerFailed) -> bool:
    cause = error.__cause__
    return isinstance(cause, APIError) and cause.status_code == HTTPStatus.FORBIDDEN


def clear(api: Any, name: str) -> None:
    """Take a network away with the broker in it, unless others need them."""
    broker.leave(api, name)
    remove(api, name)


def stop(api: Any, running: Running, *, force: bool) -> None:
    """Have a server end, and take its network away when nobody else is in it."""
    containers.stop(api, running, force=force)
    clear(api, settings.network_name(running.name, running.scope))
