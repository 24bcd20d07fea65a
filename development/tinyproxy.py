"""tinyproxy as the HTTP proxy of a house, for tests: Debian's, on loopback."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from development import programs
from development.ports import LOOPBACK, free_port

TINYPROXY = programs.Program("tinyproxy", "tinyproxy-bin")


@dataclass(frozen=True)
class HouseProxy:
    """A proxy that runs.

    Attributes
    ----------
    url : str
    log : Path
        What it was asked for.
    """

    url: str
    log: Path

    def connections(self) -> Sequence[str]:
        """What it was asked for so far, a line each."""
        lines = self.log.read_text(encoding="utf-8").splitlines()
        return [line for line in lines if "Request (file descriptor" in line]


@contextmanager
def running(folder: Path, user: str, password: str, ports: Sequence[int]) -> Iterator[HouseProxy]:
    """Run a proxy for a while.

    Parameters
    ----------
    folder : Path
        For all that it writes.
    user, password : str
        What it asks everybody for.
    ports : sequence of int
        Where tunnels may lead to.
    """
    port = free_port()
    config, log = folder / "tinyproxy.conf", folder / "tinyproxy.log"
    lines = [
        f"Port {port}",
        f"Listen {LOOPBACK}",
        f'LogFile "{log}"',
        "LogLevel Connect",
        f"BasicAuth {user} {password}",
        *(f"ConnectPort {allowed}" for allowed in ports),
    ]
    config.write_text("\n".join(lines) + "\n", encoding="utf-8")
    command = [TINYPROXY.install(), "-d", "-c", str(config)]
    with programs.running(command, port, folder / "tinyproxy.out"):
        yield HouseProxy(f"http://{user}:{password}@{LOOPBACK}:{port}", log)
