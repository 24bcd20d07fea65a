"""Sandboxes: networks with nothing in them but the way to one proxy, prepared ahead.

A sandbox is a relay container without any network but its own loopback interface. An
algorithm's container joins that network, so port 80 of the relay, known as `proxyserver`, is
the only thing there is to reach: no bridge, no route, no resolver, no neighbour. The relay
passes bytes on to a Unix socket in a folder it shares with the node, one folder per sandbox,
where the proxy listens while a run is admitted. Joining a network that is already there also
starts a container faster than giving it one of its own.

See `docs/explanation/decisions/0001-sandbox-without-a-network.md`.
"""

import logging
import os
import secrets
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import docker
from docker.errors import APIError, ImageNotFound, NotFound

from vantage6.common.container.settings import Mount
from vantage6.node.globals import PROXY_HOST, RELAY_CONTROL
from vantage6.node.rules import Limits
from vantage6.node.runner.engine import talking_to_engine
from vantage6.node.runner.hardening import hardening
from vantage6.node.runner.interface import EngineUnreachable, ImageMissing
from vantage6.node.runner.settings import RELAY, SANDBOX_LABEL, Identity
from vantage6.node.unix_socket import listen

_MOUNT_POINT = "/run/vantage6"
_HOST_NAME = "algorithm"
_HOSTS = "/etc/hosts"
# All containers of one network share these files of the engine's, and may write to them. A run
# could leave something there for the next one in its sandbox, so each sees ours instead.
_NETWORK_FILES = {
    _HOSTS: f"127.0.0.1 localhost {PROXY_HOST}\n",
    "/etc/resolv.conf": "nameserver 127.0.0.1\n",
    "/etc/hostname": f"{_HOST_NAME}\n",
}
_RELAY_LIMITS = Limits(memory=64 * 2**20, cpus=1.0, pids=64)
_NOBODY = 65534
# For a relay to begin.
_RELAY_SECONDS = 60.0

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Sandbox:
    """One relay, and the folder in which the proxy listens for what comes through it."""

    name: str
    relay_id: str
    folder: Path


