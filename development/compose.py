"""The server of `docker/compose.yaml`, brought up for a while beside others of its kind.

Also writes the configuration of nginx in there, which is the one of the documentation with the
names that things have between the containers: `python -m development.compose`.
"""

import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from development import images, nginx, programs
from development.console import SetupError, main
from development.install import ROOT
from development.ports import LOOPBACK, free_port
from vantage6.common.globals import DEFAULT_SERVER_IMAGE

COMPOSE = programs.Program("docker-compose", "docker-compose")
FILE = ROOT / "docker" / "compose.yaml"
FOLDER = FILE.parent / "compose"
NGINX = FOLDER / "nginx.conf"
#: What differs in there from the documentation.
_CHANGES = {
    "# Change the names, the two files of the certificate and the address of the server.\n": (
        "# Made of docs/howto/nginx.conf by `python -m development.compose`.\n"
        "pid /tmp/nginx.pid;\nerror_log stderr warn;\n"
    ),
    "    server_tokens off;\n": "    server_tokens off;\n    access_log off;\n"
    + "".join(f"    {name}_temp_path /tmp/{name};\n" for name in nginx.FOLDERS),
    # Who has stopped has no address any more, where nobody refuses: it is waited for.
    "proxy_connect_timeout 5s;": "proxy_connect_timeout 2s;",
    "listen 80;": "listen 8080;",
    "listen 443 ssl;": "listen 8443 ssl;",
    "server 127.0.0.1:5000 max_fails=0;": (
        "server server-1:5000 max_fails=0;\n        server server-2:5000 max_fails=0;"
    ),
    "/etc/ssl/certs/vantage6.pem": "/etc/vantage6/certificate.pem",
    "/etc/ssl/private/vantage6.key": "/etc/vantage6/key.pem",
}
SECONDS = 300


def nginx_configuration() -> str:
    """What nginx between the containers is told."""
    text = nginx.EXAMPLE.read_text(encoding="utf-8")
    for old, new in _CHANGES.items():
        if old not in text:
            raise SetupError(f"{nginx.EXAMPLE.name} does not say {old!r}")
        text = text.replace(old, new)
    return text.replace("server_name vantage6.example.org;", "server_name _;")


@dataclass(frozen=True)
class Composed:
    """Containers that were brought up together.

    Attributes
    ----------
    folder : Path
        Holds a copy of `compose.yaml` and what belongs to it.
    name : str
        What the names of the containers begin with.
    image : str
        That of the server.
    port, plain_port : int
        Where nginx listens on the loopback, with TLS and without.
    """

    folder: Path
    name: str
    image: str
    port: int
    plain_port: int

    @property
    def url(self) -> str:
        """The address of the API."""
        return f"https://localhost:{self.port}/api"

    @property
    def certificate(self) -> Path:
        """What clients have to trust."""
        return self.folder / "compose" / "private" / "certificate.pem"

    @property
    def variables(self) -> Mapping[str, str]:
        """The environment of `docker-compose`."""
        ports = {"HTTPS": self.port, "HTTP": self.plain_port}
        return {
            **os.environ,
            **{f"VANTAGE6_{key}": f"{LOOPBACK}:{port}" for key, port in ports.items()},
            "VANTAGE6_SERVER_IMAGE": self.image,
            "COMPOSE_PROJECT_NAME": self.name,
        }

    def run(self, *words: str | Path, data: str | None = None) -> str:
        """Run `docker-compose`; what it prints on its output.

        Raises
        ------
        SetupError
            When it fails, with the last it said.
        """
        command = [COMPOSE.install(), "-f", str(self.folder / FILE.name), *map(str, words)]
        return _output(command, self.variables, data)

    def script(self, text: str) -> str:
        """Run lines of a shell beside `compose.yaml`; what they print on their output."""
        COMPOSE.install()
        return _output(["sh", "-euc", text], self.variables, None, self.folder.parent)


@contextmanager
def running(folder: Path) -> Iterator[Composed]:
    """Bring up the containers of `docker/compose.yaml`, and remove all of them in the end.

    Parameters
    ----------
    folder : Path
        A folder `docker` is made in it.
    """
    for image in images.SERVICES.values():
        images.ensure(image)
    copy = folder / "docker"
    shutil.copytree(FOLDER, copy / "compose", ignore=shutil.ignore_patterns("private"))
    shutil.copy(FILE, copy)
    with images.of_this_checkout(DEFAULT_SERVER_IMAGE) as server:
        name = f"test-{secrets.token_hex(4)}"
        made = Composed(copy, name, server, free_port(), free_port())
        made.script("docker/compose/prepare localhost")
        try:
            made.run("up", "--detach")
            yield made
        finally:
            made.run("down", "--volumes", "--timeout", "20")


def _output(
    command: Sequence[str],
    variables: Mapping[str, str],
    data: str | None,
    folder: Path | None = None,
) -> str:
    done = subprocess.run(
        command,
        env=dict(variables),
        input=data or "",
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    if done.returncode:
        raise SetupError(f"{' '.join(command[-3:])}: {done.stderr.strip()[-2000:]}")
    return done.stdout


def write() -> None:
    """Write the configuration of nginx."""
    NGINX.write_text(nginx_configuration(), encoding="utf-8")


if __name__ == "__main__":
    main(write)
