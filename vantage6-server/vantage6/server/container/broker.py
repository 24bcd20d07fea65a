"""The broker of servers in containers: RabbitMQ, started where nobody else runs it.

Its address is the `rabbitmq_uri` of the configuration. A host with a dot or a colon in it is
somebody else's machine; any other is the name of a container on this one, in the network of the
server and nowhere else. Servers with the same address share it. It keeps nothing: events are for
those who are there.
"""

import base64
import hashlib
import json
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from docker.errors import NotFound

from vantage6.common import __version__
from vantage6.common.container import containers, image
from vantage6.common.container import settings as common
from vantage6.common.container.containers import ContainerFailed, Program, explained
from vantage6.common.exceptions import ConfigurationError
from vantage6.common.globals import DEFAULT_DOCKER_REGISTRY
from vantage6.server.container.settings import Owner

DEFAULT_IMAGE = f"{DEFAULT_DOCKER_REGISTRY}/rabbitmq:{__version__}"
BROKER = "broker"
_ADDRESS_LABEL = "vantage6-broker"
# A small machine takes a while to start it.
START_SECONDS = 120.0
_LOOK_SECONDS = 0.5
_STATE_FOLDER = "/var/lib/rabbitmq"
# What it says by itself goes to the console; its files come from variables, as no disk is ours.
_START = """
umask 077
printf %s "$BROKER_SETTINGS" > /tmp/rabbitmq.conf
printf %s "$BROKER_DEFINITIONS" > /tmp/definitions.json
exec rabbitmq-server
"""

Say = Callable[[str], None]


@dataclass(frozen=True)
class Address:
    """Where a broker is, and as whom it is used."""

    scheme: str
    host: str
    port: int
    user: str
    password: str
    vhost: str

    @classmethod
    def from_uri(cls, uri: str) -> "Address":
        """The parts of a `rabbitmq_uri` that was checked."""
        parts = urlsplit(uri)
        return cls(
            parts.scheme,
            parts.hostname or "",
            parts.port or 0,
            unquote(parts.username or ""),
            unquote(parts.password or ""),
            unquote(parts.path.removeprefix("/")),
        )

    @property
    def is_container(self) -> bool:
        """Whether it is the name of a container here, and not of a machine."""
        return self.scheme == "amqp" and not set(self.host) & set(".:")

    @property
    def digest(self) -> str:
        """What tells two of them apart without telling the password."""
        return hashlib.sha256(repr(self).encode()).hexdigest()


def check_reachable(uri: str | None) -> None:
    """Refuse a broker on the loopback of this machine, where no container comes.

    Raises
    ------
    ConfigurationError
        With what to do instead.
    """
    host = Address.from_uri(uri).host if uri else None
    if host is not None and common.is_loopback(host):
        raise ConfigurationError(
            f"The broker at {host!r} cannot be reached from a container, which has a loopback of "
            f"its own. Write another name in rabbitmq_uri, such as 'vantage6-broker', to have one "
            f"started beside the server, or {common.HOST_NAME!r} for one on this machine"
        )


def ensure(
    api: Any,
    address: Address,
    network: str,
    owner: Owner,
    restrictions: Mapping[str, Any],
    name: str | None,
    say: Say,
) -> None:
    """Have the broker of an address in a network, started if need be; returns when it answers.

    Parameters
    ----------
    api : docker.APIClient
    address : Address
        Of a container.
    network : str
    owner : Owner
        As whom it runs.
    restrictions : mapping
        What it is denied, in the words of the engine.
    name : str, optional
        The image, if not ours.
    say : callable
        Gets what the operator should know.

    Raises
    ------
    ContainerFailed, ConfigurationError
        When there is none in the end.
    """
    containers.remove_ended(api, address.host)
    found = _find(api, address.host)
    if found is None:
        image_name = image.choose(name, DEFAULT_IMAGE)
        image.ensure(api, image_name, say)
        say(f"Starting the broker {address.host}")
        found = containers.create(api, _program(address, network, owner, restrictions, image_name))
        containers.start(api, found)
    elif not _is_of(api, found, address):
        raise ConfigurationError(
            f"The container {address.host!r} is there already and is no broker for this "
            "rabbitmq_uri; choose another host in it"
        )
    _join(api, network, found, address.host)
    _wait_until_it_answers(api, found, address.host)


