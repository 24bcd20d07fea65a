"""What the benchmark of the server measures: two servers with the same data, the same client."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import bcrypt
import psutil
import yaml
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.engine import make_url

from development import classic
from development.console import SetupError

LOOPBACK = "127.0.0.1"
START_SECONDS = 60.0
#: Characters of an input and of a result.
PAYLOAD = 200
_NUMBERS = "WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < :n) "


@dataclass
class Server:
    """A server under test: ours or the peer.

    Attributes
    ----------
    url : str
        Where it listens.
    uri : str
        Its database, as SQLAlchemy wants it.
    pid : int
        Its main process.
    is_ours : bool
    """

    url: str
    uri: str
    pid: int
    is_ours: bool

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        self._http = HTTPConnection(parts.hostname or LOOPBACK, parts.port, timeout=600)
        self.token = ""

    def log_in(self) -> None:
        """Log in as the first user, who may do everything."""
        login = {"username": "root", "password": "root"}
        self.token = self.call("POST", "/token/user", login)["access_token"]

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """Make one request and return what the answer holds."""
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        data = None
        if body is not None:
            data, headers["Content-Type"] = json.dumps(body), "application/json"
        self._http.request(method, f"/api{path}", data, headers)
        answer = self._http.getresponse()
        content = answer.read()
        if not self.is_ours:
            # as its image starts it, it closes every connection, without saying so
            self.hang_up()
        if answer.status >= 300:
            raise SetupError(f"{method} {path} was answered {answer.status}: {content[:200]!r}")
        return json.loads(content)

    def milliseconds(self, method: str, path: str, body: dict[str, Any] | None = None) -> float:
        """How long one request takes, until its answer is read."""
        started = time.perf_counter()
        self.call(method, path, body)
        return (time.perf_counter() - started) * 1000

    def memory(self) -> float:
        """The resident memory of the process that answers, in MB."""
        main = psutil.Process(self.pid)
        family = [main, *main.children(recursive=True)]
        return max(process.memory_info().rss for process in family) / 1e6

    def hang_up(self) -> None:
        """Close the connection; the next request opens another."""
        self._http.close()

    @contextmanager
    def database(self) -> Iterator[Connection]:
        """A transaction on its database."""
        engine = create_engine(self.uri)
        with engine.begin() as connection:
            yield connection
        engine.dispose()


@dataclass(frozen=True)
class World:
    """A collaboration with the ids of its organizations and the nodes of these."""

    collaboration: int
    organizations: list[int]
    nodes: list[int]


@contextmanager
def ours(folder: Path, uri: str | None = None) -> Iterator[Server]:
    """Run our server as an operator does; in `folder` unless a database is named."""
    folder.mkdir(parents=True)
    uri = uri or f"sqlite:///{folder / 'server.sqlite'}"
    ready, config = folder / "url", _write_config(folder, uri)
    command = [Path(sys.executable).with_name("vserver-local"), "start", "--config", config]
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(
            [*map(str, command), "--ready-file", str(ready)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait_for(ready, process)
        yield Server(ready.read_text().strip(), uri, process.pid, is_ours=True)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


@contextmanager
def peer(folder: Path, uri: str | None = None) -> Iterator[Server]:
    """Run the classic server 3.5.2 as its image does; in `folder` unless a database is named."""
    uri = uri or f"sqlite:///{folder / 'server.sqlite'}"
    theirs = make_url(uri)
    if theirs.get_backend_name() == "postgresql":
        theirs = theirs.set(drivername="postgresql+psycopg2")
    with classic.server(folder, uri=theirs.render_as_string(hide_password=False)) as server:
        yield Server(server.url, uri, server.process.pid, is_ours=False)


def make_world(server: Server, organizations: int = 3) -> World:
    """Make a collaboration by the API, that of the first user among its organizations."""
    server.log_in()
    own = server.call("GET", "/user")[0]["organization"]["id"]
    made = [
        server.call("POST", "/organization", {"name": f"hospital {number}"})["id"]
        for number in range(1, organizations)
    ]
    members = [own, *made]
    collaboration = make_collaboration(server, "study", members)
    nodes = [make_node(server, collaboration, member)["id"] for member in members]
    return World(collaboration, members, nodes)


def make_collaboration(server: Server, name: str, members: list[int]) -> int:
    """A collaboration without encryption."""
    body = {"name": name, "organization_ids": members, "encrypted": 0}
    made: int = server.call("POST", "/collaboration", body)["id"]
    return made


def make_node(server: Server, collaboration: int, organization: int) -> dict[str, Any]:
    """A node; this answer holds its API key."""
    body = {"collaboration_id": collaboration, "organization_id": organization}
    made: dict[str, Any] = server.call("POST", "/node", body)
    return made


def fill(server: Server, world: World, tasks: int) -> None:
    """Add tasks that have ended, each with a result of every organization, and tidy up."""
    values = {"n": tasks, "c": world.collaboration, "o": world.organizations[0]}
    with server.database() as connection:

        def run(statement: str) -> Any:
            return connection.execute(text(statement), values)

        before = run("SELECT coalesce(max(run_id), 0) FROM task").scalar_one()
        values["before"] = before
        if server.is_ours:
            run(f"{_NUMBERS} INSERT INTO run (id) SELECT :before + n FROM number")
        run(
            f"{_NUMBERS} INSERT INTO task (name, description, image, database, collaboration_id,"
            " run_id, initiator_id) SELECT 'task ' || n, 'made to measure',"
            " 'registry.example/mean:1', 'default', :c, :before + n, :o FROM number"
        )
        status, ended = (", status", ", 'completed'") if server.is_ours else ("", "")
        run(
            "INSERT INTO result (input, result, log, task_id, organization_id, assigned_at,"
            f" started_at, finished_at{status})"
            f" SELECT '{'x' * PAYLOAD}', '{'y' * PAYLOAD}', 'done', task.id, organization_id,"
            f" CURRENT_TIMESTAMP, CURRENT_TIMESTAMP, CURRENT_TIMESTAMP{ended}"
            ' FROM task, "Member" WHERE "Member".collaboration_id = :c AND run_id > :before'
            " ORDER BY task.id, organization_id"
        )
        if server.is_ours and connection.dialect.name == "postgresql":
            run("SELECT setval('run_id_seq', :before + :n)")
    tidy(server)


def tidy(server: Server) -> None:
    """Let the database look at its tables, as it does by itself after a while."""
    engine = create_engine(server.uri, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        is_postgresql = connection.dialect.name == "postgresql"
        connection.execute(text("VACUUM ANALYZE" if is_postgresql else "ANALYZE"))
        if is_postgresql:
            # What is measured next shall not wait for a disk that is busy with what was filled in.
            connection.execute(text("CHECKPOINT"))
    engine.dispose()
    # a server does not keep a connection for as long as all this may take
    server.hang_up()


def reopen(server: Server, world: World, runs: int) -> None:
    """Let some runs of the last organization be open again, spread over all of them."""
    status = ", status = 'pending'" if server.is_ours else ""
    with server.database() as connection:
        total = connection.execute(text("SELECT max(id) FROM task")).scalar_one()
        connection.execute(
            text(
                f"UPDATE result SET finished_at = NULL, result = NULL{status}"
                " WHERE organization_id = :o AND task_id % :step = 0"
            ),
            {"o": world.organizations[-1], "step": total // runs},
        )


def add_nodes(server: Server, world: World, nodes: int) -> str:
    """Add nodes, and one by the API after them all; the API key of that one."""
    key = bcrypt.hashpw(b"nobody's", bcrypt.gensalt(12)).decode()
    column, value = ("api_key_digest", "'x' || id") if server.is_ours else ("api_key", f"'{key}'")
    with server.database() as connection:
        connection.execute(
            text(f"{_NUMBERS} INSERT INTO authenticatable (type) SELECT 'node' FROM number"),
            {"n": nodes},
        )
        connection.execute(
            text(
                f"INSERT INTO node (id, name, organization_id, {column})"
                f" SELECT id, 'node ' || id, :o, {value} FROM authenticatable"
                " WHERE type = 'node' AND id NOT IN (SELECT id FROM node)"
            ),
            {"o": world.organizations[0]},
        )
    collaboration = make_collaboration(server, "last", world.organizations)
    made: str = make_node(server, collaboration, world.organizations[0])["api_key"]
    return made


def _write_config(folder: Path, uri: str) -> Path:
    content = {
        "description": "a server under test",
        "type": "test",
        "ip": LOOPBACK,
        "port": 0,
        "api_path": "/api",
        "uri": uri,
        "allow_drop_all": False,
        "logging": {**classic.LOGGING, "file": "server.log"},
        "directories": {"data": str(folder), "log": str(folder)},
    }
    path = folder / "server.yaml"
    path.write_text(yaml.safe_dump({"environments": {"prod": content}}), encoding="utf-8")
    return path


def _wait_for(ready: Path, process: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + START_SECONDS
    while not ready.exists():
        if process.poll() is not None or time.monotonic() > end:
            raise SetupError(f"our server did not start; see {ready.with_name('output')}")
        time.sleep(0.05)
