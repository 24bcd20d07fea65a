"""OpenStack Swift of our own, which speaks S3: for tests and measurements, on loopback, soon gone.

It is the one of Debian's packages: a proxy with the layer for S3, one server each for accounts,
containers and objects, and a memcached, without which it would not know anybody. They run as an
ordinary user, on ports that were free, in a folder that nobody else reads, with keys that nobody
else knows. As many as need be run side by side.
"""

import os
import pwd
import secrets
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from development import debian, folders, swift_settings
from development.console import SetupError, last_line, main, wait_for_signal
from development.ports import LOOPBACK, free_port
from development.programs import POLL_SECONDS, answers

PACKAGES = ("swift-proxy", "swift-account", "swift-container", "swift-object", "memcached")
PROXY, CACHE = "proxy", "cache"
#: In the order in which they are started.
SERVERS = ("account", "container", "object", PROXY)
#: The account of the system that the packages make.
ACCOUNT = "swift"
#: Swift is written for the Python of Debian, with libraries of Debian.
PYTHON = "/usr/bin/python3"
PROGRAMS = Path("/usr/bin")
MEMCACHED = PROGRAMS / "memcached"
START_SECONDS = 60
#: A port that was free may be taken until a server listens on it.
ATTEMPTS = 5


class Swift:
    """A Swift that can be killed and started again, with all that it keeps.

    Attributes
    ----------
    endpoint : str
        Where it speaks S3.
    access_key, secret_key : str
        With which one may do everything there.
    region : str
        Signatures must name it.
    folder : Path
        With all that it keeps.
    """

    region = swift_settings.REGION

    def __init__(self, folder: Path, ports: dict[str, int]) -> None:
        self.folder, self._ports = folder, ports
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self.access_key = f"test:{secrets.token_hex(8)}"
        self.secret_key = secrets.token_urlsafe(24)

    @property
    def endpoint(self) -> str:
        """Where it speaks S3."""
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def port(self) -> int:
        """Of the proxy, which is what others speak to."""
        return self._ports[PROXY]

    @property
    def pids(self) -> list[int]:
        """The numbers of its processes."""
        return [process.pid for process in self._processes.values()]

    def prepare(self) -> None:
        """Write its configuration, and the rings that say where what is kept."""
        account, user = self.access_key.split(":")
        mine = ACCOUNT if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
        texts = swift_settings.texts(self.folder, self._ports, mine)
        texts["proxy-server.conf"] += swift_settings.key(account, user, self.secret_key)
        (self.folder / "disks" / swift_settings.DISK).mkdir(parents=True)
        for name, text in texts.items():
            file = self.folder / name
            file.touch(mode=0o600)
            file.write_text(text, encoding="utf-8")
        for path in (self.folder, *self.folder.rglob("*")):
            folders.give_away(path, ACCOUNT)
        made = subprocess.run(
            [*self._as_account(), PYTHON, "-c", swift_settings.RINGS, self.folder],
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode != 0:
            raise SetupError(f"Swift could not make its rings: {last_line(made.stderr)}")

    def start(self) -> None:
        """Start its servers, and wait until all answer."""
        for name in (CACHE, *SERVERS):
            with self._log(name).open("ab") as log:
                self._processes[name] = subprocess.Popen(
                    [*self._as_account(), *self._command(name)],
                    cwd=self.folder,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    # Ctrl-C is for us, who stop it when nobody needs it any more
                    start_new_session=True,
                )
        end = time.monotonic() + START_SECONDS
        for name, process in self._processes.items():
            while not answers(self._ports[name]):
                if process.poll() is not None or time.monotonic() > end:
                    reason = last_line(self._log(name).read_text(errors="replace"))
                    raise SetupError(f"the {name} of Swift does not start: {reason}")
                time.sleep(POLL_SECONDS)

    def kill(self) -> None:
        """End all of it as `kill -9` does; what it keeps is there when it starts again."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End all of it."""
        self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> None:
        for process in self._processes.values():
            process.send_signal(how)
        for process in self._processes.values():
            process.wait()
        self._processes.clear()

    def _command(self, name: str) -> list[str | Path]:
        if name == CACHE:
            port = str(self._ports[name])
            return [MEMCACHED, "-l", LOOPBACK, "-p", port, "-U", "0", "-m", "16"]
        return [PROGRAMS / f"swift-{name}-server", self.folder / f"{name}-server.conf", "-v"]

    def _log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def _as_account(self) -> list[str]:
        return folders.as_account(ACCOUNT, "KILL")


def obstacle() -> str:
    """Say why there can be none here, or nothing when there can."""
    if not _is_installed() and not debian.is_ours():
        return "OpenStack Swift is not installed, and only root on Debian can have that done"
    return ""


def install() -> None:
    """Install Swift where it is missing and we may."""
    if not _is_installed() and debian.is_ours():
        debian.install(*PACKAGES)
    if not _is_installed():
        raise SetupError(obstacle() or "Debian's Swift is not where it should be")


@contextmanager
def serve() -> Iterator[Swift]:
    """Run Swift as long as the block does; the folder with all it keeps goes with it."""
    install()
    with folders.private("swift", ACCOUNT, _parent()) as folder:
        swift = _started(folder)
        try:
            yield swift
        finally:
            swift.stop()


def _started(folder: Path) -> Swift:
    for attempt in range(ATTEMPTS):
        own = folder / str(attempt)
        own.mkdir()
        swift = Swift(own, {name: free_port() for name in (CACHE, *SERVERS)})
        try:
            swift.prepare()
            swift.start()
        except SetupError as error:
            swift.stop()
            if "address already in use" not in str(error).lower():
                raise
        except BaseException:
            swift.stop()
            raise
        else:
            return swift
    raise SetupError(f"Swift found no free ports in {ATTEMPTS} attempts")


def _parent() -> Path:
    """Return a folder whose files can have attributes, in which Swift keeps what it knows."""
    candidates = [Path(tempfile.gettempdir()), Path("/var/tmp"), Path("/dev/shm")]
    for candidate in candidates:
        with tempfile.NamedTemporaryFile(dir=candidate) as probe:
            try:
                os.setxattr(probe.fileno(), "user.swift.metadata", b"probe")
            except OSError:
                continue
            return candidate
    names = ", ".join(map(str, candidates))
    raise SetupError(f"Swift needs files with extended attributes, which none of {names} has")


def _is_installed() -> bool:
    programs = [MEMCACHED, *(PROGRAMS / f"swift-{name}-server" for name in SERVERS)]
    return all(program.exists() for program in programs)


def run_until_stopped() -> None:
    """Run Swift for whoever needs it by hand, and print how to speak to it."""
    with serve() as swift:
        print(
            swift.endpoint,
            swift.access_key,
            swift.secret_key,
            swift.region,
            *swift.pids,
            flush=True,
        )
        wait_for_signal()


if __name__ == "__main__":
    main(run_until_stopped)
