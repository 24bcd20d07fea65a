"""The containers of servers: starting, stopping and finding them in the engine."""

import http.client
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import PurePosixPath
from typing import Any

from docker.errors import APIError, NotFound
from docker.types import Mount as EngineMount

from vantage6.common.engine import connect as connect_to_engine
from vantage6.common.engine import talking_to_engine
from vantage6.common.exceptions import Vantage6Error
from vantage6.server.container import settings
from vantage6.server.container.settings import Mount

# Seconds. The engine may take long to look for a registry that is not there.
_ENGINE_SECONDS = 120
_CONNECTIONS = 4
_LOOK_SECONDS = 0.1
_ANSWER_SECONDS = 5.0
START_SECONDS = 120.0
# The server lets open requests finish; only then it is killed.
STOP_SECONDS = 30
_REMOVAL_SECONDS = 20.0
LINES_SHOWN = 20

_TAKEN = ("port is already allocated", "address already in use", "cannot assign requested address")


class ContainerFailed(Vantage6Error):
    """The engine would not do it, or the server in the container did not come up."""


@dataclass(frozen=True)
class Running:
    """A server that runs in a container.

    Attributes
    ----------
    id, name, scope, environment, config, image : str
    addresses : tuple of str
        Where this machine lets others reach it, such as `0.0.0.0:5000`.
    """

    id: str
    name: str
    scope: str
    environment: str
    config: str
    image: str
    addresses: tuple[str, ...]


@dataclass(frozen=True)
class Program:
    """What is run in a container, and how.

    Attributes
    ----------
    name, image, user : str
    command : sequence of str
    labels, environment : mapping
    mounts : sequence of Mount
    options : mapping
        More for the engine, such as restrictions and published ports.
    network : str, optional
        The engine's default bridge otherwise.
    ports : sequence of int
        Those that can be published.
    """

    name: str
    image: str
    user: str
    command: Sequence[str]
    labels: Mapping[str, str]
    environment: Mapping[str, str]
    mounts: Sequence[Mount]
    options: Mapping[str, Any]
    network: str | None = None
    ports: Sequence[int] = ()


def connect() -> Any:
    """A client of the engine; EngineUnreachable in one sentence when there is none."""
    return connect_to_engine(timeout=_ENGINE_SECONDS, connections=_CONNECTIONS)


def security_options(api: Any) -> list[str]:
    """What the engine says of how it keeps containers apart."""
    with explained():
        return [option.partition(",")[0] for option in api.info()["SecurityOptions"] or []]


def find_all(api: Any) -> list[Running]:
    """All servers that run in containers here, by name."""
    with explained():
        found = api.containers(filters=_filters(settings.SERVER))
    return sorted((_describe(entry) for entry in found), key=lambda one: (one.name, one.scope))


def find(api: Any, name: str, scope: str) -> Running | None:
    """The server of a name and scope, when it runs."""
    for running in find_all(api):
        if (running.name, running.scope) == (name, scope):
            return running
    return None


def create(api: Any, program: Program) -> str:
    """Make a container; its id.

    Raises
    ------
    ContainerFailed
        With the reason.
    """
    host = api.create_host_config(
        mounts=[_engine_mount(mount) for mount in program.mounts],
        network_mode=program.network or "bridge",
        **program.options,
    )
    try:
        with explained():
            made = api.create_container(
                program.image,
                list(program.command),
                name=program.name,
                user=program.user,
                labels=dict(program.labels),
                environment=dict(program.environment),
                ports=list(program.ports),
                working_dir=settings.TEMPORARY_FOLDER,
                host_config=host,
            )
    except NotFound as error:
        raise ContainerFailed(_sentence(error)) from error
    return str(made["Id"])


def start(api: Any, container: str) -> None:
    """Start a container that was made; it is removed again when that fails."""
    try:
        with explained():
            api.start(container)
    except ContainerFailed:
        remove(api, container)
        raise


def remove(api: Any, container: str) -> None:
    """Remove a container, whatever it does; one that is gone is as good."""
    try:
        with explained():
            api.remove_container(container, v=True, force=True)
    except NotFound:
        return


def remove_ended(api: Any, name: str) -> None:
    """Remove what an earlier run left under a name, unless that still runs."""
    try:
        with explained():
            state = api.inspect_container(name)["State"]
    except NotFound:
        return
    if not state["Running"]:
        remove(api, name)


def halt(api: Any, container: str) -> None:
    """Have a container end and stay."""
    with explained():
        api.stop(container, timeout=STOP_SECONDS)


def run_to_its_end(
    api: Any, container: str, tell: Callable[[bytes | None, bytes | None], None]
) -> int:
    """Start a container and wait for its end; the exit code.

    Parameters
    ----------
    api : docker.APIClient
    container : str
        Not started yet.
    tell : callable
        Gets what it prints, on its output and on its error output.
    """
    with explained():
        stream = api.attach(container, stream=True, demux=True, logs=True)
        api.start(container)
        for out, err in stream:
            tell(out, err)
        return int(api.wait(container)["StatusCode"])


