"""A PostgreSQL server of our own, for tests and measurements: private, on loopback, soon gone.

It is the one of Debian's packages, run as an ordinary user in a folder that nobody else reads,
on a port that was free, with a password that nobody else knows. As many as need be run side by
side. A server that PostgreSQL's packages start by themselves is neither used nor disturbed.
"""

import re
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from development import debian, folders
from development.console import SetupError, last_line, main, wait_for_signal
from development.ports import LOOPBACK, free_port

PACKAGE = "postgresql"
#: The account of the system that the packages make; PostgreSQL refuses to run as root.
ACCOUNT = "postgres"
SUPERUSER = "postgres"
ADMINISTRATION = "postgres"
#: The first that can copy a template as files, which is twice as fast as by its log.
OLDEST_VERSION = 15
#: A port that was free may be taken until the server listens on it.
ATTEMPTS = 5
#: A connection that does not end although it was told to would be a failure.
ENDING_MILLISECONDS = 60_000
#: Between two looks whether a server that starts answers already.
POLL_SECONDS = 0.05

#: Said by one that can be started a moment later, or on another port.
_PASSING = ("could not create any TCP/IP sockets", "pre-existing shared memory block")
_AS_ACCOUNT = folders.as_account(ACCOUNT, "INT")

#: What a database can do without that is thrown away in the end, whatever happens to the machine.
FORGETFUL = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
_BASE = {
    "listen_addresses": LOOPBACK,
    # the folder of its socket would have to be short, and one way to reach it is enough
    "unix_socket_directories": "",
    "max_connections": "300",
    "timezone": "UTC",
    "log_min_messages": "fatal",
}


class Postgres:
    """A running server.

    Attributes
    ----------
    port : int
        Where it listens on loopback.
    pid : int
        Its main process.
    """

    def __init__(self, cluster: "_Cluster", password: str) -> None:
        self._cluster = cluster
        self._process, self.port = cluster.start()
        self._password = password
        self._numbers = count(1)
        self._administration: Any = None

    @property
    def is_running(self) -> bool:
        """Whether there is a process of it."""
        return self._process.poll() is None

    @property
    def pid(self) -> int:
        """The number of its main process."""
        return self._process.pid

    def uri(self, name: str) -> str:
        """Where a database is, as SQLAlchemy wants it."""
        return f"postgresql+psycopg://{SUPERUSER}:{self._password}@{LOOPBACK}:{self.port}/{name}"

    def create(self, template: str | None = None) -> str:
        """Make a database; its URI.

        Parameters
        ----------
        template : str, optional
            The URI of a database to copy, to which nobody may be connected meanwhile.
        """
        name = f"test_{next(self._numbers)}"
        source = name_of(template) if template else "template0"
        self._execute(f"CREATE DATABASE {name} TEMPLATE {source} STRATEGY file_copy")
        return self.uri(name)

    def drop(self, uri: str) -> None:
        """Remove a database if it is still there, and disconnect whoever uses it."""
        self._execute(f"DROP DATABASE IF EXISTS {name_of(uri)} WITH (FORCE)")

    def disconnect(self, uri: str) -> None:
        """End every connection to a database, as a restart of the server would."""
        self._execute(
            # with a patience it returns when they have ended, not when they were told to
            f"SELECT pg_terminate_backend(pid, {ENDING_MILLISECONDS}) FROM pg_stat_activity"
            f" WHERE datname = '{name_of(uri)}'"
        )

    def shut(self, uri: str) -> None:
        """Let nobody connect to a database, and end the connections there are."""
        self._execute(f"ALTER DATABASE {name_of(uri)} ALLOW_CONNECTIONS false")
        self.disconnect(uri)

    def reopen(self, uri: str) -> None:
        """Let everybody connect to a database again."""
        self._execute(f"ALTER DATABASE {name_of(uri)} ALLOW_CONNECTIONS true")

    def _execute(self, statement: str) -> None:
        """Have the superuser do something outside any transaction."""
        if self._administration is None:
            # imported here: this file is also read where nothing is installed yet
            import psycopg

            self._administration = psycopg.connect(
                host=LOOPBACK,
                port=self.port,
                user=SUPERUSER,
                password=self._password,
                dbname=ADMINISTRATION,
                autocommit=True,
            )
        self._administration.execute(statement)

    @property
    def runs(self) -> bool:
        """Whether it does; one without room for what it has to write ends."""
        return self._process.poll() is None

    def kill(self) -> None:
        """Kill it, which leaves no time for anything; without `FORGETFUL` nothing is lost."""
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """Disconnect everybody and end it: what PostgreSQL calls a fast shutdown."""
        self.close()
        _stop(self._process)

    def start(self) -> None:
        """Start it again after `kill` or `stop`, where it was and with what it has."""
        self.close()
        self._process, _ = self._cluster.start(self.port)

    def close(self) -> None:
        """Close the connection of the superuser."""
        if self._administration is not None:
            self._administration.close()
            self._administration = None


