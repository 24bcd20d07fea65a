"""The released parts of the classic line, each in an environment of its own, never in ours.

What we promise to understand is tested against what people run: the clients 3.5.2 and 3.11.1
and the node 3.5.2; the benchmark has the server 3.5.2 beside ours. An environment is made once,
under ``.cache``, from the pins in ``classic_pins``.
"""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import psutil
import yaml

from development import debian
from development.console import SetupError, last_line, main, run, step
from development.install import ROOT
from development.locks import exclusive

PINS = Path(__file__).with_name("classic_pins")
FOLDER = ROOT / ".cache" / "classic"
#: The classic line's pins have no wheels for a newer Python.
PYTHON_VERSION = "3.11"
CLIENTS = ("client-3.5.2", "client-3.11.1")
NODE = "node-3.5.2"
SERVER = "server-3.5.2"
#: uWSGI comes as source; without OpenSSL it is built without websockets.
COMPILER_PACKAGES = ("gcc", "libc6-dev", "libssl-dev")
LOOPBACK = "127.0.0.1"
API_PATH = "/api"
START_SECONDS = 60.0
STOP_SECONDS = 15.0
LOGGING = {
    "level": "WARNING",
    "use_console": True,
    "backup_count": 5,
    "max_size": 1024,
    "format": "%(asctime)s - %(name)-14s - %(levelname)-8s - %(message)s",
    "datefmt": "%Y-%m-%d %H:%M:%S",
}


def environment(name: str) -> Path:
    """Return the Python of the environment of a classic part, made where it is not there yet.

    Parameters
    ----------
    name : str
        ``client-3.5.2``, ``client-3.11.1``, ``node-3.5.2`` or ``server-3.5.2``.
    """
    home = FOLDER / name
    wanted = _fingerprint(name)
    if not _is_made_from(home, wanted):
        lock_file = FOLDER / f"{name}.lock"
        with exclusive(lock_file, f"another process that installs {name}") as lock:
            if not _is_made_from(home, wanted):
                _make(name, home, lock)
                # last: an environment without it is half made
                _stamp(home).write_text(wanted)
    return home / "bin" / "python"


def variables() -> dict[str, str]:
    """Return the variables for a classic part: without those that are for our own Python."""
    # with them they would find our packages, or compile theirs at each start
    ours = ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE")
    return {name: value for name, value in os.environ.items() if name not in ours}


def environments(names: Sequence[str]) -> list[Path]:
    """Return the Pythons of several environments, made side by side."""
    with ThreadPoolExecutor(len(names)) as pool:
        return list(pool.map(environment, names))


@dataclass(frozen=True)
class ClassicServer:
    """A classic server that runs; its first user is ``root`` with the password ``root``.

    Attributes
    ----------
    port : int
        Where it listens on the loopback address.
    process : subprocess.Popen
        The master process; its children do the work.
    """

    port: int
    process: "subprocess.Popen[bytes]"

    @property
    def url(self) -> str:
        """Where it listens, without the path of its API."""
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def api(self) -> str:
        """Where its API is."""
        return f"{self.url}{API_PATH}"


@contextmanager
def server(folder: Path, **differing: Any) -> Iterator[ClassicServer]:
    """Run a classic server 3.5.2 as its image starts it, on a free port of the loopback address.

    Parameters
    ----------
    folder : Path
        Where its files go; a database that is there already is used.
    **differing
        Keys of its configuration that differ, such as ``uri`` for a database elsewhere.
    """
    python = environment(SERVER)
    config = _write_server_config(folder, differing)
    output = folder / "server.out"
    process = _start_server(python, config, output)
    try:
        port = _wait_for_port(process, output)
        yield ClassicServer(port, process)
    finally:
        _stop(process)


