"""A container engine beside the one of this machine, for tests that kill it.

All that it does stays in namespaces of its own: processes, mounts and network. They hang on one
process, and when that is killed, whatever the engine runs dies with it and its mounts are gone.
"""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import docker
import psutil

from development import debian
from development.console import SetupError, last_line, run
from development.engine import ensure_engine
from development.programs import wait_for_ends

SECONDS = 60
_POLL_SECONDS = 0.05
# Nothing but to be there, and to let go of those whose parents have ended.
_ANCHOR = """
import signal
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
print("ready", flush=True)
while True:
    signal.pause()
"""
_SEPARATE = ["unshare", "--net", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child"]


class SecondEngine:
    """The engine; see the module.

    Parameters
    ----------
    folder : Path
        Where it keeps everything.
    anchor : int
        Process in whose namespaces it works.
    """

    def __init__(self, folder: Path, anchor: int) -> None:
        self.folder, self._anchor = folder, anchor
        self._socket = folder / "docker.sock"
        self._data = folder / "data"
        self._entrance = ["nsenter", f"--target={anchor}", "--net", "--mount", "--pid"]
        self._entering: subprocess.Popen[bytes] | None = None

    def make_disk(self) -> None:
        """Have a disk in memory, which nobody has to clear in the end."""
        self._data.mkdir()
        mount = ["mount", "-t", "tmpfs", "tmpfs", str(self._data)]
        run([*self._entrance, *mount], "no disk for the second engine")

    @property
    def address(self) -> str:
        """What `DOCKER_HOST` has to be."""
        return f"unix://{self._socket}"

    def start(self, *options: str) -> None:
        """Start it, and wait until it answers.

        Parameters
        ----------
        *options : str
            For `dockerd`.
        """
        command = [*self._entrance, "dockerd", f"--data-root={self._data}", "--bridge=none"]
        command += [f"--exec-root={self.folder / 'exec'}", f"--host={self.address}"]
        command += [f"--pidfile={self.folder / 'pid'}", "--iptables=false", *options]
        with (self.folder / "log").open("ab") as log:
            self._entering = subprocess.Popen(
                command,
                env={**os.environ, "PATH": debian.SEARCH_PATH},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self._wait_until_it_answers()

    def client(self) -> docker.DockerClient:
        """A client of it; raises DockerException when it does not answer."""
        return docker.DockerClient(self.address, timeout=SECONDS)

    def kill(self) -> None:
        """End the engine as `kill -9` does; what it runs goes on."""
        assert self._entering is not None, "started first"
        for process in psutil.Process(self._entering.pid).children():
            process.kill()
        self._forget()

    def lose_power(self) -> None:
        """End the engine and all that it runs, as when the machine loses power."""
        assert self._entering is not None, "started first"
        processes = psutil.Process(self._anchor).children(recursive=True)
        for process in (*psutil.Process(self._entering.pid).children(), *processes):
            with suppress(psutil.NoSuchProcess):
                process.kill()
        wait_for_ends(processes, SECONDS)
        self._forget()

    def load(self, images: Sequence[str]) -> None:
        """Copy images from the engine of this machine."""
        with closing(ensure_engine()) as source, closing(self.client()) as target:
            for image in images:
                target.api.load_image(source.api.get_image(image))

    def wait_for_end(self) -> None:
        """Wait until the engine has ended, if it was ever started."""
        if self._entering is not None:
            self._entering.wait(SECONDS)

    def _forget(self) -> None:
        self.wait_for_end()
        # Its process id in there may be given to another.
        (self.folder / "pid").unlink(missing_ok=True)

    def _wait_until_it_answers(self) -> None:
        assert self._entering is not None
        end = time.monotonic() + SECONDS
        while time.monotonic() < end and self._entering.poll() is None:
            if self._listens():
                with closing(self.client()) as client:
                    client.ping()
                return
            time.sleep(_POLL_SECONDS)
        reason = last_line((self.folder / "log").read_text(errors="replace"))
        raise SetupError(f"the second engine did not start: {reason}")

    def _listens(self) -> bool:
        with closing(socket.socket(socket.AF_UNIX)) as connection:
            return connection.connect_ex(str(self._socket)) == 0


@contextmanager
def prepared() -> Iterator[SecondEngine]:
    """A second engine that can be started; in the end all of it is gone."""
    ensure_engine().close()
    # A short path: the names of sockets may not be long.
    folder = Path(tempfile.mkdtemp(prefix="v6-engine-"))
    holder = subprocess.Popen(
        [*_SEPARATE, sys.executable, "-I", "-c", _ANCHOR],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        assert holder.stdout is not None
        said = holder.stdout.readline().decode().strip()
        if said != "ready":
            raise SetupError(f"there are no namespaces for a second engine: {said}")
        (anchor,) = psutil.Process(holder.pid).children()
        engine = SecondEngine(folder, anchor.pid)
        try:
            engine.make_disk()
            yield engine
        finally:
            # The first process in the namespaces, and with it all others and their mounts.
            anchor.kill()
            engine.wait_for_end()
    finally:
        holder.kill()
        holder.communicate(timeout=SECONDS)
        shutil.rmtree(folder)