def name_of(uri: str) -> str:
    """Return the name of the database that a URI leads to."""
    return uri.rpartition("/")[2]


def obstacle() -> str:
    """Say why there can be no server here, or nothing when there can."""
    if _programs() is None and not debian.is_ours():
        return "PostgreSQL is not installed, and only root on Debian can have that done"
    return ""


def install() -> Path:
    """Install PostgreSQL where it is missing and we may; return the folder of its programs."""
    programs = _programs()
    if programs is None and debian.is_ours():
        debian.install(PACKAGE)
        programs = _programs()
    if programs is None:
        raise SetupError(obstacle() or "Debian's PostgreSQL is not where it should be")
    return programs


@contextmanager
def serve(disk: Path | None = None, /, **settings: str) -> Iterator[Postgres]:
    """Run a server as long as the block does; the folder with all its databases goes with it.

    Parameters
    ----------
    disk : Path, optional
        Where its folder is, if not with other temporary files; others may look into it.
    settings : str
        Settings of PostgreSQL. By default it does not wait for the disk: name ``fsync``,
        ``synchronous_commit`` and ``full_page_writes`` to have it as in production.
    """
    programs = install()
    with folders.private("postgresql", ACCOUNT, disk) as folder:
        password = secrets.token_urlsafe(24)
        _make_cluster(programs, folder, password)
        cluster = _Cluster(programs, folder, {**_BASE, **FORGETFUL, **settings})
        server = Postgres(cluster, password)
        try:
            yield server
        finally:
            server.stop()


def _programs() -> Path | None:
    """Return where the newest PostgreSQL of this machine has its programs."""
    found = {path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")}
    on_path = shutil.which("initdb")
    if on_path:
        found.add(Path(on_path).resolve().parent)
    by_version = {_version(folder): folder for folder in found}
    newest = max(by_version, default=0)
    return by_version[newest] if newest >= OLDEST_VERSION else None


def _version(programs: Path) -> int:
    told = subprocess.run(
        [programs / "postgres", "--version"], capture_output=True, text=True, check=False
    )
    number = re.search(r"\) (\d+)", told.stdout)
    return int(number[1]) if number else 0


def _make_cluster(programs: Path, folder: Path, password: str) -> None:
    secret = folder / "password"
    secret.touch(mode=0o600)
    secret.write_text(password)
    folders.give_away(secret, ACCOUNT)
    made = subprocess.run(
        [
            *_AS_ACCOUNT,
            programs / "initdb",
            f"--pgdata={folder / 'data'}",
            f"--username={SUPERUSER}",
            f"--pwfile={secret}",
            # a key derivation per connection would be the dearest part of most tests
            "--auth=password",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "--no-sync",
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    secret.unlink()
    if made.returncode != 0:
        raise SetupError(f"PostgreSQL could not make a database: {last_line(made.stderr)}")


@dataclass(frozen=True)
class _Cluster:
    """What a server is started from."""

    programs: Path
    folder: Path
    settings: dict[str, str]

    def start(self, port: int | None = None) -> tuple[subprocess.Popen[bytes], int]:
        """Start a server on a port, or on a free one; return its process when it answers."""
        for attempt in range(ATTEMPTS):
            # what a killed one left is in its way for a moment
            time.sleep(POLL_SECONDS * attempt)
            tried = port or free_port()
            process = self._launch(tried)
            try:
                if _answers(self.programs, process, tried):
                    return process, tried
            except BaseException:
                _stop(process)
                raise
            if not any(passing in self._said() for passing in _PASSING):
                break
        raise SetupError(f"PostgreSQL does not start: {last_line(self._said())}")

    def _launch(self, port: int) -> subprocess.Popen[bytes]:
        settings = {**self.settings, "port": port}
        options = [f"-c{name}={value}" for name, value in settings.items()]
        with (self.folder / "log").open("wb") as output:
            return subprocess.Popen(
                [*_AS_ACCOUNT, self.programs / "postgres", "-D", self.folder / "data", *options],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # Ctrl-C is for us, who stop it when nobody needs it any more
                start_new_session=True,
            )

    def _said(self) -> str:
        return (self.folder / "log").read_text(errors="replace")


def _answers(programs: Path, process: subprocess.Popen[bytes], port: int) -> bool:
    """Wait until a server answers; False when it ended instead."""
    ask: list[str | Path] = [
        programs / "pg_isready",
        "--quiet",
        f"--host={LOOPBACK}",
        f"--port={port}",
    ]
    while subprocess.run(ask, check=False).returncode != 0:
        try:
            process.wait(POLL_SECONDS)
        except subprocess.TimeoutExpired:
            continue
        return False
    return process.poll() is None


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Disconnect everybody and end the server: what PostgreSQL calls a fast shutdown."""
    process.send_signal(signal.SIGINT)
    process.wait()


def run_until_stopped() -> None:
    """Run a server for whoever needs one by hand, and print where its database is."""
    with serve() as server:
        print(server.create(), flush=True)
        wait_for_signal()


if __name__ == "__main__":
    main(run_until_stopped)