def stop(api: Any, running: Running) -> None:
    """Have a server end, and take its network away when nobody else is in it.

    Its open requests may finish; it is killed only when it takes too long.
    """
    with explained():
        kept = not api.inspect_container(running.id)["HostConfig"]["AutoRemove"]
        try:
            api.stop(running.id, timeout=STOP_SECONDS)
        except NotFound:
            kept = False
    if not kept:
        _wait_until_gone(api, running.id)
    remove_network(api, settings.network_name(running.name, running.scope))


def ensure_network(api: Any, name: str, labels: Mapping[str, str]) -> None:
    """Have the network of a server."""
    with explained():
        if not api.networks(names=[f"^{name}$"]):
            api.create_network(name, driver="bridge", check_duplicate=True, labels=dict(labels))


def remove_network(api: Any, name: str) -> None:
    """Take a network away, unless somebody is in it."""
    try:
        with talking_to_engine():
            api.remove_network(name)
    except NotFound:
        return
    except APIError as error:
        if error.status_code != HTTPStatus.FORBIDDEN:
            raise ContainerFailed(_sentence(error)) from error


class Output:
    """What a container prints, from its first word on: it may be gone when it has ended.

    Parameters
    ----------
    api : docker.APIClient
    container : str
        Not started yet.
    """

    def __init__(self, api: Any, container: str) -> None:
        self._last: deque[str] = deque(maxlen=LINES_SHOWN)
        with explained():
            self._stream = api.attach(container, stream=True, logs=True)
        self._reader = threading.Thread(target=self._read, name="output", daemon=True)
        self._reader.start()

    def last_lines(self) -> str:
        """The last lines of a container that has ended."""
        self._reader.join(_ANSWER_SECONDS)
        return "".join(self._last)

    def close(self) -> None:
        """Listen no longer."""
        self._stream.close()
        self._reader.join(_ANSWER_SECONDS)

    def _read(self) -> None:
        rest = b""
        for piece in self._stream:
            *lines, rest = (rest + piece).split(b"\n")
            self._last.extend(f"{line.decode(errors='replace')}\n" for line in lines)
        if rest:
            self._last.append(f"{rest.decode(errors='replace')}\n")


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
        addresses = _published(_inspect_running(api, container))
        if addresses and _answers(addresses[0], path):
            return addresses
        time.sleep(_LOOK_SECONDS)
    return None


def _inspect_running(api: Any, container: str) -> Any:
    try:
        with explained():
            found = api.inspect_container(container)
    except NotFound as error:
        raise ContainerFailed("The server ended at once") from error
    state = found["State"]
    if state["Restarting"] or not state["Running"]:
        raise ContainerFailed(f"The server ended at once, with exit code {state['ExitCode']}")
    return found


def _published(inspected: Any) -> list[str]:
    bindings = inspected["NetworkSettings"]["Ports"].get(f"{settings.PORT}/tcp") or []
    return [_address(one["HostIp"], one["HostPort"]) for one in bindings]


def _address(ip: str, port: str | int) -> str:
    return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"


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


def follow(api: Any, container: str) -> Iterator[bytes]:
    """What a container has printed, and goes on to print until it ends."""
    with explained():
        yield from api.logs(container, stream=True, follow=True)


def _wait_until_gone(api: Any, container: str) -> None:
    end = time.monotonic() + _REMOVAL_SECONDS
    while time.monotonic() < end:
        try:
            with explained():
                api.inspect_container(container)
        except NotFound:
            return
        time.sleep(_LOOK_SECONDS)
    raise ContainerFailed("The server has stopped, but the engine does not remove its container")


def _filters(kind: str) -> dict[str, Any]:
    return {"label": [f"{settings.TYPE_LABEL}={kind}"], "status": ["running"]}


def _describe(entry: Mapping[str, Any]) -> Running:
    labels = entry["Labels"]
    ports = [port for port in entry["Ports"] if "PublicPort" in port]
    return Running(
        id=entry["Id"],
        name=labels.get(settings.NAME_LABEL, ""),
        scope=labels.get(settings.SCOPE_LABEL, ""),
        environment=labels.get(settings.ENVIRONMENT_LABEL, ""),
        config=labels.get(settings.CONFIG_LABEL, ""),
        image=entry["Image"],
        addresses=tuple(_address(port["IP"], port["PublicPort"]) for port in ports),
    )


def _engine_mount(mount: Mount) -> EngineMount:
    return EngineMount(
        str(PurePosixPath(mount.target)),
        str(mount.source),
        type="bind",
        read_only=mount.read_only,
    )


@contextmanager
def explained() -> Iterator[None]:
    """Turn the refusals of the engine into one sentence; that a thing is not there passes."""
    try:
        with talking_to_engine():
            yield
    except NotFound:
        raise
    except APIError as error:
        raise ContainerFailed(_sentence(error)) from error


def _sentence(error: APIError) -> str:
    reason = str(error.explanation or error)
    if any(words in reason for words in _TAKEN):
        return f"The port cannot be published: {reason.rpartition(': ')[2]}; choose another: --port"
    if "non-overlapping" in reason:
        return (
            "The engine has no addresses left for another network; remove those that nobody "
            "uses with: docker network prune"
        )
    return f"The container engine refused: {reason}"
