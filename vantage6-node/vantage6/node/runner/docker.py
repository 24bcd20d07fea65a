"""Runs containers with the Docker engine."""

import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

import docker
from docker.errors import APIError, DockerException, NotFound

from vantage6.common.container.settings import TYPE_LABEL
from vantage6.node.image.store import ImageStore
from vantage6.node.rules import Limits
from vantage6.node.runner import engine
from vantage6.node.runner.engine import as_inside, talking_to_engine, words
from vantage6.node.runner.events import Events
from vantage6.node.runner.hardening import confinement, hardening
from vantage6.node.runner.homes import Homes
from vantage6.node.runner.images import REGISTRY_SECONDS, Images
from vantage6.node.runner.interface import (
    ContainerEnded,
    ContainerMissing,
    Ending,
    EngineBack,
    EngineUnreachable,
    FoundImage,
    MayHaveRun,
    Notice,
    RunnerError,
    Service,
)
from vantage6.node.runner.ourselves import find_own_container, host_path
from vantage6.node.runner.sandbox import Sandbox, SandboxPool
from vantage6.node.runner.services import Services
from vantage6.node.runner.settings import (
    ALGORITHM,
    CLEANER,
    INSTANCE_LABEL,
    LOOKER,
    RELAY,
    RESULT_LABEL,
    ContainerSettings,
    Identity,
)
from vantage6.node.state import Trace

