"""nginx as a proxy of our own, for tests: the one of Debian's packages, on loopback."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from development import debian
from development.console import SetupError, last_line

PACKAGE = "nginx"
LOOPBACK = "127.0.0.1"
SECONDS = 15
#: Between two looks whether it answers already.
POLL_SECONDS = 0.05
#: Folders that are the whole system's by default.
_FOLDERS = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


def obstacle() -> str:
    """Say why there can be no nginx here, or nothing when there can."""
    if _program() is None and not debian.is_ours():
        return "nginx is not installed, and only root on Debian can have that done"
    return ""


def install() -> str:
    """Install nginx where it is missing and we may; the path of the program."""
    if _program() is None and debian.is_ours():
        debian.install(PACKAGE)
    program = _program()
    if program is None:
        raise SetupError(obstacle() or f"Debian's {PACKAGE} brought no nginx")
    return program


@contextmanager
def running(config: str, folder: Path, port: int) -> Iterator[None]:
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
    command = [install(), "-p", str(folder), "-e", str(log), "-c", str(file)]
    process = subprocess.Popen(command)
    try:
        _wait_until_it_listens(process, port, log)
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(SECONDS)


def _in_folder(config: str, folder: Path) -> str:
    # The files are private, so its workers must be who we are.
    user = "user root;\n" if os.geteuid() == 0 else ""
    paths = "".join(f"{name}_temp_path {folder}/{name};\n" for name in _FOLDERS)
    process = f"daemon off;\npid {folder}/pid;\n{user}"
    return process + config.replace("http {\n", f"http {{\naccess_log off;\n{paths}", 1)


def _wait_until_it_listens(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    end = time.monotonic() + SECONDS
    while process.poll() is None and time.monotonic() < end:
        try:
            socket.create_connection((LOOPBACK, port), timeout=SECONDS).close()
        except ConnectionRefusedError:
            time.sleep(POLL_SECONDS)
        else:
            return
    raise SetupError(f"nginx does not listen: {last_line(log.read_text(encoding='utf-8'))}")


def _program() -> str | None:
    return shutil.which("nginx", path=debian.SEARCH_PATH)
