"""The released classic node as a process of this machine, with its containers in our engine."""

import os
import signal
import subprocess
from pathlib import Path
from typing import Any

from docker.errors import NotFound

from development import classic, foundations
from development.engine import connect
from development.federation import Hospital
from development.ports import free_port

STOP_SECONDS = 15
EVERYWHERE = ""
#: Where containers reach the host, and so the proxy of a node that is no container itself.
DOCKER_ADDRESS = "172.17.0.1"
IN_CONTAINER = Path("/.dockerenv")
#: Starts a command where that file is not to be seen: the node takes it for being a container
#: itself, and would hand its files on in a volume that nobody made.
OUTSIDE = """
root=$1; shift
for each in /*; do
  if [ -L "$each" ]; then cp -P "$each" "$root"
  elif [ -d "$each" ]; then mkdir "$root$each" && mount --rbind "$each" "$root$each"
  fi
done
exec chroot "$root" "$@"
"""


def hospital(name: str, database: Path, **config: Any) -> Hospital:
    """A hospital with the keys that the classic node needs besides ours."""
    needed = {
        # any image with `sleep`
        "alpine": foundations.PYTHON.tag,
        "logging": {**classic.LOGGING, "level": "DEBUG", "file": "node.log"},
    }
    return Hospital(name, database, {**needed, **config})


class ClassicNode:
    """A classic node that runs; use it in a `with` statement.

    Parameters
    ----------
    python : Path
        The Python that has the classic node.
    config : Path
        Its configuration; the name of the file is that of the node.
    """

    def __init__(self, python: Path, config: Path) -> None:
        self._name = config.stem
        self._folder = config.parent
        self._command = [python.with_name("vnode-local"), "start", "-c", config]
        # the single dash is how the classic command has it
        self._command += ["-n", self._name, "-e", "application", "--user", "-non-dockerized"]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "ClassicNode":
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(
                [*self._outside(), *map(str, self._command)],
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.stop()
        finally:
            self._clean_up()

    def check(self) -> None:
        """Fail when it has ended."""
        assert self._process
        assert self._process.poll() is None, self.said()

    def said(self) -> str:
        """What it said so far."""
        return self._output.read_text(errors="replace")

    @property
    def _output(self) -> Path:
        return self._folder / "classic-node.out"

    def _outside(self) -> list[str]:
        if not IN_CONTAINER.exists():
            return []
        root = self._folder / "root"
        root.mkdir()
        return ["unshare", "--mount", "sh", "-ec", OUTSIDE, "sh", str(root)]

    def _environment(self) -> dict[str, str]:
        # it listens on all addresses: containers come to it over the engine's network
        port = str(free_port(EVERYWHERE))
        return {
            **classic.variables(),
            "PROXY_SERVER_HOST": DOCKER_ADDRESS,
            "PROXY_SERVER_PORT": port,
        }

    def stop(self) -> None:
        """End it as an operator does."""
        assert self._process
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def _clean_up(self) -> None:
        """Remove what it leaves in the engine: its helpers, its network, a volume for each run."""
        engine = connect()
        prefix = f"vantage6-{self._name}-"
        for container in engine.containers.list(all=True, ignore_removed=True):
            if container.name.startswith(prefix):
                container.remove(force=True)
        left = [*engine.networks.list(names=prefix), *engine.volumes.list()]
        for each in left:
            if each.name.startswith(prefix):
                _remove(each)
        engine.close()


def _remove(thing: Any) -> None:
    try:
        thing.remove()
    except NotFound:
        return  # it did so itself in the meantime