_SPARE_SANDBOXES = 2
_CONNECTIONS = 32
_KEEPER_SECONDS = 10
_TRACES = {"created": Trace.CREATED, "exited": Trace.EXITED, "dead": Trace.EXITED}
_CLEANER_LIMITS = Limits(memory=128 * 2**20, cpus=1.0, pids=16)
_NO_GPU = "could not select device driver"
_EMPTY = ["find", "/folder", "-mindepth", "1", "-delete"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Container:
    """A container of a run, and the sandbox that it is in, if that is still there.

    From when it is told to start until the engine has said that it did, or did not, it is not
    known to be `fresh`: an engine that goes away meanwhile may leave it running unseen, take it
    for one that was never started when it is back, and end it.
    """

    id: str
    sandbox: Sandbox | None
    paths: Mapping[str, str] = field(default_factory=dict)
    fresh: bool = True


class DockerRunner:
    """Runs containers with the Docker engine; see `interface.Runner`.

    Parameters
    ----------
    identity : Identity
        Only what carries its instance is touched.
    relay_image : str
    folder : Path
        Where the folders of sandboxes are made.
    registries : sequence of mapping
        `registry`, `username` and `password` of private registries.
    image_pull : {"newer", "missing", "never"}
        When images are fetched.
    image_store : ImageStore, optional
        What is known of images that did not come from a registry.
    in_container : bool
        Whether this node itself runs in a container.
    """

    def __init__(
        self,
        identity: Identity,
        relay_image: str,
        folder: Path,
        *,
        registries: Sequence[Mapping[str, str]] = (),
        image_pull: str = "newer",
        image_store: ImageStore | None = None,
        in_container: bool = False,
    ) -> None:
        self._identity, self._relay_image, self._folder = identity, relay_image, folder
        self._registries, self._image_pull, self._image_store = registries, image_pull, image_store
        self._in_container = in_container
        self._containers: dict[int, _Container] = {}
        self._closing = threading.Event()
        self._sandbox_wanted = threading.Event()
        self._api: Any = None
        self._keeper: threading.Thread | None = None

    def connect(self) -> None:
        """Find the engine, and see that containers can be run with it."""
        self._api = engine.connect(_CONNECTIONS)
        own = find_own_container(self._api) if self._in_container else None
        self._own_mounts: list[dict[str, Any]] = own["Mounts"] if own else []
        self._services = Services(self._api, own["Id"] if own else None)
        self._pool = SandboxPool(
            self._api,
            self._identity,
            self._relay_image,
            self._folder,
            self._host_path,
            _SPARE_SANDBOXES,
        )
        self._pool.check_image()
        self._events = Events(self._api, self._identity.instance)
        self._homes = Homes(self._api, self._identity)
        self._images = Images(
            self._api,
            engine.connect(_CONNECTIONS, REGISTRY_SECONDS),
            self._registries,
            self._image_pull,
            self._image_store,
        )

    def open(self, tell: Callable[[Notice], None]) -> dict[int, Trace]:
        """Take over what an earlier process of this node left, and begin to watch."""
        traces = self._adopt()
        self._sandbox_wanted.set()
        self._keeper = threading.Thread(
            target=self._keep_sandboxes_ready, name="sandboxes", daemon=True
        )
        self._keeper.start()
        self._events.start(
            begin=lambda: self._look_again(tell), ended=lambda actor: self._pass_on(actor, tell)
        )
        return traces

    def look(self) -> dict[int, Trace]:
        """What there is of every run now."""
        return {_result_id(found): _trace(found) for found in self._list(ALGORITHM)}

    def find_image(self, image: str) -> FoundImage:
        """What a name stands for now, here or in its registry."""
        return self._images.find(image)

    def fetch_image(self, found: FoundImage) -> FoundImage:
        """Have exactly what was found here."""
        return self._images.fetch(found)

    def create(self, settings: ContainerSettings) -> Path:
        """Make a container, not yet running, in a sandbox of its own."""
        self.remove(settings.result_id)
        sandbox = self._pool.take()
        paths = {str(self._host_path(mount.source)): str(mount.target) for mount in settings.mounts}
        try:
            with talking_to_engine():
                container_id = self._create_anew(settings, sandbox)
        except Exception as error:
            # Whatever it was, such as a full disk: nobody else knows of this sandbox.
            self._pool.give_back(sandbox)
            if not isinstance(error, APIError):
                raise
            reason = as_inside(words(error), paths)
            raise RunnerError(f"The container could not be made: {reason}") from error
        self._containers[settings.result_id] = _Container(container_id, sandbox, paths)
        return sandbox.folder

    def has_started(self, result_id: int) -> bool:
        """Whether the container was started already, though nobody was told that it was."""
        container = self._containers.get(result_id)
        if container is None or container.fresh:
            return False
        if self.look().get(result_id) in (Trace.RUNNING, Trace.EXITED):
            return True
        raise MayHaveRun

    def start(self, result_id: int) -> None:
        """Start the container; RunnerError with the reason when that is impossible."""
        container = self._containers[result_id]
        self._containers[result_id] = replace(container, fresh=False)
        try:
            with talking_to_engine():
                self._api.start(container.id)
        except APIError as error:
            self._containers[result_id] = container
            sandbox = container.sandbox
            if sandbox and not self._is_running(sandbox.relay_id):
                self._pool.forget(sandbox.relay_id)
                raise EngineUnreachable("The relay of the container has ended") from error
            reason = as_inside(words(error), container.paths)
            raise RunnerError(_why_not_started(reason)) from error
        finally:
            self._sandbox_wanted.set()

    def sandbox(self, result_id: int) -> Path:
        """The folder in which the proxy of a run has to listen."""
        return self._sandbox(result_id).folder

    def call_relay(self, result_id: int) -> None:
        """Make the relay of a run ask the node what else to listen on."""
        self._pool.call_relay(self._sandbox(result_id))

    def service(self, name: str) -> Service:
        """The container of exactly this name, whoever made it."""
        return self._services.find(name)

    def _sandbox(self, result_id: int) -> Sandbox:
        sandbox = self._containers[result_id].sandbox
        if sandbox is None:
            raise ContainerMissing("The relay of the container vanished")
        return sandbox

    def stop(self, result_id: int) -> None:
        """Kill the container, and come back when it has ended."""
        with self._present(result_id) as container_id:
            try:
                self._api.kill(container_id)
            except APIError as error:
                # it has ended by itself
                if error.status_code != HTTPStatus.CONFLICT:
                    raise
            self._api.wait(container_id)

    def age(self, result_id: int) -> float:
        """For how many seconds the container has been running."""
        with self._present(result_id) as container_id:
            started_at = self._api.inspect_container(container_id)["State"]["StartedAt"]
        return (datetime.now(UTC) - datetime.fromisoformat(started_at)).total_seconds()

    def layer_size(self, result_id: int) -> int:
        """How many bytes the container wrote to the file system of its image."""
        with self._present(result_id) as container_id:
            found = self._api.containers(all=True, size=True, filters={"id": container_id})
        return sum(container.get("SizeRw", 0) for container in found)

    def ending(self, result_id: int, log_lines: int | None) -> Ending:
        """How the container ended, with the last lines of its log."""
        tail: Any = "all" if log_lines is None else log_lines
        with self._present(result_id) as container_id:
            state = self._api.inspect_container(container_id)["State"]
            text = self._api.logs(container_id, stdout=True, stderr=True, tail=tail)
        finished_at = _plain_time(state["FinishedAt"])
        return Ending(
            exit_code=state["ExitCode"],
            out_of_memory=state["OOMKilled"],
            # The engine may note the start of a very short container after its end.
            started_at=min(_plain_time(state["StartedAt"]), finished_at),
            finished_at=finished_at,
            log=text.decode("utf-8", errors="replace"),
        )

    def remove(self, result_id: int) -> None:
        """Kill and remove the container, if it is there, and free its sandbox."""
        container = self._containers.get(result_id)
        if container is None:
            return
        self._remove_container(container.id)
        # By one thread of those that may do so at once: a sandbox is given back once.
        if self._containers.pop(result_id, None) and container.sandbox:
            self._pool.give_back(container.sandbox)

    def empty(self, folder: Path) -> None:
        """Delete what is in a folder as root of a container, which sees nothing else."""
        with talking_to_engine():
            cleaner = self._api.create_container(
                self._relay_image,
                _EMPTY,
                user="0:0",
                labels=self._identity.labels(CLEANER),
                host_config=self._api.create_host_config(
                    network_mode="none",
                    read_only=True,
                    cap_add=["DAC_OVERRIDE", "FOWNER"],
                    mounts=[docker.types.Mount("/folder", str(self._host_path(folder)), "bind")],
                    **hardening(_CLEANER_LIMITS),
                ),
            )["Id"]
            try:
                self._api.start(cleaner)
                self._api.wait(cleaner)
            finally:
                self._remove_container(cleaner)

    def close(self, kill: bool) -> None:
        """Stop watching; remove sandboxes without a run, and with `kill` the runs as well."""
        self._closing.set()
        self._sandbox_wanted.set()
        if self._keeper is not None:
            self._events.close()
            self._pool.close()
            # What it is just making would be left behind.
            self._keeper.join(_KEEPER_SECONDS)
            if kill:
                for result_id in list(self._containers):
                    self.remove(result_id)
            self._services.close()
            try:
                self._remove_unused()
            except EngineUnreachable as error:
                log.warning("Sandboxes stay until the next start: %s", error)
        if self._api is not None:
            self._api.close()

    # What an earlier process left, or this one leaves

    def _adopt(self) -> dict[int, Trace]:
        """Take over the containers of runs, and remove what none of them needs."""
        relays = {relay["Id"]: relay for relay in self._list(RELAY)}
        found = self._list(ALGORITHM)
        for container in found:
            relay = relays.get(container["HostConfig"]["NetworkMode"].partition(":")[2])
            sandbox = self._pool.adopt(relay) if relay else None
            self._containers[_result_id(container)] = _Container(
                container["Id"],
                sandbox,
                # A relay ends with its engine, unless that is told to restore what runs: then
                # this one has not been away since the container was made.
                fresh=relay is not None and relay["State"] == "running",
            )
        self._remove_unused()
        return {_result_id(container): _trace(container) for container in found}

    def _remove_unused(self) -> None:
        """Remove containers and sandboxes of ours that no run is in, as the engine lists them.

        Also those of which an engine that went away did not see the end.
        """
        used = {run.sandbox.name for run in self._containers.values() if run.sandbox}
        self._pool.sweep(self._list(RELAY), used)
        for left in (*self._list(CLEANER), *self._list(LOOKER)):
            self._remove_container(left["Id"])

    def _list(self, kind: str) -> list[dict[str, Any]]:
        labels = [f"{INSTANCE_LABEL}={self._identity.instance}", f"{TYPE_LABEL}={kind}"]
        with talking_to_engine():
            found: list[dict[str, Any]] = self._api.containers(all=True, filters={"label": labels})
        return found

    # Threads that only tell

    def _look_again(self, tell: Callable[[Notice], None]) -> None:
        """Events reach us, again: relays may have ended unnoticed, and so may runs."""
        for relay in self._list(RELAY):
            if relay["State"] != "running":
                self._pool.forget(relay["Id"])
        self._sandbox_wanted.set()
        tell(EngineBack())

    def _pass_on(self, actor: Mapping[str, Any], tell: Callable[[Notice], None]) -> None:
        labels = actor["Attributes"]
        if labels[TYPE_LABEL] == ALGORITHM:
            tell(ContainerEnded(int(labels[RESULT_LABEL])))
        elif labels[TYPE_LABEL] == RELAY:
            self._pool.forget(actor["ID"])
            self._sandbox_wanted.set()

    def _keep_sandboxes_ready(self) -> None:
        """Make sandboxes in the background, whenever one may have been taken."""
        while not self._closing.is_set():
            self._sandbox_wanted.wait()
            self._sandbox_wanted.clear()
            try:
                self._pool.refill()
            except (RunnerError, DockerException, OSError) as error:
                log.warning("No sandbox could be prepared: %s", error)

    # Calls

    @contextmanager
    def _present(self, result_id: int) -> Iterator[str]:
        """The id of the container of a run, for calls that need it to be there."""
        container = self._containers.get(result_id)
        if container is None:
            raise ContainerMissing("The container vanished")
        try:
            with talking_to_engine():
                yield container.id
        except NotFound as error:
            raise ContainerMissing("The container vanished") from error

    def _create_anew(self, settings: ContainerSettings, sandbox: Sandbox) -> str:
        """Make a container, in the place of one that an engine made before it went away."""
        try:
            return self._create(settings, sandbox)
        except APIError as error:
            left = self._never_started(settings.result_id)
            if error.status_code != HTTPStatus.CONFLICT or left is None:
                raise
        self._remove_container(left)
        return self._create(settings, sandbox)

    def _never_started(self, result_id: int) -> str | None:
        """The container of a run of ours of which nobody was told that it was made."""
        for container in self._list(ALGORITHM):
            if _result_id(container) == result_id and container["State"] == "created":
                return str(container["Id"])
        return None

    def _create(self, settings: ContainerSettings, sandbox: Sandbox) -> str:
        home = self._homes.find(settings.image, settings.user)
        mounts = (*settings.mounts, *self._pool.network_mounts(sandbox, settings.hosts))
        in_memory = home.in_memory(mount.target for mount in mounts)
        host_config = self._api.create_host_config(
            network_mode=f"container:{sandbox.relay_id}",
            mounts=[
                docker.types.Mount(
                    str(mount.target),
                    str(self._host_path(mount.source)),
                    "bind",
                    read_only=mount.read_only,
                )
                for mount in mounts
            ],
            **confinement(
                settings.limits,
                () if settings.writable_root else in_memory,
                writable_root=settings.writable_root,
                gpu=settings.gpu,
            ),
        )
        container: dict[str, str] = self._api.create_container(
            settings.image,
            name=self._identity.container_name(settings.result_id),
            environment={"HOME": str(home.path), **settings.environment},
            labels=dict(settings.labels),
            user=settings.user,
            host_config=host_config,
        )
        return container["Id"]

    def _remove_container(self, container_id: str) -> None:
        try:
            with talking_to_engine():
                self._api.remove_container(container_id, force=True, v=True)
        except NotFound:
            log.debug("Container %s was removed already", container_id[:12])
        except APIError as error:
            if error.status_code != HTTPStatus.CONFLICT:
                raise RunnerError(f"A container could not be removed: {words(error)}") from error
            # Somebody else is removing it in this moment; it is gone when the engine says so.
            self._wait_for_removal(container_id)

    def _wait_for_removal(self, container_id: str) -> None:
        try:
            with talking_to_engine():
                self._api.wait(container_id, condition="removed")
        except NotFound:
            log.debug("Container %s was removed meanwhile", container_id[:12])

    def _is_running(self, container_id: str) -> bool:
        try:
            with talking_to_engine():
                return bool(self._api.inspect_container(container_id)["State"]["Running"])
        except NotFound:
            return False

    def _host_path(self, path: Path) -> Path:
        return host_path(path, self._own_mounts) if self._in_container else path


def _result_id(container: Mapping[str, Any]) -> int:
    return int(container["Labels"][RESULT_LABEL])


def _trace(container: Mapping[str, Any]) -> Trace:
    return _TRACES.get(container["State"], Trace.RUNNING)


def _why_not_started(said: str) -> str:
    """Why a container could not be started, from the words of the engine."""
    if _NO_GPU in said:
        return (
            "The container could not be started: this node is to give it GPUs, but its engine "
            "has no runtime for them"
        )
    return f"The container could not be started: {said}"


def _plain_time(text: str) -> str:
    """A time of the engine as the classic line writes it: UTC, microseconds, no offset."""
    moment = datetime.fromisoformat(text).astimezone(UTC).replace(tzinfo=None)
    return moment.isoformat(timespec="microseconds")
