"""A RabbitMQ of our own, for tests and measurements: private, on loopback, soon gone.

It is the one of Debian's packages, run as an ordinary user in a folder that nobody else reads,
on ports that were free, with a password that nobody else knows and a port mapper of its own. As
many as need be run side by side. One that the packages start by themselves is neither used nor
disturbed.
"""

import base64
import hashlib
import json
import os
import secrets
import signal
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from development import debian, folders
from development.console import SetupError, last_line, main, wait_for_signal
from development.ports import LOOPBACK, free_port

if TYPE_CHECKING:
    from development.certificates import Certificate

PACKAGE = "rabbitmq-server"
#: The account of the system that the package makes.
ACCOUNT = "rabbitmq"
USER = "vantage6"
VHOST = "vantage6"
#: A port that was free may be taken until somebody listens on it.
ATTEMPTS = 5
START_SECONDS = 120.0
POLL_SECONDS = 0.05

_PROGRAMS = Path("/usr/lib/rabbitmq/bin")


class RabbitMQ:
    """A running broker.

    Attributes
    ----------
    port : int
        Where it listens on loopback.
    uri : str
        How `rabbitmq_uri` names it.
    authority : Path, optional
        Whom to trust for it, if it speaks TLS.
    """

    def __init__(self, folder: Path, certificate: "Certificate | None" = None) -> None:
        self._folder = folder
        self.authority = certificate.authority if certificate else None
        if certificate:
            _write(folder, "certificate.pem", certificate.certificate.read_text("ascii"))
            _write(folder, "key.pem", certificate.key.read_text("ascii"))
        self._password = secrets.token_urlsafe(24)
        _write(folder, "definitions.json", _definitions(self._password))
        self._mapper, self._mapper_port = _start_mapper()
        try:
            self.port, self._distribution_port = free_port(), free_port()
            for _ in range(ATTEMPTS - 1):
                if self._try_to_start():
                    return
                self.port, self._distribution_port = free_port(), free_port()
            self.start()
        except BaseException:
            _end(self._mapper, signal.SIGTERM)
            raise

    @property
    def uri(self) -> str:
        """Where it is, and how to log in."""
        scheme = "amqps" if self.authority else "amqp"
        return f"{scheme}://{USER}:{self._password}@{LOOPBACK}:{self.port}/{VHOST}"

    @property
    def is_running(self) -> bool:
        """Whether there is a process of it."""
        return self._process.poll() is None

    @property
    def pid(self) -> int:
        """The number of its process."""
        return self._process.pid

    def start(self) -> None:
        """Start it again after `kill` or `stop`, on the same port and with what it has kept."""
        if not self._try_to_start():
            raise SetupError(f"RabbitMQ does not start: {last_line(self._said())}")

    def stop(self) -> None:
        """End it in good order: everybody is told, and queues that are to last are kept."""
        _end(self._process, signal.SIGTERM)

    def kill(self) -> None:
        """Kill it, which leaves no time for anything."""
        _end(self._process, signal.SIGKILL)

    def freeze(self) -> None:
        """Let it do nothing, and leave all connections to it as they are, until `thaw`."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._process.send_signal(signal.SIGCONT)

    def queues(self) -> dict[str, int]:
        """The messages that wait in each queue, by its name."""
        shown = ("--vhost", VHOST, "--formatter", "json", "name", "messages")
        told = self.control("list_queues", *shown)
        return {queue["name"]: queue["messages"] for queue in json.loads(told)}

    def cut(self) -> None:
        """End all connections of its clients, as a network that fails does."""
        self.control("close_all_connections", "--vhost", VHOST, "cut off by a test")

    def control(self, *arguments: str) -> str:
        """Have RabbitMQ's own command do something; what it prints."""
        done = subprocess.run(
            [*_as_account(), _PROGRAMS / "rabbitmqctl", "--quiet", *arguments],
            env=self._environment(),
            cwd=self._folder,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise SetupError(f"rabbitmqctl failed: {last_line(done.stderr or done.stdout)}")
        return done.stdout

    def close(self) -> None:
        """End it and its port mapper, whatever state it is in."""
        _end(self._process, signal.SIGKILL)
        _end(self._mapper, signal.SIGTERM)

    def _try_to_start(self) -> bool:
        _write(self._folder, "rabbitmq.conf", self._settings())
        with (self._folder / "output").open("wb") as output:
            self._process = subprocess.Popen(
                [*_as_account(), _PROGRAMS / "rabbitmq-server"],
                env=self._environment(),
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # Ctrl-C is for us, who stop it when nobody needs it any more
                start_new_session=True,
            )
        try:
            return self._comes_to_answer()
        except BaseException:
            _end(self._process, signal.SIGKILL)
            raise

    def _comes_to_answer(self) -> bool:
        # imported here: this file is also read where nothing is installed yet
        from kombu.connection import Connection

        end = time.monotonic() + START_SECONDS
        while self._process.poll() is None and time.monotonic() < end:
            try:
                with Connection(
                    self.uri, ssl=self._tls(), connect_timeout=POLL_SECONDS * 100
                ) as connection:
                    connection.connect()
                return True
            except OSError:
                time.sleep(POLL_SECONDS)
        return False

    def _tls(self) -> dict[str, object] | bool:
        """How its clients speak TLS with it; False without."""
        if self.authority is None:
            return False
        return {
            "cert_reqs": ssl.CERT_REQUIRED,
            "ca_certs": str(self.authority),
            "server_hostname": LOOPBACK,
        }

    def _listener(self) -> dict[str, str]:
        address = f"{LOOPBACK}:{self.port}"
        if self.authority is None:
            return {f"listeners.tcp.{USER}": address}
        return {
            "listeners.tcp": "none",
            f"listeners.ssl.{USER}": address,
            "ssl_options.certfile": str(self._folder / "certificate.pem"),
            "ssl_options.keyfile": str(self._folder / "key.pem"),
            "ssl_options.verify": "verify_none",
        }

    def _settings(self) -> str:
        lines = {
            **self._listener(),
            "load_definitions": str(self._folder / "definitions.json"),
            "log.console": "true",
            "log.console.level": "error",
            "log.file": "false",
            # on a disk that is nearly full it would make all publishers wait for ever
            "disk_free_limit.absolute": "1MB",
        }
        return "".join(f"{name} = {value}\n" for name, value in lines.items())

    def _environment(self) -> dict[str, str]:
        folder = self._folder
        return {
            "PATH": f"{_PROGRAMS}:{debian.SEARCH_PATH}",
            "LANG": "C.UTF-8",
            "HOME": str(folder),
            "RABBITMQ_NODENAME": f"vantage6-{self._mapper_port}@localhost",
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_CONF_ENV_FILE": str(folder / "none"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_DIST_PORT": str(self._distribution_port),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
                "-kernel inet_dist_use_interface {127,0,0,1} -start_epmd false"
                # without threads that wait by working
                " +S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none"
            ),
            "ERL_EPMD_ADDRESS": LOOPBACK,
            "ERL_EPMD_PORT": str(self._mapper_port),
            # so its script becomes the server, and the process that we know is the right one
            "RUNNING_UNDER_SYSTEMD": "true",
        }

    def _said(self) -> str:
        return (self._folder / "output").read_text(errors="replace")


