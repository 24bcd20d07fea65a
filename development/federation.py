"""A federation of our own on this machine: one server, one node per hospital, a process each.

Everything goes through the commands and configuration files that operators use, so what runs
here is what they run. The demo, the end-to-end tests and the benchmark share it.
"""

import json
import os
import secrets
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import yaml
from docker.models.containers import Container

from development.console import SetupError, last_line
from development.engine import ensure_engine
from vantage6.client import Client
from vantage6.common.encryption import RSACryptor

COMMANDS = Path(sys.executable).parent
ENVIRONMENT = "dev"
LOOPBACK = "127.0.0.1"
API_PATH = "/api"
START_SECONDS = 60.0
STOP_SECONDS = 15.0

Step = Callable[[str], "Any"]


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
        self.services: dict[str, Service] = {}
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

    def prepare(self) -> None:
        """Write keys and configurations, and fill the server's database."""
        self.folder.mkdir(parents=True)
        self.folder.chmod(0o700)
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(self._make_key, self.hospitals))
        self._write_server_config()
        entities = self.folder / "server" / "entities.yaml"
        _write_yaml(entities, self._entities())
        run_command("vserver-local", "import", *self._server_options(), str(entities))
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

    def start_node(self, hospital: Hospital) -> "Service":
        """Start one node, without waiting for it."""
        path = self.write_node_config(hospital)
        return self._start(hospital.name, ["vnode-local", "start", "--config", str(path)])

    def start_twin(self, hospital: Hospital) -> "Service":
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
        client = self.client()
        started = [hospital for hospital in self.hospitals if hospital.name in self.services]
        for hospital in started:
            self.services[hospital.name].wait_until(
                lambda name=hospital.name: name in self._online(client),  # type: ignore[misc]
                "come online",
            )

    def client(self, hospital: Hospital | None = None) -> Client:
        """A client of the researcher, with the key of the organization set up."""
        client = Client(
            f"http://{LOOPBACK}", self.port, API_PATH, pins_file=self.folder / "pins.json"
        )
        client.authenticate(self.researcher, self.password)
        key = self.private_key(hospital or self.hospitals[0])
        client.setup_encryption(key if self.encrypted else None)
        return client

    def stop(self) -> None:
        """Stop the nodes, then the server, each by its own process id."""
        nodes = [service for name, service in self.services.items() if name != "server"]
        for group in (nodes, [s for n, s in self.services.items() if n == "server"]):
            for service in group:
                service.ask_to_stop()
            for service in group:
                service.wait_for_end()
        self.services.clear()
        self._record()

    def _start(self, name: str, command: list[str]) -> "Service":
        service = Service(name, command, self.folder / f"{name}.out")
        self.services[name] = service
        self._record()
        return service

    def _record(self) -> None:
        """Keep on disk which processes are ours, for whoever cleans up after a kill."""
        record = [service.record() for service in self.services.values()]
        partial = self.folder / "processes.part"
        partial.write_text(json.dumps(record))
        partial.replace(self.folder / PROCESSES)

    def _online(self, client: Client) -> set[str]:
        organizations = {
            row["id"]: row["name"] for row in client.organization.list(per_page=100)["data"]
        }
        nodes = client.node.list(per_page=100)["data"]
        return {organizations[n["organization"]["id"]] for n in nodes if n["status"] == "online"}

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


class Service:
    """One of our commands, running as a process of its own with its output in a file."""

    def __init__(self, name: str, command: Sequence[str], output: Path) -> None:
        self.name, self.output = name, output
        with output.open("ab") as file:
            self._before = file.tell()
            self.process = subprocess.Popen(
                [str(COMMANDS / command[0]), *command[1:]],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.created = psutil.Process(self.process.pid).create_time()

    def record(self) -> dict[str, Any]:
        """What identifies this process, also when its id has been given to another."""
        return {"name": self.name, "pid": self.process.pid, "created": self.created}

    def wait_until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait for a condition; SetupError when the process ends or takes too long."""
        end = time.monotonic() + START_SECONDS
        while not condition():
            if self.process.poll() is not None:
                raise SetupError(f"{self.name} ended instead of starting: {self.last_words()}")
            if time.monotonic() > end:
                raise SetupError(
                    f"{self.name} did not {what} within {START_SECONDS:.0f} s: {self.last_words()}"
                )
            time.sleep(0.05)

    def last_words(self) -> str:
        """The last line of its output."""
        return last_line(self.output.read_text(errors="replace"))

    def said(self) -> str:
        """What it has written so far; not what an earlier process wrote before it."""
        return self.output.read_bytes()[self._before :].decode(errors="replace")

    def ask_to_stop(self) -> None:
        """Send SIGTERM."""
        if self.process.poll() is None:
            self.process.terminate()

    def wait_for_end(self) -> int:
        """Wait until it has ended and return its exit status; kill it when that takes long."""
        try:
            return self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


PROCESSES = "processes.json"


@contextmanager
def running(federation: Federation) -> Iterator[Federation]:
    """A federation from its preparation to its end."""
    federation.prepare()
    try:
        federation.start_server()
        federation.start_nodes()
        yield federation
    finally:
        federation.stop()


def living_processes(folder: Path) -> list[psutil.Process]:
    """The processes of the federation in a folder that still run."""
    file = folder / PROCESSES
    records = json.loads(file.read_text()) if file.exists() else []
    return [process for record in records if (process := _same_process(record))]


def remove(folder: Path) -> None:
    """End what a federation in this folder left running, however it ended, and delete it."""
    processes = living_processes(folder)
    # Nodes come after the server in the list and need it to the end.
    for process in reversed(processes):
        _signal(process.terminate)
    _, stubborn = psutil.wait_procs(processes, timeout=STOP_SECONDS)
    for process in stubborn:
        _signal(process.kill)
    psutil.wait_procs(stubborn)
    for container in containers(folder):
        container.remove(force=True)
    shutil.rmtree(folder, ignore_errors=True)


def containers(folder: Path) -> list[Container]:
    """The containers of the nodes of the federation in a folder."""
    names = [path.stem for path in folder.glob("*/*.yaml") if path.parent.name != "server"]
    if not names:
        return []
    found = ensure_engine().containers.list(all=True, ignore_removed=True)
    return [container for container in found if container.labels.get("node") in names]


def run_command(*command: str) -> str:
    """Run one of our commands to its end and return its output; SetupError if it fails."""
    result = subprocess.run(
        [str(COMMANDS / command[0]), *command[1:]],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        raise SetupError(f"{' '.join(command[:2])}: {last_line(result.stdout + result.stderr)}")
    return result.stdout


def _signal(send: Callable[[], None]) -> None:
    try:
        send()
    except psutil.NoSuchProcess:
        return  # it ended in the meantime, which is what we want


def _same_process(record: dict[str, Any]) -> psutil.Process | None:
    try:
        process = psutil.Process(record["pid"])
        return process if abs(process.create_time() - record["created"]) < 1 else None
    except psutil.NoSuchProcess:
        return None


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