class SandboxPool:
    """Sandboxes that are ready, so that no run waits for one.

    A sandbox is used by one run at a time and again after the container of that run is
    removed: nothing can be left in a loopback interface.

    Parameters
    ----------
    api : docker.APIClient
    identity : Identity
    image : str
        Image of the relay.
    folder : Path
        Where the folders of the sandboxes are made; private to the node.
    host_path : callable
        Where the engine finds one of our paths.
    spare : int
        How many are kept ready besides those in use.
    """

    def __init__(
        self,
        api: docker.APIClient,
        identity: Identity,
        image: str,
        folder: Path,
        host_path: Callable[[Path], Path],
        spare: int,
    ) -> None:
        self._api, self._identity, self._image = api, identity, image
        self._folder, self._host_path, self._spare = folder, host_path, spare
        self._lock = threading.Lock()
        self._ready: list[Sandbox] = []
        self._dead: set[str] = set()
        # Of which something may be there that could not be removed: the engine was away.
        self._left: set[str] = set()
        self._closed = False
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        self._network_mounts = tuple(self._write_network_files())

    def network_mounts(self, sandbox: Sandbox, hosts: Mapping[str, str]) -> tuple[Mount, ...]:
        """What a container in a sandbox has to get besides its own files.

        Parameters
        ----------
        sandbox : Sandbox
        hosts : mapping
            Addresses of its loopback interface by the names that lead to them.
        """
        if not hosts:
            return self._network_mounts
        lines = "".join(f"{address} {name}\n" for name, address in hosts.items())
        own = _write_file(sandbox.folder, _HOSTS, _NETWORK_FILES[_HOSTS] + lines)
        return (own, *(mount for mount in self._network_mounts if mount.target != own.target))

    def call_relay(self, sandbox: Sandbox) -> None:
        """Make the relay ask the node what else to listen on.

        Raises
        ------
        EngineUnreachable
            Also when the relay has ended, as when the engine restarts.
        """
        try:
            with talking_to_engine():
                self._api.kill(sandbox.relay_id, "SIGHUP")
        except APIError as error:
            raise EngineUnreachable("The relay of the container has ended") from error

    def take(self) -> Sandbox:
        """A sandbox for one run: a ready one, else one made now."""
        with self._lock:
            if self._ready:
                return self._ready.pop()
        return self._make()

    def give_back(self, sandbox: Sandbox) -> None:
        """The container in it is removed; the next run may have it."""
        with self._lock:
            if not self._closed and sandbox.relay_id not in self._dead:
                self._ready.append(sandbox)
                return
            self._dead.discard(sandbox.relay_id)
        self._remove(sandbox)

    def refill(self) -> None:
        """Remove what could not be removed before, and make sandboxes until enough are ready."""
        self._remove_left()
        while self._wants_more():
            self.give_back(self._make())

    def forget(self, relay_id: str) -> None:
        """A relay has ended by itself, as when the engine restarts: use it no more."""
        with self._lock:
            gone = [sandbox for sandbox in self._ready if sandbox.relay_id == relay_id]
            self._ready = [sandbox for sandbox in self._ready if sandbox.relay_id != relay_id]
            if not gone:
                # a run is in it; it must not come back into the pool
                self._dead.add(relay_id)
        for sandbox in gone:
            log.warning("The relay of the sandbox %s has ended; it is replaced", sandbox.name)
            self._remove(sandbox)

    def adopt(self, relay: dict[str, Any]) -> Sandbox:
        """The sandbox of an earlier process of this node, in which a run still is."""
        name = relay["Labels"][SANDBOX_LABEL]
        return Sandbox(name, relay["Id"], self._folder / name)

    def sweep(self, relays: Iterable[dict[str, Any]], used: set[str]) -> None:
        """Remove relays, and folders of sandboxes, all but those of the named ones."""
        for sandbox in map(self.adopt, relays):
            if sandbox.name not in used:
                self._remove(sandbox)
        for folder in self._folder.iterdir():
            if folder.is_dir() and folder.name not in used:
                shutil.rmtree(folder, ignore_errors=True)

    def check_image(self) -> None:
        """Raise ImageMissing when no relay can be made."""
        try:
            with talking_to_engine():
                self._api.inspect_image(self._image)
        except ImageNotFound as error:
            raise ImageMissing(
                f"The image of the relay, {self._image}, is not on this machine: build it with "
                "`make images`, or name another one in the configuration under `images.relay`"
            ) from error

    def close(self) -> None:
        """Keep nothing ready any more; `sweep` removes what was."""
        with self._lock:
            self._closed = True
            self._ready = []

    def _wants_more(self) -> bool:
        with self._lock:
            return not self._closed and len(self._ready) < self._spare

    def _make(self) -> Sandbox:
        name = secrets.token_hex(4)
        folder = self._make_folder(name)
        try:
            with talking_to_engine(), _awaiting_relay(folder):
                sandbox = Sandbox(name, self._create_relay(name, folder), folder)
                self._api.start(sandbox.relay_id)
        except Exception:
            # Whether there is a relay, only the engine knows by now.
            with self._lock:
                self._left.add(name)
            raise
        return sandbox

    def _create_relay(self, name: str, folder: Path) -> str:
        uid, gid = _socket_owner()
        mount = docker.types.Mount(
            _MOUNT_POINT, str(self._host_path(folder)), "bind", read_only=True
        )
        relay: dict[str, str] = self._api.create_container(
            self._image,
            name=self._identity.relay_name(name),
            hostname=_HOST_NAME,
            user=f"{uid}:{gid}",
            labels={**self._identity.labels(RELAY), SANDBOX_LABEL: name},
            host_config=self._api.create_host_config(
                network_mode="none",
                read_only=True,
                sysctls={"net.ipv4.ip_unprivileged_port_start": "0"},
                mounts=[mount],
                **hardening(_RELAY_LIMITS),
            ),
        )
        return relay["Id"]

    def _write_network_files(self) -> Iterator[Mount]:
        for target, content in _NETWORK_FILES.items():
            yield _write_file(self._folder, target, content)

    def _make_folder(self, name: str) -> Path:
        folder = self._folder / name
        folder.mkdir(mode=0o700)
        if os.getuid() == 0:
            os.chown(folder, *_socket_owner())
        return folder

    def _remove(self, sandbox: Sandbox) -> None:
        try:
            self._remove_relay(sandbox.name, sandbox.relay_id)
        except EngineUnreachable as error:
            log.warning("The sandbox %s is removed later: %s", sandbox.name, error)
            with self._lock:
                self._left.add(sandbox.name)
            return
        shutil.rmtree(sandbox.folder, ignore_errors=True)

    def _remove_left(self) -> None:
        """Remove sandboxes whose removal, or whose making, the engine did not see through."""
        with self._lock:
            left = list(self._left)
        for name in left:
            self._remove_relay(name, self._identity.relay_name(name))
            shutil.rmtree(self._folder / name, ignore_errors=True)
            with self._lock:
                self._left.discard(name)

    def _remove_relay(self, name: str, relay: str) -> None:
        try:
            with talking_to_engine():
                self._api.remove_container(relay, force=True)
        except NotFound:
            log.debug("The relay of the sandbox %s was gone already", name)
        except APIError as error:
            log.warning("The relay of the sandbox %s stays: %s", name, error.explanation)


@contextmanager
def _awaiting_relay(folder: Path) -> Iterator[None]:
    """Have a relay started meanwhile, and wait until it listens: it looks here when it does.

    An algorithm that was faster than its relay would be refused by its own loopback.
    """
    with listen(folder, RELAY_CONTROL, 1) as control:
        control.settimeout(_RELAY_SECONDS)
        try:
            yield
            control.accept()[0].close()
        except TimeoutError as error:
            raise EngineUnreachable("The relay of a sandbox did not begin to listen") from error
        finally:
            # Where the node is stopping, its folder may be swept by now.
            (folder / RELAY_CONTROL).unlink(missing_ok=True)


def _write_file(folder: Path, target: str, content: str) -> Mount:
    path = folder / PurePosixPath(target).name
    # not into the old one, which nobody may write to, and which another container may have
    path.unlink(missing_ok=True)
    path.write_text(content, encoding="ascii")
    path.chmod(0o444)
    return Mount(path, PurePosixPath(target))


def _socket_owner() -> tuple[int, int]:
    """As whom the relay runs: ourselves, or nobody where we are root."""
    return (_NOBODY, _NOBODY) if os.getuid() == 0 else (os.getuid(), os.getgid())
