"""Waiting for the first answer of a server that was started in a container."""

import http.client
import time
from http import HTTPStatus
from typing import Any

from vantage6.common.container import containers
from vantage6.server.container import settings

START_SECONDS = 120.0
_LOOK_SECONDS = 0.1
_ANSWER_SECONDS = 5.0


def wait_until_it_answers(api: Any, container: str, path: str, seconds: float) -> list[str] | None:
    """Wait until a server answers over the port that is published.

    Parameters
    ----------
    api : docker.APIClient
    container : str
    path : str
        What to ask for.
    seconds : float
        How long to wait at most.

    Returns
    -------
    list of str or None
        The addresses at which it can be reached; None when it has not answered in time.

    Raises
    ------
    ContainerFailed
        When the container has ended.
    """
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        addresses = _published(containers.inspect_running(api, container, settings.SERVER))
        if addresses and _answers(addresses[0], path):
            return addresses
        time.sleep(_LOOK_SECONDS)
    return None


def _published(inspected: Any) -> list[str]:
    bindings = inspected["NetworkSettings"]["Ports"].get(f"{settings.PORT}/tcp") or []
    return [containers.address(one["HostIp"], one["HostPort"]) for one in bindings]


def local_address(address: str) -> str:
    """How this machine itself reaches an address that may stand for all of them."""
    return address.replace("0.0.0.0:", "127.0.0.1:").replace("[::]:", "[::1]:")


def _answers(address: str, path: str) -> bool:
    # Without the proxies that the environment may name: this is our own machine.
    connection = http.client.HTTPConnection(local_address(address), timeout=_ANSWER_SECONDS)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
