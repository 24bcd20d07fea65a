"""nginx as a proxy of our own, for tests: the one of Debian's packages, on loopback."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from development import programs
from development.certificates import Certificate
from development.console import SetupError
from development.ports import LOOPBACK

NGINX = programs.Program("nginx", "nginx")
EXAMPLE = Path(__file__).parents[1] / "docs" / "howto" / "nginx.conf"
#: How it names a server.
_SERVER = "server 127.0.0.1:5000 max_fails=0;"
#: Folders that are the whole system's by default.
FOLDERS = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


@contextmanager
def running(config: str, folder: Path, port: int) -> Iterator[programs.Server]:
    """Run nginx for a while, with all that it writes in one folder.

    Parameters
    ----------
    config : str
        A whole configuration; where it runs and writes is added here.
    folder : Path
    port : int
        One that it listens on; it is waited for.
    """
    file, log = folder / "nginx.conf", folder / "error.log"
    file.write_text(_in_folder(config, folder), encoding="utf-8")
    command = [NGINX.install(), "-p", str(folder), "-e", str(log), "-c", str(file)]
    with programs.running(command, port, log) as server:
        yield server


def documented(
    port: int, plain_port: int, *servers: int, files: Certificate, address: str = LOOPBACK
) -> str:
    """The example of the documentation, with what an operator changes changed.

    Parameters
    ----------
    port, plain_port : int
        Where it listens with TLS, on `address`, and without, on loopback.
    servers : int
        The ports of the replicas of the server behind it.
    files : Certificate
    address : str
    """
    return _changed(
        {
            "listen 80;": f"listen {LOOPBACK}:{plain_port};",
            "listen 443 ssl;": f"listen {address}:{port} ssl;",
            "/etc/ssl/certs/vantage6.pem": str(files.certificate),
            "/etc/ssl/private/vantage6.key": str(files.key),
        },
        servers,
    )


def documented_without_tls(port: int, plain_port: int, servers: Sequence[int]) -> str:
    """The same for clients on this machine, who need no certificate."""
    return _changed(
        {
            "listen 80;": f"listen {LOOPBACK}:{plain_port};",
            "listen 443 ssl;": f"listen {LOOPBACK}:{port};",
            "        ssl_certificate     /etc/ssl/certs/vantage6.pem;\n": "",
            "        ssl_certificate_key /etc/ssl/private/vantage6.key;\n": "",
        },
        servers,
    )


def _changed(changes: Mapping[str, str], servers: Iterable[int]) -> str:
    config = EXAMPLE.read_text(encoding="utf-8")
    for old, new in changes.items():
        if config.count(old) != 1:
            raise SetupError(f"{EXAMPLE.name} does not say {old!r} once")
        config = config.replace(old, new)
    # In both of its lists.
    lines = "\n".join(_SERVER.replace("5000", str(server)) for server in servers)
    if config.count(_SERVER) != 2:
        raise SetupError(f"{EXAMPLE.name} does not say {_SERVER!r} twice")
    return config.replace(_SERVER, lines)


def _in_folder(config: str, folder: Path) -> str:
    # The files are private, so its workers must be who we are.
    user = "user root;\n" if os.geteuid() == 0 else ""
    paths = "".join(f"{name}_temp_path {folder}/{name};\n" for name in FOLDERS)
    process = f"daemon off;\npid {folder}/pid;\n{user}"
    return process + config.replace("http {\n", f"http {{\naccess_log off;\n{paths}", 1)
