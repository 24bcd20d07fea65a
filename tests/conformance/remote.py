"""The classic client in a process of its own, used as if it were here."""

import base64
import json
import select
import subprocess
from itertools import count
from pathlib import Path
from typing import Any

from development import classic

DRIVER = Path(__file__).with_name("driver.py")
#: A call that takes longer has failed; none does otherwise.
PATIENCE = 120


class ClassicError(Exception):
    """The classic client raised something.

    Attributes
    ----------
    kind : str
        The name of the exception's class.
    """

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(f"{kind}: {text}")
        self.kind = kind


class Remote:
    """A process of the driver; use it in a `with` statement.

    Parameters
    ----------
    python : Path
        The Python that has the classic client.
    folder : Path
        Where it works, and writes what the client prints.
    """

    def __init__(self, python: Path, folder: Path) -> None:
        self._numbers = count()
        self._printed = folder / "printed"
        with self._printed.open("ab") as printed:
            self._process = subprocess.Popen(
                [python, DRIVER],
                cwd=folder,
                env=classic.variables(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=printed,
                text=True,
            )

    def __enter__(self) -> "Remote":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def log_in(self, url: str, username: str, password: str) -> "Name":
        """A classic client that has logged in at a server of ours."""
        client = self.connect(url)
        client.authenticate(username, password)
        return client

    def connect(self, url: str) -> "Name":
        """A classic client of a server of ours."""
        host, _, port = url.rpartition(":")
        return self.keep("Client", host, int(port), "/api")

    def keep(self, what: str, *arguments: Any, **options: Any) -> "Name":
        """Call something there, and keep there what it returns."""
        name = f"kept{next(self._numbers)}"
        self.ask({"name": what, "call": [arguments, options], "keep": name})
        return Name(self, name)

    def printed(self) -> str:
        """All that clients printed so far."""
        return self._printed.read_text(encoding="utf-8", errors="replace")

    def ask(self, request: dict[str, Any]) -> Any:
        """Send one request and return the value, or raise what the client raised."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        assert select.select([self._process.stdout], [], [], PATIENCE)[0], f"no answer: {request}"
        line = self._process.stdout.readline()
        assert line, "the driver ended"
        answer = json.loads(line, object_hook=_from_json)
        if "error" in answer:
            raise ClassicError(answer["error"], answer["text"])
        return answer["value"]


class Name:
    """Something of the other process: `client.task.get(1)` calls it there."""

    def __init__(self, remote: Remote, path: str) -> None:
        self._remote, self._path = remote, path

    def __getattr__(self, name: str) -> "Name":
        return Name(self._remote, f"{self._path}.{name}")

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        return self._remote.ask({"name": self._path, "call": [arguments, options]})

    @property
    def value(self) -> Any:
        """What it is, without calling it."""
        return self._remote.ask({"name": self._path})

    @value.setter
    def value(self, value: Any) -> None:
        self._remote.ask({"name": self._path, "set": value})


def _from_json(value: dict[str, Any]) -> Any:
    return base64.b64decode(value["bytes"]) if value.keys() == {"bytes"} else value