def _write_server_config(folder: Path, differing: dict[str, Any]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    content = {
        "description": "a classic peer",
        "ip": LOOPBACK,
        "port": 0,
        "api_path": API_PATH,
        "uri": f"sqlite:///{folder / 'server.sqlite'}",
        "allow_drop_all": False,
        "logging": {**LOGGING, "file": "server.log"},
        "directories": {"data": str(folder), "log": str(folder)},
        **differing,
    }
    path = folder / "classic.yaml"
    # whatever is asked for, it reads this one
    path.write_text(yaml.safe_dump({"environments": {"prod": content}}), encoding="utf-8")
    return path


def _start_server(python: Path, config: Path, output: Path) -> "subprocess.Popen[bytes]":
    (program,) = python.parents[1].glob("lib/python*/site-packages/vantage6/server/wsgi.py")
    command = [python.with_name("uwsgi"), "--http", f"{LOOPBACK}:0", "--gevent", "1000"]
    command += ["--http-websockets", "--master", "--callable", "app", "--disable-logging"]
    command += ["--wsgi-file", program, "--pyargv", config]
    with output.open("wb") as file:
        return subprocess.Popen(
            [str(part) for part in command],
            cwd=config.parent,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _wait_for_port(process: "subprocess.Popen[bytes]", output: Path) -> int:
    """Wait until the server answers; the port is one that the system chose."""
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        if process.poll() is not None:
            break
        for port in _listening_ports(process.pid):
            if _answers(port):
                return port
        time.sleep(0.05)
    words = last_line(output.read_text(errors="replace"))
    raise SetupError(f"the classic server did not start, see {output}: {words}")


def _listening_ports(pid: int) -> set[int]:
    try:
        connections = psutil.Process(pid).net_connections("tcp4")
    except psutil.NoSuchProcess:
        return set()
    return {each.laddr.port for each in connections if each.status == psutil.CONN_LISTEN}


def _answers(port: int) -> bool:
    """Tell whether this is the HTTP port, and not the one uWSGI has between its processes."""
    connection = HTTPConnection(LOOPBACK, port, timeout=5)
    try:
        connection.request("GET", f"{API_PATH}/version")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def _stop(process: "subprocess.Popen[bytes]") -> None:
    """End it with SIGINT; on SIGTERM it would only start anew."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        # its session is its own
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _stamp(home: Path) -> Path:
    return home / "made-from"


def _fingerprint(name: str) -> str:
    """Return a digest of all that decides what an environment holds."""
    digest = hashlib.sha256(f"{FOLDER} {_interpreter()}".encode())
    digest.update(_pins(name).read_bytes())
    return digest.hexdigest()


def _pins(name: str) -> Path:
    return PINS / f"{name}.txt"


def _is_made_from(home: Path, wanted: str) -> bool:
    stamp = _stamp(home)
    return stamp.exists() and stamp.read_text() == wanted


def _interpreter() -> Path:
    """Return a Python that the pins install on."""
    if sysconfig.get_python_version() == PYTHON_VERSION:
        # not the link that our own environment has to it
        return Path(sys.executable).resolve()
    found = shutil.which(f"python{PYTHON_VERSION}")
    if found is None:
        raise SetupError(f"the classic parts need Python {PYTHON_VERSION}, which is not here")
    return Path(found).resolve()


def _make(name: str, home: Path, lock: int) -> None:
    shutil.rmtree(home, ignore_errors=True)
    if name == SERVER:
        _ensure_compiler()
    with step(f"Installing the classic {name}"):
        # our own pip fills it, which saves the seconds that one of its own takes to install
        command: list[str | Path] = [_interpreter(), "-m", "venv", "--without-pip", home]
        run(command, f"the environment of {name} was not made", hold=lock)
        pip: list[str | Path] = [sys.executable, "-m", "pip", "--python", home / "bin" / "python"]
        # what is never imported is not compiled; the rest is at its first import
        pip += ["install", "--no-deps", "--no-compile", "--disable-pip-version-check"]
        run([*pip, "-r", _pins(name)], f"pip could not install {name}", hold=lock)


def _ensure_compiler() -> None:
    wanted = [Path("/usr/include/openssl/ssl.h")]
    wanted.append(Path(sysconfig.get_path("include"), "Python.h"))
    if shutil.which("gcc") and all(path.exists() for path in wanted):
        return
    if not debian.is_ours():
        raise SetupError("the classic server needs gcc and the headers of OpenSSL and Python")
    debian.install(*COMPILER_PACKAGES, f"python{PYTHON_VERSION}-dev")


if __name__ == "__main__":
    main(lambda: environments((*CLIENTS, NODE)))
