"""Several processes of one server behind nginx, with a database and a broker of their own.

All of them are real, on loopback, and can be ended and started again one by one.
"""

import secrets
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import requests
import yaml

from development import nginx, postgres, rabbitmq
from development.certificates import Certificate
from development.console import SetupError, main, wait_for_signal
from development.federation import Service, run_command
from development.ports import LOOPBACK, free_port
from development.postgres import Postgres
from development.rabbitmq import RabbitMQ

API_PATH = "/api"
PATIENCE = 60.0
_LOOK_SECONDS = 0.05
#: What was answered must be there after a kill: it may be left to the machine, not to the process.
_LASTING = {"synchronous_commit": "on"}


class Replica:
    """One process that serves; it keeps its port, and not its process.

    Attributes
    ----------
    url : str
        Where it answers, past nginx.
    log : Path
        What its processes have printed.
    """

    def __init__(self, name: str, folder: Path, config: dict[str, Any]) -> None:
        folder.mkdir()
        self.port, self.log = free_port(), folder / "output"
        self.url = f"http://{LOOPBACK}:{self.port}"
        self._name, self._config = name, folder / "replica.yaml"
        environments = {"environments": {"prod": {**config, "port": self.port}}}
        self._config.write_text(yaml.safe_dump(environments), encoding="utf-8")
        self._config.chmod(0o600)
        self._service: Service | None = None

    @property
    def config(self) -> Path:
        """Its configuration."""
        return self._config

    @property
    def pid(self) -> int:
        """The number of its main process; the one that answers is its child."""
        return self._running().process.pid

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self.begin_to_start()
        self.wait_until_it_answers()

    def begin_to_start(self) -> None:
        """Start it."""
        command = ["vserver-local", "start", "--config", str(self._config)]
        self._service = Service(self._name, command, self.log)

    def wait_until_it_answers(self) -> None:
        """Wait until it has started."""
        service = self._running()
        service.wait_until(lambda: "listening on" in service.said(), "answer")

    def stop(self) -> int:
        """End it in good order; its exit status."""
        self.ask_to_stop()
        return self._running().wait_for_end()

    def ask_to_stop(self) -> None:
        """Tell it to end, and do not wait."""
        self._running().ask_to_stop()

    def kill(self) -> None:
        """Kill it, which leaves no time for anything; its child goes with it."""
        self._running().process.kill()
        self._running().process.wait()

    def health(self) -> dict[str, Any]:
        """What it says of the parts that it needs."""
        answer = requests.get(f"{self.url}{API_PATH}/health", timeout=PATIENCE)
        health: dict[str, Any] = answer.json()
        return health

    @property
    def is_running(self) -> bool:
        """Whether there is a process of it."""
        return self._service is not None and self._service.process.poll() is None

    def close(self) -> None:
        """End it if it is running."""
        if self.is_running:
            self.kill()

    def _running(self) -> Service:
        if self._service is None:
            raise SetupError(f"{self._name} was not started")
        return self._service


class Replicas:
    """A server of several processes.

    Attributes
    ----------
    url : str
        Where nginx answers, without the path of the API.
    port : int
        The same as a port of loopback.
    database : Postgres
    broker : RabbitMQ
    """

    def __init__(self, port: int, members: list[Replica], database: Postgres, broker: RabbitMQ):
        self.port, self.url = port, f"http://{LOOPBACK}:{port}"
        self._members, self.database, self.broker = members, database, broker

    def __getitem__(self, number: int) -> Replica:
        return self._members[number]

    def __len__(self) -> int:
        return len(self._members)

    def __iter__(self) -> Iterator[Replica]:
        return iter(self._members)

    def mend(self) -> None:
        """Start whatever was ended."""
        for part in (self.database, self.broker, *self):
            if not part.is_running:
                part.start()

    def start(self, number: int) -> None:
        """Start a replica that was killed or stopped."""
        self[number].start()

    def stop(self, number: int) -> None:
        """Stop a replica in good order."""
        self[number].stop()

    def kill(self, number: int) -> None:
        """Kill a replica."""
        self[number].kill()

    def post(self, path: str, body: Any, **options: Any) -> requests.Response:
        """Send something through nginx, below the path of the API."""
        address = f"{self.url}{API_PATH}/{path}"
        return requests.post(address, json=body, timeout=PATIENCE, **options)

    def token(self, username: str = "root", password: str = "root") -> str:
        """Log a user in through nginx."""
        answer = self.post("token/user", {"username": username, "password": password})
        if answer.status_code != 200:
            raise SetupError(f"{username} cannot log in: {answer.text}")
        token: str = answer.json()["access_token"]
        return token


@contextmanager
def running(
    folder: Path,
    number: int = 2,
    *,
    import_file: Path | None = None,
    certificate: Certificate | None = None,
    **config: Any,
) -> Iterator[Replicas]:
    """Run a server of several processes as long as the block does.

    Parameters
    ----------
    folder : Path
        Gets a folder for each of them.
    number : int
        How many replicas.
    import_file : Path, optional
        What is in the database at first, besides `root` with the password `root`.
    certificate : Certificate, optional
        For the broker; without one it speaks no TLS.
    config : object
        Keys of the configuration, instead of those of here.
    """
    with ExitStack() as stack:
        database = stack.enter_context(postgres.serve(**_LASTING))
        broker = stack.enter_context(rabbitmq.serve(certificate))
        shared = {**_configuration(folder, database.create(), broker), **config}
        members = []
        for index in range(number):
            name = f"replica-{index}"
            logs = {"log": str(folder / name), "data": str(folder / "data")}
            members.append(Replica(name, folder / name, {**shared, "directories": logs}))
            stack.callback(members[-1].close)
        if import_file:
            run_command(
                "vserver-local", "import", "--config", str(members[0].config), str(import_file)
            )
        for member in members:
            member.begin_to_start()
        for member in members:
            member.wait_until_it_answers()
        port = free_port()
        front = nginx.documented_without_tls(port, free_port(), [one.port for one in members])
        proxy = folder / "nginx"
        proxy.mkdir()
        stack.enter_context(nginx.running(front, proxy, port))
        yield Replicas(port, members, database, broker)


def wait_until(condition: Callable[[], object], what: str, seconds: float = PATIENCE) -> float:
    """Wait until something is so; how many seconds that took.

    Raises
    ------
    SetupError
        When it takes too long.
    """
    begin = time.monotonic()
    while not condition():
        if time.monotonic() - begin > seconds:
            raise SetupError(f"It did not happen within {seconds:.0f} s that {what}")
        time.sleep(_LOOK_SECONDS)
    return time.monotonic() - begin


def _configuration(folder: Path, uri: str, broker: RabbitMQ) -> dict[str, Any]:
    return {
        "description": "several processes of one server",
        "type": "test",
        "ip": LOOPBACK,
        "api_path": API_PATH,
        "uri": uri,
        "allow_drop_all": False,
        "jwt_secret_key": secrets.token_urlsafe(48),
        "rabbitmq_uri": broker.uri,
        "rabbitmq_ca_file": str(broker.authority) if broker.authority else None,
        "trusted_proxies": [LOOPBACK],
        "logging": {"level": "INFO", "file": "replica.log", "use_console": True},
    }


def run_until_stopped() -> None:
    """Run a server of two processes for whoever needs one by hand, and print where it is."""
    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as members:
        print(members.url, flush=True)
        wait_for_signal()


if __name__ == "__main__":
    main(run_until_stopped)
