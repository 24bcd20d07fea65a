"""Two replicas of the server behind nginx, on one database, and the links between them."""

import json
import secrets
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any

import yaml

from development import nginx, programs
from development.certificates import Certificate, make_certificate
from development.federation import API_PATH, LOOPBACK, run_command
from development.ports import free_port
from development.rabbitmq import RabbitMQ
from development.soak.database import Database
from development.soak.links import Link, Network
from development.soak.process import Part
from vantage6.tools.local_federation.service import path_of

REPLICAS = 2
_ENVIRONMENT = "prod"
_SECONDS = 2


class Servers:
    """What answers nodes and clients, and what stands behind it.

    Parameters
    ----------
    folder : Path
    network : Network
    database : Database
    broker : RabbitMQ
    payloads : Path
        Where both replicas keep large payloads.

    Attributes
    ----------
    replicas : list of Part
    database : Database
    broker : RabbitMQ
    port : int
        Of nginx, which speaks TLS.
    proxy : programs.Server
        nginx, once it runs.
    certificate : Certificate
        Its own.
    """

    def __init__(
        self, folder: Path, network: Network, database: Database, broker: RabbitMQ, payloads: Path
    ) -> None:
        self.folder, self._network, self._payloads = folder, network, payloads
        self.database, self.broker = database, broker
        self._secret = secrets.token_urlsafe(48)
        self.replicas: list[Part] = []
        self.proxy: programs.Server
        self._ports = [free_port() for _ in range(REPLICAS)]
        self.port = free_port()
        self.certificate: Certificate = make_certificate(folder / "tls", LOOPBACK)

    def prepare(self, entities: dict[str, Any]) -> None:
        """Write the configurations and fill the database."""
        for number, port in enumerate(self._ports, start=1):
            name = f"replica-{number}"
            link = self._network.link(f"{name}-database", lambda: self.database.server.port)
            to_broker = self._network.link(f"{name}-broker", lambda: self.broker.port)
            config = self._write_config(name, port, link, to_broker)
            command = [path_of("vserver-local"), "start", "--config", str(config)]
            command += ["--environment", _ENVIRONMENT]
            self.replicas.append(Part(name, lambda command=command: command, self.folder))  # type: ignore[misc]
        file = self.folder / "entities.yaml"
        file.write_text(yaml.safe_dump(entities, sort_keys=False))
        config = self.folder / "replica-1.yaml"
        run_command(
            "vserver-local", "import", "--config", str(config), "--environment", _ENVIRONMENT,
            str(file),
        )  # fmt: skip

    def is_ready(self, replica: Part) -> bool:
        """Whether a replica answers, by its own port."""
        port = self._ports[self.replicas.index(replica)]
        url = f"http://{LOOPBACK}:{port}{API_PATH}/health"
        try:
            with urllib.request.urlopen(url, timeout=_SECONDS) as answer:
                return bool(answer.status == HTTPStatus.OK and json.load(answer))
        except (OSError, ValueError):
            return False

    def nginx_config(self) -> str:
        """The documented one, with both replicas."""
        return nginx.documented(self.port, free_port(), *self._ports, files=self.certificate)

    def _write_config(self, name: str, port: int, link: Link, to_broker: Link) -> Path:
        home = self.folder / name
        content = {
            "description": "one of several",
            "type": "prod",
            "ip": LOOPBACK,
            "port": port,
            "api_path": API_PATH,
            "uri": self.database.uri(link.port),
            "allow_drop_all": False,
            "rabbitmq_uri": self.broker.uri.replace(f":{self.broker.port}/", f":{to_broker.port}/"),
            "jwt_secret_key": self._secret,
            "trusted_proxies": [LOOPBACK],
            "directories": {"data": str(self.folder / "data"), "log": str(home / "log")},
            "payloads": {"folder": str(self._payloads)},
            "logging": {"level": "INFO", "file": "log.txt", "use_console": True},
        }
        path = self.folder / f"{name}.yaml"
        path.write_text(yaml.safe_dump({"environments": {_ENVIRONMENT: content}}))
        path.chmod(0o600)
        return path


@contextmanager
def running(
    folder: Path,
    network: Network,
    database: Database,
    broker: RabbitMQ,
    payloads: Path,
    entities: dict[str, Any],
) -> Iterator[Servers]:
    """Replicas behind nginx, until the end of the block."""
    servers = Servers(folder, network, database, broker, payloads)
    servers.prepare(entities)
    with ExitStack() as stack:
        for replica in servers.replicas:
            stack.callback(_stop, replica)
            service = replica.start()
            service.wait_until(lambda replica=replica: servers.is_ready(replica), "answer")  # type: ignore[misc]
        home = folder / "nginx"
        home.mkdir()
        config = servers.nginx_config()
        servers.proxy = stack.enter_context(nginx.running(config, home, servers.port))
        yield servers


def _stop(replica: Part) -> None:
    replica.ask_to_stop()
    replica.wait_for_end()
