"""A server started by its command, as an operator does."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import requests
import yaml

COMMAND = str(Path(sys.executable).with_name("vserver-local"))
LOOPBACK = "127.0.0.1"
API_KEY = "123e4567-e89b-12d3-a456-426614174000"
_SECONDS = 60
_LOOK_SECONDS = 0.02
_LISTENING = re.compile(r"^listening on (.*)\n", re.MULTILINE)


def write_config(folder: Path, environment: str = "prod", **differing: Any) -> Path:
    """Write a configuration file of a server that keeps everything in `folder`."""
    config = {
        "description": "a server of the tests",
        "type": "test",
        "ip": LOOPBACK,
        "port": 0,
        "api_path": "/api",
        "uri": "sqlite:///server.sqlite",
        "allow_drop_all": True,
        "logging": {"level": "INFO", "file": "server.log", "use_console": True},
        "directories": {"data": str(folder / "data"), "log": str(folder / "log")},
        **differing,
    }
    path = folder / "hospital.yaml"
    kept = {key: value for key, value in config.items() if value is not ...}
    path.write_text(yaml.safe_dump({"environments": {environment: kept}}), encoding="utf-8")
    return path


def write_import(folder: Path, **differing: Any) -> Path:
    """Write an import file with one organization, its user, its node, and a task for it."""
    empty = dict.fromkeys(("domain", "address1", "address2", "zipcode", "country", "public_key"))
    content = {
        "organizations": [
            {
                "name": "Alpha",
                **empty,
                "users": [{"username": "ada", "password": "Lovelace-1", "email": "ada@alpha.org"}],
            }
        ],
        "collaborations": [
            {
                "name": "study",
                "participants": [{"name": "Alpha", "api_key": API_KEY}],
                "tasks": ["registry.example/algorithm:1"],
                "encrypted": False,
            }
        ],
        **differing,
    }
    path = folder / "import.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def run(*arguments: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    return subprocess.run(
        [COMMAND, *map(str, arguments)],
        env={**os.environ, **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )


class Served:
    """A running server; use it in a `with` statement."""

    def __init__(self, *arguments: str | Path) -> None:
        # Not a pipe: one that nobody empties stops a server that has much to say.
        self._output = tempfile.NamedTemporaryFile()  # noqa: SIM115
        self._process = subprocess.Popen(
            [COMMAND, "start", *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            # A group of its own, which gets what Ctrl-C sends.
            start_new_session=True,
        )
        self._last_words: list[str] = []
        self._http = requests.Session()

    def __enter__(self) -> "Served":
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._last_words = self.printed
        self._output.close()
        self._http.close()

    @property
    def printed(self) -> list[str]:
        """What it has printed so far."""
        if self._output.closed:
            return self._last_words
        return Path(self._output.name).read_text(encoding="utf-8").splitlines()

    @cached_property
    def url(self) -> str:
        """Where it listens; waits until it does."""
        while not (address := _LISTENING.search("\n".join(self.printed) + "\n")):
            assert self._process.poll() is None, f"the server ended: {self.printed}"
            time.sleep(_LOOK_SECONDS)
        return address[1]

    @property
    def pid(self) -> int:
        """The number of its main process."""
        return self._process.pid

    @property
    def port(self) -> str:
        """The port it listens on."""
        return self.url.rpartition(":")[2]

    def get(self, path: str, **options: Any) -> requests.Response:
        """Ask for something below the path of the API."""
        return self._http.get(f"{self.url}/api/{path}", timeout=_SECONDS, **options)

    def post(self, path: str, body: Mapping[str, Any], **options: Any) -> requests.Response:
        """Send something below the path of the API."""
        url = f"{self.url}/api/{path}"
        return self._http.post(url, json=body, timeout=_SECONDS, **options)

    def patch(self, path: str, body: Mapping[str, Any], **options: Any) -> requests.Response:
        """Change something below the path of the API."""
        url = f"{self.url}/api/{path}"
        return self._http.patch(url, json=body, timeout=_SECONDS, **options)

    def token(self, username: str = "root", password: str = "root") -> str:
        """Log in."""
        answer = self.post("token/user", {"username": username, "password": password})
        assert answer.status_code == 200, answer.text
        token: str = answer.json()["access_token"]
        return token

    def press_ctrl_c(self) -> int:
        """Interrupt it, as a terminal does; the exit code."""
        os.killpg(self._process.pid, signal.SIGINT)
        return self.wait()

    def terminate(self) -> int:
        """Ask the main process to stop, as a service manager does; the exit code."""
        self._process.terminate()
        return self.wait()

    def kill(self) -> None:
        """Kill the main process, which leaves no time for anything."""
        self._process.kill()
        self._process.wait()

    def wait(self) -> int:
        """Wait for the end; the exit code."""
        return self._process.wait(_SECONDS)