def leave(api: Any, network: str) -> None:
    """Take the brokers out of a network, and end those that nobody else uses."""
    for container in _brokers_in(api, network):
        with explained():
            api.disconnect_container_from_network(container, network, force=True)
            left = api.inspect_container(container)["NetworkSettings"]["Networks"]
        if not left:
            containers.remove(api, container)


def variables(address: Address) -> dict[str, str]:
    """The settings and the one user of a broker, for the environment of its container."""
    salt = secrets.token_bytes(4)
    digest = hashlib.sha256(salt + address.password.encode()).digest()
    user = {
        "name": address.user,
        "password_hash": base64.b64encode(salt + digest).decode(),
        "hashing_algorithm": "rabbit_password_hashing_sha256",
        "tags": "",
    }
    everything = dict.fromkeys(("configure", "write", "read"), ".*")
    definitions = {
        "rabbit_version": "3.10.8",
        "users": [user],
        "vhosts": [{"name": address.vhost}],
        "permissions": [{"user": address.user, "vhost": address.vhost, **everything}],
    }
    lines = [
        f"listeners.tcp.default = {address.port}",
        "load_definitions = /tmp/definitions.json",
        "log.console.level = warning",
    ]
    return {
        "BROKER_SETTINGS": "\n".join(lines) + "\n",
        "BROKER_DEFINITIONS": json.dumps(definitions),
        "RABBITMQ_CONFIG_FILE": "/tmp/rabbitmq.conf",
        "RABBITMQ_LOGS": "-",
        "HOME": _STATE_FOLDER,
    }


def _program(
    address: Address, network: str, owner: Owner, restrictions: Mapping[str, Any], image_name: str
) -> Program:
    state = f"rw,noexec,nosuid,nodev,size=256m,mode=700,uid={owner.uid},gid={owner.gid}"
    tmpfs = {**restrictions["tmpfs"], _STATE_FOLDER: state}
    return Program(
        name=address.host,
        image=image_name,
        user=str(owner),
        command=["sh", "-c", _START],
        labels={common.TYPE_LABEL: BROKER, _ADDRESS_LABEL: address.digest},
        environment=variables(address),
        mounts=[],
        # It ends with the last server that uses it, and not before.
        options={**restrictions, "tmpfs": tmpfs, **common.ending(keep=True)},
        network=network,
    )


def _find(api: Any, name: str) -> str | None:
    try:
        with explained():
            return str(api.inspect_container(name)["Id"])
    except NotFound:
        return None


def _is_of(api: Any, container: str, address: Address) -> bool:
    with explained():
        labels = api.inspect_container(container)["Config"]["Labels"] or {}
    return bool(labels.get(_ADDRESS_LABEL) == address.digest)


def _join(api: Any, network: str, container: str, name: str) -> None:
    with explained():
        if network not in api.inspect_container(container)["NetworkSettings"]["Networks"]:
            api.connect_container_to_network(container, network, aliases=[name])


def _brokers_in(api: Any, network: str) -> Sequence[str]:
    filters = {"label": [f"{common.TYPE_LABEL}={BROKER}"], "network": [network]}
    with explained():
        return [entry["Id"] for entry in api.containers(all=True, filters=filters)]


def _wait_until_it_answers(api: Any, container: str, name: str) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        containers.inspect_running(api, container, f"broker {name}")
        with explained():
            check = api.exec_create(container, ["rabbitmqctl", "await_startup", "--timeout", "60"])
            api.exec_start(check["Id"])
            if api.exec_inspect(check["Id"])["ExitCode"] == 0:
                return
        time.sleep(_LOOK_SECONDS)
    raise ContainerFailed(f"The broker {name} does not answer after {START_SECONDS:.0f} seconds")
