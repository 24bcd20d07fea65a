"""The parts of a federation on one machine, and the order in which they start and stop."""

import os
import secrets
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import yaml

from vantage6.common.client.base import ClientBase, WhoAmI
from vantage6.common.encryption import RSACryptor
from vantage6.tools.local_federation.remains import keep_record
from vantage6.tools.local_federation.service import Service, run_command

ENVIRONMENT = "dev"
LOOPBACK = "127.0.0.1"
API_PATH = "/api"
_PAGE = 100


@dataclass(frozen=True)
class Hospital:
    """A data owner: its name, its data, and what it allows.

    Attributes
    ----------
    name : str
        Name of the organization; also of its node's configuration.
    database : Path
        Its CSV file.
    node_config : dict
        Keys of the node configuration that differ from the usual.
    """

    name: str
    database: Path
    node_config: dict[str, Any] = field(default_factory=dict)


class Federation:
    """Organizations with keys, one collaboration, a server and a node for each hospital.

    Parameters
    ----------
    folder : Path
        Where all its files go; made anew.
    hospitals : sequence of Hospital
        The first one is also where the researcher works.
    images : sequence of str
        Regular expressions of the images that the nodes allow.
    encrypted : bool
        Whether the collaboration is.
    """

    service_type: ClassVar[type[Service]] = Service

    def __init__(
        self,
        folder: Path,
        hospitals: Sequence[Hospital],
        images: Sequence[str],
        *,
        encrypted: bool = True,
    ) -> None:
        self.folder = folder
        self.hospitals = list(hospitals)
        self.images = list(images)
        self.encrypted = encrypted
        self.researcher = "researcher"
        self.password = _password()
        self.port = 0
        self.services: dict[str, Any] = {}
        self._suffix = secrets.token_hex(3)
        self._api_keys = {hospital.name: str(uuid.uuid4()) for hospital in hospitals}

    @property
    def server_config(self) -> Path:
        """The server's configuration file."""
        return self.folder / "server" / "server.yaml"

    @property
    def url(self) -> str:
        """Where the server listens."""
        return f"http://{LOOPBACK}:{self.port}"

    def home(self, hospital: Hospital) -> Path:
        """The folder of a hospital."""
        return self.folder / hospital.name

    def private_key(self, hospital: Hospital) -> Path:
        """The private key of a hospital's organization."""
        return self.home(hospital) / "private_key.pem"

    def node_name(self, hospital: Hospital) -> str:
        """The name of a hospital's node; no other federation on this machine has it."""
        return f"{hospital.name}-{self._suffix}"

    def run(self, *command: str) -> str:
        """Run one of our commands to its end and return its output."""
        return run_command(*command)

    def prepare(self) -> None:
        """Write keys and configurations, and fill the server's database."""
        self.folder.mkdir(parents=True)
        self.folder.chmod(0o700)
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(self._make_key, self.hospitals))
        self._write_server_config()
        entities = self.folder / "server" / "entities.yaml"
        _write_yaml(entities, self._entities())
        self.run("vserver-local", "import", *self._server_options(), str(entities))
        entities.unlink()

    def start_server(self) -> None:
        """Start the server and wait until it listens."""
        ready = self.folder / "server" / "url"
        ready.unlink(missing_ok=True)
        command = ["vserver-local", "start", *self._server_options(), "--ip", LOOPBACK]
        command += ["--port", str(self.port), "--ready-file", str(ready)]
        server = self._start("server", command)
        server.wait_until(lambda: ready.is_file() and bool(ready.read_text()), "listen")
        self.port = int(ready.read_text().strip().rpartition(":")[2])

    def start_nodes(self) -> None:
        """Start the nodes and wait until the server sees them all."""
        for hospital in self.hospitals:
            self.start_node(hospital)
        self.wait_for_nodes()

    def start_node(self, hospital: Hospital) -> Any:
        """Start one node, without waiting for it."""
        path = self.write_node_config(hospital)
        return self._start(hospital.name, ["vnode-local", "start", "--config", str(path)])

    def start_twin(self, hospital: Hospital) -> Any:
        """Start another node with the API key of a hospital's, in a data folder of its own."""
        path = self.write_node_config(hospital)
        content = yaml.safe_load(path.read_text())
        twin = self.home(hospital) / "twin"
        content["application"] |= {"task_dir": str(twin / "data"), **_files(twin)}
        path = path.with_stem(f"{path.stem}-twin")
        _write_yaml(path, content)
        name = f"{hospital.name}-twin"
        return self._start(name, ["vnode-local", "start", "--config", str(path)])

    def write_node_config(self, hospital: Hospital) -> Path:
        """Write the configuration file of a node and return its path."""
        home = self.home(hospital)
        config = {
            "api_key": self._api_keys[hospital.name],
            "server_url": f"http://{LOOPBACK}",
            "port": self.port,
            "api_path": API_PATH,
            "task_dir": str(home / "data"),
            "databases": {"default": str(hospital.database)},
            "allowed_images": self.images,
            "encryption": {
                "enabled": self.encrypted,
                "private_key": str(self.private_key(hospital)) if self.encrypted else "",
            },
            **_files(home),
            **hospital.node_config,
        }
        path = home / f"{self.node_name(hospital)}.yaml"
        _write_yaml(path, {"application": config})
        return path

    def wait_for_nodes(self) -> None:
        """Wait until the server sees every node that was started."""
        client = self.connection()
        started = [hospital for hospital in self.hospitals if hospital.name in self.services]
        for hospital in started:
            self.services[hospital.name].wait_until(
                lambda name=hospital.name: name in self._online(client),
                "come online",
            )

    def connection(self) -> ClientBase:
        """A client of the researcher without sub-clients, with the organization's key set up."""
        client = ClientBase(
            f"http://{LOOPBACK}", self.port, API_PATH, pins_file=self.folder / "pins.json"
        )
        client.authenticate({"username": self.researcher, "password": self.password})
        name = self.hospitals[0].name
        organization = self.organization_ids(client)[name]
        client.whoami = WhoAmI("user", 0, self.researcher, name, organization)
        key = self.private_key(self.hospitals[0])
        client.setup_encryption(key if self.encrypted else None)
        return client

    @staticmethod
    def organization_ids(client: ClientBase) -> dict[str, int]:
        """The ids of the organizations, by their names."""
        rows = client.send("get", "organization", params={"page": 1, "per_page": _PAGE})
        return {row["name"]: row["id"] for row in rows}

    def stop(self) -> None:
        """Stop the nodes, then the server, each by its own process id."""
        nodes = [service for name, service in self.services.items() if name != "server"]
        for group in (nodes, [s for n, s in self.services.items() if n == "server"]):
            for service in group:
                service.ask_to_stop()
            for service in group:
                service.wait_for_end()
        if self.services:
            self.services.clear()
            self._record()

    def _start(self, name: str, command: list[str]) -> Any:
        service = self.service_type(name, command, self.folder / f"{name}.out")
        self.services[name] = service
        self._record()
        return service

    def _record(self) -> None:
        keep_record(self.folder, [service.record() for service in self.services.values()])

    def _online(self, client: ClientBase) -> set[str]:
        names = {id_: name for name, id_ in self.organization_ids(client).items()}
        nodes = client.send("get", "node", params={"page": 1, "per_page": _PAGE})
        return {names[n["organization"]["id"]] for n in nodes if n["status"] == "online"}

    def _make_key(self, hospital: Hospital) -> None:
        self.home(hospital).mkdir(exist_ok=True)
        if self.encrypted:
            RSACryptor.create_new_rsa_key(self.private_key(hospital))

    def _server_options(self) -> list[str]:
        return ["--config", str(self.server_config), "--environment", ENVIRONMENT]

    def _write_server_config(self) -> None:
        home = self.server_config.parent
        home.mkdir()
        config = {
            "description": "a federation on one machine",
            "type": "prod",
            "ip": LOOPBACK,
            "port": 0,
            "api_path": API_PATH,
            "uri": f"sqlite:///{home / 'server.sqlite'}",
            "allow_drop_all": False,
            **_files(home),
        }
        _write_yaml(self.server_config, {"environments": {ENVIRONMENT: config}})

    def _entities(self) -> dict[str, Any]:
        """What `vserver-local import` reads."""
        return {
            "organizations": [self._organization(hospital) for hospital in self.hospitals],
            "collaborations": [
                {
                    "name": "hospitals",
                    "encrypted": self.encrypted,
                    "participants": [
                        {"name": name, "api_key": key} for name, key in self._api_keys.items()
                    ],
                }
            ],
        }

    def _organization(self, hospital: Hospital) -> dict[str, Any]:
        key = RSACryptor(self.private_key(hospital)).public_key_str if self.encrypted else ""
        empty = dict.fromkeys(("domain", "address1", "address2", "zipcode", "country"), "")
        organization: dict[str, Any] = {"name": hospital.name, "public_key": key, **empty}
        if hospital is self.hospitals[0]:
            user = {"username": self.researcher, "password": self.password}
            organization["users"] = [{**user, "firstname": "Ada", "lastname": "Researcher"}]
        return organization


Kind = TypeVar("Kind", bound=Federation)


@contextmanager
def running(federation: Kind) -> Iterator[Kind]:
    """A federation from its preparation to its end."""
    try:
        federation.prepare()
        federation.start_server()
        federation.start_nodes()
        yield federation
    finally:
        federation.stop()


def _files(home: Path) -> dict[str, Any]:
    return {
        "directories": {"data": str(home / "data"), "log": str(home / "log")},
        "logging": {"level": "INFO", "file": "log.txt", "use_console": True},
    }


def _write_yaml(path: Path, content: Any) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        yaml.safe_dump(content, file, sort_keys=False)


def _password() -> str:
    return f"{secrets.token_urlsafe(12)}aA1!"
