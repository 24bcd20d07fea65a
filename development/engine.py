"""A container engine that answers: the one there is, else Debian's, installed and started here."""

import os
import shutil
import subprocess
import time
from pathlib import Path

import docker
from docker.errors import DockerException

from development import debian
from development.console import SetupError, last_line, main, run, step
from development.locks import exclusive

LOCK = Path("/run/lock/vantage6-engine.lock")
LOG = Path("/var/log/vantage6-engine.log")
PID_FILE = Path("/var/run/docker.pid")
SYSTEMD = Path("/run/systemd/system")
START_SECONDS = 60
#: For the engine's first answer, and for a request that builds an image.
ANSWER_SECONDS = 10
BUILD_SECONDS = 600


def ensure_engine() -> docker.DockerClient:
    """Return a client of an engine that answers.

    ``DOCKER_HOST`` is respected. Where no engine answers and we are root on Debian or Ubuntu, the
    distribution's engine is installed and started; it goes on running when this process ends.

    Raises
    ------
    SetupError
        Where none can be had; the message says what to do.
    """
    try:
        return connect()
    except DockerException as error:
        obstacle = _obstacle(error)
        if obstacle:
            raise SetupError(obstacle) from error
    with exclusive(LOCK, "another process that starts the container engine"):
        try:
            return connect()
        except DockerException:
            return _start()


def connect() -> docker.DockerClient:
    """Return a client of the engine, or raise ``DockerException`` when none answers."""
    client = docker.from_env(timeout=ANSWER_SECONDS)
    client.api.timeout = BUILD_SECONDS
    return client


def _obstacle(error: DockerException) -> str | None:
    """Say why we cannot start an engine ourselves, or return None when we can."""
    if "DOCKER_HOST" in os.environ:
        return f"no container engine answers at DOCKER_HOST={os.environ['DOCKER_HOST']}"
    if "Permission denied" in str(error):
        return (
            "a container engine is installed but this user may not use it; add the user to its"
            " group with: sudo usermod -aG docker $USER, then log in again"
        )
    if debian.is_ours():
        return None
    if _has("dockerd"):
        return "the container engine is not running; start it with: sudo systemctl start docker"
    if _has("docker"):
        return "no container engine answers; start Docker, or name its socket in DOCKER_HOST"
    return "no container engine is installed; install Docker (see its web site) and run this again"


def _start() -> docker.DockerClient:
    if not _has("dockerd"):
        debian.install("docker.io", "iptables")
    if not _has("docker"):
        # a package of its own since Debian 13
        debian.install("docker-cli")
    with step("Starting the container engine"):
        if SYSTEMD.is_dir():
            run(["systemctl", "start", "docker"], "systemd could not start the container engine")
            return _wait_until_it_answers(None)
        return _wait_until_it_answers(_launch())


def _has(program: str) -> bool:
    return shutil.which(program, path=debian.SEARCH_PATH) is not None


def _launch() -> "subprocess.Popen[bytes]":
    """Start the engine so that it outlives us and the terminal."""
    _remove_stale_pid_file()
    with LOG.open("wb") as log:
        return subprocess.Popen(
            ["dockerd"],
            env={**os.environ, "PATH": debian.SEARCH_PATH},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            start_new_session=True,
        )


def _remove_stale_pid_file() -> None:
    """Remove what a killed engine left: after a reboot its number may be another process's."""
    if not PID_FILE.exists():
        return
    name = Path("/proc", PID_FILE.read_text().strip(), "comm")
    if not name.exists() or name.read_text().strip() != "dockerd":
        PID_FILE.unlink()


def _wait_until_it_answers(process: "subprocess.Popen[bytes] | None") -> docker.DockerClient:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        try:
            return connect()
        except DockerException:
            if process is not None and process.poll() is not None:
                break
            time.sleep(0.1)
    if process is None:
        raise SetupError("systemd started the container engine but it does not answer")
    raise SetupError(f"the container engine did not start, see {LOG}: {_reason()}")


def _reason() -> str:
    return last_line(LOG.read_text(errors="replace"))


if __name__ == "__main__":
    main(ensure_engine)
