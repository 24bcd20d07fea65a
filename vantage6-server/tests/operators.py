"""An operator of servers: own folders, own names, the real commands, and a terminal."""

import os
import re
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pexpect
import requests
import yaml
from docker import DockerClient
from docker.errors import NotFound
from served import LOOPBACK, write_config

from development.terminal import spawn

COMMANDS = Path(sys.executable).parent
_SECONDS = 120
_FOLDERS = ("CONFIG_HOME", "DATA_HOME", "CACHE_HOME", "CONFIG_DIRS", "DATA_DIRS")


class Operator:
    """Runs commands that see only the folders of a test.

    Attributes
    ----------
    name : str
        Of a server that no other run has.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        self.name = f"test-{secrets.token_hex(4)}"
        self.variables = {f"XDG_{name}": str(home / name.lower()) for name in _FOLDERS}
        self.variables["HOME"] = str(home)
        # The library of menus would ask the terminal where its cursor is, and wait.
        self.variables |= {"PROMPT_TOOLKIT_NO_CPR": "1", "TERM": "xterm", "COLUMNS": "200"}

    @property
    def configurations(self) -> Path:
        """Where the configurations of the user are."""
        return self.home / "config_home" / "vantage6" / "server"

    @property
    def data(self) -> Path:
        """The data folder of the server."""
        return self.home / "data_home" / "vantage6" / "server" / self.name

    @property
    def log(self) -> Path:
        """The log folder of the server in a container."""
        return self.home / "cache_home" / "vantage6" / "log" / "server" / self.name

    def configure(
        self, environment: str = "prod", *, system: bool = False, **differing: object
    ) -> Path:
        """Write the configuration of the server."""
        of_system = self.home / "config_dirs" / "vantage6" / "server"
        folder = of_system if system else self.configurations
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.name}.yaml"
        written = write_config(
            self.home, environment, **{"directories": ..., "type": ..., **differing}
        )
        section = yaml.safe_load(written.read_text())["environments"]
        if path.exists():
            section = yaml.safe_load(path.read_text())["environments"] | section
        path.write_text(yaml.safe_dump({"environments": section}))
        path.chmod(0o600)
        return path

    def run(
        self, *words: str | Path, script: str | None = None, folder: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, without a terminal."""
        command, *rest = map(str, words)
        return subprocess.run(
            [COMMANDS / command, *rest],
            env={**os.environ, **self.variables},
            cwd=folder or self.home,
            input=script or "",
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )

    def vserver(
        self, command: str, *words: str | Path, script: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command of `vserver` for the server."""
        return self.run("vserver", command, "--name", self.name, "--user", *words, script=script)

    def terminal(self, *words: str) -> "pexpect.spawn[str]":
        """Run a command in a terminal."""
        command, *rest = words
        return spawn(
            COMMANDS / command,
            rest,
            variables={**os.environ, **self.variables},
            folder=self.home,
            seconds=_SECONDS,
        )

    def clean_up(self, client: DockerClient) -> None:
        """Remove whatever of the server is left in the engine."""
        for container in client.containers.list(all=True, filters={"label": f"name={self.name}"}):
            try:
                container.remove(force=True, v=True)
            except NotFound:
                continue
        for network in client.networks.list(filters={"label": f"name={self.name}"}):
            network.reload()
            for other in network.containers:
                network.disconnect(other, force=True)
            network.remove()


def first_password(text: str) -> str:
    """The password of root in what a command printed."""
    found = re.search(r"Its password is shown only now: (\S+)", text)
    assert found, text
    return found[1]


@contextmanager
def at_work(home: Path, client: DockerClient, **differing: object) -> Iterator[Operator]:
    """An operator with a configuration; whatever is left in the engine is removed at the end."""
    operator = Operator(home)
    operator.configure(**differing)
    try:
        yield operator
    finally:
        operator.clean_up(client)


class Deployed:
    """A server that was started in a container."""

    def __init__(self, operator: Operator, *options: str) -> None:
        self.operator = operator
        done = operator.vserver("start", "--ip", LOOPBACK, *options)
        assert done.returncode == 0, done.stderr
        self.told = done.stderr
        found = re.search(r"is running: (http://\S+)", done.stdout)
        assert found, done.stdout
        self.url = found[1]

    def log_in(self, username: str, password: str) -> int:
        """Try to log in; the status of the answer."""
        body = {"username": username, "password": password}
        return requests.post(f"{self.url}/token/user", json=body, timeout=60).status_code
