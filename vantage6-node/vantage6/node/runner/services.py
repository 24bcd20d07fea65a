"""Containers of somebody else on this machine, found by their exact names."""

import logging
import threading
from collections.abc import Mapping
from typing import Any

import docker
from docker.errors import APIError, NotFound

from vantage6.node.runner.engine import talking_to_engine
from vantage6.node.runner.interface import Service, ServiceMissing

log = logging.getLogger(__name__)


class Services:
    """Finds services, and makes sure that we can reach them.

    A node on the host reaches every bridge of the engine. A node in a container joins a network
    of the service, and leaves it at its end; runs have no network, so that opens nothing to them.

    Parameters
    ----------
    api : docker.APIClient
    own_container : str, optional
        The container that we are in.
    """

    def __init__(self, api: docker.APIClient, own_container: str | None) -> None:
        self._api, self._own = api, own_container or ""
        self._joined: set[str] = set()
        self._lock = threading.Lock()

    def find(self, name: str) -> Service:
        """The container of exactly this name.

        Raises
        ------
        ServiceMissing
            When there is none, or no way to it.
        """
        found = self._inspect(name)
        # The engine would also take the beginning of an id for a name.
        if found is None or found["Name"] != f"/{name}":
            raise ServiceMissing("there is no container of that name")
        if not found["State"]["Running"]:
            raise ServiceMissing("its container does not run")
        addresses = {
            network["NetworkID"]: network["IPAddress"] or network["GlobalIPv6Address"]
            for network in found["NetworkSettings"]["Networks"].values()
            if network["IPAddress"] or network["GlobalIPv6Address"]
        }
        if not addresses:
            raise ServiceMissing("its container has no address of its own")
        return Service(self._reachable(addresses), _exposed(found))

    def close(self) -> None:
        """Leave the networks that we joined."""
        with self._lock:
            joined, self._joined = self._joined, set()
        for network in joined:
            try:
                with talking_to_engine():
                    self._api.disconnect_container_from_network(self._own, network)
            except APIError as error:
                log.warning("The network of a service was not left: %s", error.explanation)

    def _reachable(self, addresses: Mapping[str, str]) -> str:
        """One of the addresses, by network, that we can connect to."""
        if not self._own:
            return next(iter(addresses.values()))
        own = self._inspect(self._own)
        ours = own["NetworkSettings"]["Networks"].values() if own else ()
        shared = addresses.keys() & {network["NetworkID"] for network in ours}
        if shared:
            return addresses[min(shared)]
        network, address = next(iter(addresses.items()))
        self._join(network)
        return address

    def _join(self, network: str) -> None:
        try:
            with self._lock, talking_to_engine():
                if network not in self._joined:
                    self._api.connect_container_to_network(self._own, network)
                    self._joined.add(network)
        except APIError as error:
            log.warning("The node cannot join the network of a service: %s", error.explanation)
            raise ServiceMissing("the node cannot join its network") from error

    def _inspect(self, name: str) -> dict[str, Any] | None:
        try:
            with talking_to_engine():
                found: dict[str, Any] = self._api.inspect_container(name)
        except NotFound:
            return None
        except APIError as error:
            log.warning("The engine does not say what %s is: %s", name, error.explanation)
            raise ServiceMissing("the container engine does not say where it is") from error
        return found


def _exposed(container: Mapping[str, Any]) -> tuple[int, ...]:
    """The ports that a container, or its image, says it listens on."""
    ports = (entry.split("/") for entry in container["Config"].get("ExposedPorts") or {})
    return tuple(sorted(int(number) for number, protocol in ports if protocol == "tcp"))
