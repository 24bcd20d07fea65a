"""The containers of servers and nodes: starting, stopping and finding them in the engine."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from docker.errors import APIError, NotFound
from docker.types import Mount as EngineMount

from vantage6.common.container import settings
from vantage6.common.container.settings import Mount
from vantage6.common.engine import connect as connect_to_engine
from vantage6.common.engine import talking_to_engine
from vantage6.common.exceptions import Vantage6Error

# Seconds. The engine may take long to look for a registry that is not there.
_ENGINE_SECONDS = 120
_CONNECTIONS = 4
_LOOK_SECONDS = 0.1
# Who is asked to end may finish what is under way; only then it is killed.
STOP_SECONDS = 30
_REMOVAL_SECONDS = 20.0

_TAKEN = ("port is already allocated", "address already in use", "cannot assign requested address")


class ContainerFailed(Vantage6Error):
    """The engine would not do it, or what is in the container did not come up."""


@dataclass(frozen=True)
class Running:
    """A server or node that runs in a container.

    Attributes
    ----------
    id, kind, name, scope, environment, config, image : str
    is_up : bool
        False while the engine starts it again and again.
    addresses : tuple of str
        Where this machine lets others reach it, such as `0.0.0.0:5000`.
    """

    id: str
    kind: str
    name: str
    scope: str
    environment: str
    config: str
    image: str
    is_up: bool
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
    names : mapping
        What files are called in the container, and here.
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
    names: Mapping[str, str] = field(default_factory=dict)


def connect() -> Any:
    """A client of the engine; EngineUnreachable in one sentence when there is none."""
    return connect_to_engine(timeout=_ENGINE_SECONDS, connections=_CONNECTIONS)


def security_options(api: Any) -> list[str]:
    """What the engine says of how it keeps containers apart."""
    with explained():
        return [option.partition(",")[0] for option in api.info()["SecurityOptions"] or []]


def find_all(api: Any, kind: str) -> list[Running]:
    """All servers, or all nodes, that run in containers here, by name."""
    filters = {"label": [f"{settings.TYPE_LABEL}={kind}"], "status": ["running", "restarting"]}
    with explained():
        found = api.containers(filters=filters)
    return sorted((_describe(entry) for entry in found), key=lambda one: (one.name, one.scope))


def find(api: Any, kind: str, name: str, scope: str) -> Running | None:
    """The server or node of a name and scope, when it runs."""
    for running in find_all(api, kind):
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


def stop(api: Any, running: Running, *, force: bool = False) -> None:
    """Have a server or node end.

    What it is doing may be finished; it is killed only when that takes too long, or at once.

    Parameters
    ----------
    api : docker.APIClient
    running : Running
    force : bool
        Whether it is killed at once.
    """
    with explained():
        try:
            kept = not api.inspect_container(running.id)["HostConfig"]["AutoRemove"]
            api.stop(running.id, timeout=0 if force else STOP_SECONDS)
        except NotFound:
            kept = False
    if not kept:
        _wait_until_gone(api, running)


def inspect_running(api: Any, container: str, kind: str) -> Any:
    """What the engine says of the container of a kind; ContainerFailed when it has ended."""
    try:
        with explained():
            found = api.inspect_container(container)
    except NotFound as error:
        raise ContainerFailed(f"The {kind} ended at once") from error
    state = found["State"]
    if state["Restarting"] or not state["Running"]:
        raise ContainerFailed(f"The {kind} ended at once, with exit code {state['ExitCode']}")
    return found


def follow(api: Any, container: str) -> Iterator[bytes]:
    """What a container has printed, and goes on to print until it ends."""
    with explained():
        yield from api.logs(container, stream=True, follow=True)


def address(ip: str, port: str | int) -> str:
    """How an address with a port is written."""
    return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"


def _wait_until_gone(api: Any, running: Running) -> None:
    end = time.monotonic() + _REMOVAL_SECONDS
    while time.monotonic() < end:
        try:
            with explained():
                api.inspect_container(running.id)
        except NotFound:
            return
        time.sleep(_LOOK_SECONDS)
    raise ContainerFailed(
        f"The {running.kind} has stopped, but the engine does not remove its container"
    )


def _describe(entry: Mapping[str, Any]) -> Running:
    labels = entry["Labels"]
    # Containers of the classic line say no scope, but whether it is that of the system.
    scope = "system" if labels.get(settings.SYSTEM_LABEL) == "True" else "user"
    ports = [port for port in entry["Ports"] if "PublicPort" in port]
    return Running(
        id=entry["Id"],
        kind=labels[settings.TYPE_LABEL],
        name=labels.get(settings.NAME_LABEL, ""),
        scope=labels.get(settings.SCOPE_LABEL, scope),
        environment=labels.get(settings.ENVIRONMENT_LABEL, ""),
        config=labels.get(settings.CONFIG_LABEL, ""),
        image=entry["Image"],
        is_up=entry["State"] == "running",
        addresses=tuple(address(port["IP"], port["PublicPort"]) for port in ports),
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