def obstacle() -> str:
    """Say why there can be no broker here, or nothing when there can."""
    if not (_PROGRAMS / "rabbitmq-server").exists() and not debian.is_ours():
        return "RabbitMQ is not installed, and only root on Debian can have that done"
    return ""


def install() -> None:
    """Install RabbitMQ where it is missing and we may."""
    if obstacle():
        raise SetupError(obstacle())
    if not (_PROGRAMS / "rabbitmq-server").exists():
        debian.install(PACKAGE)


@contextmanager
def serve(certificate: "Certificate | None" = None) -> Iterator[RabbitMQ]:
    """Run a broker as long as the block does; all that it keeps goes with it.

    Parameters
    ----------
    certificate : Certificate, optional
        With it, the broker speaks nothing but TLS.
    """
    install()
    with folders.private("rabbitmq", ACCOUNT) as folder:
        broker = RabbitMQ(folder, certificate)
        try:
            yield broker
        finally:
            broker.close()


def _as_account() -> list[str]:
    return folders.as_account(ACCOUNT, "KILL")


def _start_mapper() -> tuple[subprocess.Popen[bytes], int]:
    """Start what tells Erlang's programs of each other's ports; its process and own port."""
    port = free_port()
    process = subprocess.Popen(
        [*_as_account(), "epmd", "-address", LOOPBACK, "-port", str(port)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    return process, port


def _end(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    if process.poll() is None:
        process.send_signal(number)
    process.wait()


def _write(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")
    folders.give_away(path, ACCOUNT)


def _definitions(password: str) -> str:
    """One virtual host, and one user who may do everything in it."""
    salt = os.urandom(4)
    digest = salt + hashlib.sha256(salt + password.encode()).digest()
    everything = {"configure": ".*", "write": ".*", "read": ".*"}
    return json.dumps(
        {
            "rabbit_version": "3.10.8",
            "users": [
                {
                    "name": USER,
                    "password_hash": base64.b64encode(digest).decode(),
                    "hashing_algorithm": "rabbit_password_hashing_sha256",
                    "tags": "",
                }
            ],
            "vhosts": [{"name": VHOST}],
            "permissions": [{"user": USER, "vhost": VHOST, **everything}],
        }
    )


def run_until_stopped() -> None:
    """Run a broker for whoever needs one by hand, and print where it is."""
    with serve() as broker:
        print(broker.uri, flush=True)
        wait_for_signal()


if __name__ == "__main__":
    main(run_until_stopped)
