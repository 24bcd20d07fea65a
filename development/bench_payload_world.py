"""A server behind the nginx of the documentation with TLS, where plain files can be kept, too."""

import secrets
import subprocess
import threading
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import psutil
import requests
import yaml

from development import nginx
from development.certificates import make_certificate
from development.console import SetupError
from development.federation import Service, run_command
from development.ports import LOOPBACK, free_port

PASSWORD = secrets.token_urlsafe(12) + "-1Aa"
API_PATH = "/api"
SECONDS = 600
_LOOK_SECONDS = 0.05
#: The name of the process that the node stands for.
_CLAIM = "bench"
#: What is kept beside the server: the limit of a copy.
_PLAIN = """
        location /plain/ {{
            root {folder};
            dav_methods PUT;
            create_full_put_path on;
            client_max_body_size 0;
        }}

        # The API and its documentation.
"""


class Peak:
    """How much more memory a server needs meanwhile than before.

    Parameters
    ----------
    pid : int
        Its main process; that of its children that needs the most is looked at.

    Attributes
    ----------
    growth : int
        Bytes.
    """

    def __init__(self, pid: int) -> None:
        children = psutil.Process(pid).children()
        self._process = max(children, key=lambda child: child.memory_info().rss)
        self._over = threading.Event()
        self.growth = 0

    def __enter__(self) -> Self:
        self._before = self._process.memory_info().rss
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(_LOOK_SECONDS):
            self.growth = max(self.growth, self._process.memory_info().rss - self._before)


class World:
    """The server, and who speaks with it.

    Attributes
    ----------
    server_pid : int
    collaboration_id, organization_id : int
        Encrypted, with one organization that has a user and a node.
    """

    def __init__(
        self, url: str, authority: Path, server_pid: int, api_key: str, plain: Path
    ) -> None:
        self.server_pid, self._url, self._authority = server_pid, url, authority
        self._plain = plain
        self._session = requests.Session()
        # Variables of the environment would go before the authority.
        self._session.trust_env = False
        self._session.verify = str(authority)
        self._user = self._token("user", {"username": "ada", "password": PASSWORD})
        self._node = self._token("node", {"api_key": api_key})
        (shared,) = self.as_user("get", "collaboration")
        self.collaboration_id = shared["id"]
        self.organization_id = shared["organizations"][0]["id"]

    def as_user(self, method: str, endpoint: str, **options: Any) -> Any:
        """A call of the user; options as those of `Caller.send`."""
        return self._call(self._user, method, endpoint, **options)

    def as_node(self, method: str, endpoint: str, **options: Any) -> Any:
        """A call of the node."""
        return self._call(self._node, method, endpoint, **options)

    def open(self, endpoint: str, headers: Mapping[str, str]) -> requests.Response:
        """An answer to the user whose body is not read yet."""
        return self._request(self._user, "get", endpoint, headers, stream=True)

    def take(self) -> None:
        """Let the node begin to work on the task there is."""
        self.as_node("post", "claim/take", json={"claim": _CLAIM, "limit": 1})

    def finish(self, result_id: int, upload_id: int) -> None:
        """Report as the node that a run has ended, with what was uploaded."""
        now = datetime.now(UTC).isoformat()
        body = {"result_upload": upload_id, "finished_at": now, "claim": _CLAIM}
        self.as_node("patch", f"result/{result_id}", json=body)

    def delete_task(self, id_: int) -> None:
        """Delete a task as the user."""
        self.as_user("delete", f"task/{id_}")

    def fetch(self, endpoint: str, target: Path) -> None:
        """Get something as the user, by `curl`."""
        url = f"{self._url}{API_PATH}/{endpoint}"
        self._curl("--header", f"Authorization: Bearer {self._user}", "--output", target, url)

    def put_plain(self, source: Path) -> None:
        """Put a file beside the server."""
        self._curl("--upload-file", source, f"{self._url}/plain/file")

    def get_plain(self, target: Path) -> None:
        """Get that file."""
        self._curl("--output", target, f"{self._url}/plain/file")

    def delete_plain(self) -> None:
        """Delete that file."""
        self._plain.unlink()

    def _token(self, kind: str, secret: Mapping[str, str]) -> str:
        told = self._call("", "post", f"token/{kind}", json=secret)
        return str(told["access_token"])

    def _call(
        self,
        token: str,
        method: str,
        endpoint: str,
        *,
        json: Any = None,
        headers: Mapping[str, str] | None = None,
        **query: Any,
    ) -> Any:
        body: dict[str, Any] = {"json": json}
        if json is not None and not isinstance(json, dict):
            # A piece of an upload, which is no JSON.
            body = {"data": json}
        options: dict[str, Any] = {**body, "params": query}
        return self._request(token, method, endpoint, headers or {}, **options).json()

    def _request(
        self, token: str, method: str, endpoint: str, headers: Mapping[str, str], **options: Any
    ) -> requests.Response:
        answer = self._session.request(
            method,
            f"{self._url}{API_PATH}/{endpoint}",
            headers={**headers, **({"Authorization": f"Bearer {token}"} if token else {})},
            timeout=SECONDS,
            **options,
        )
        if not answer.ok:
            raise SetupError(f"{method} {endpoint}: {answer.status_code} {answer.text[:200]}")
        return answer

    def _curl(self, *words: str | Path) -> None:
        command = ["curl", "--silent", "--show-error", "--fail", "--cacert", str(self._authority)]
        done = subprocess.run(
            [*command, *map(str, words)], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise SetupError(f"curl: {done.stderr.strip()}")


@contextmanager
def worlds(folder: Path) -> Iterator[World]:
    """Run a server behind nginx, with all that it keeps in a folder."""
    api_key, port = str(uuid.uuid4()), free_port()
    config, fixture = folder / "bench.yaml", folder / "import.yaml"
    config.write_text(yaml.safe_dump(_configuration(folder)), encoding="utf-8")
    fixture.write_text(yaml.safe_dump(_fixture(api_key)), encoding="utf-8")
    run_command("vserver-local", "import", "--config", str(config), str(fixture))
    command = ["vserver-local", "start", "--config", str(config)]
    service = Service("server", command, folder / "output")
    try:
        service.wait_until(lambda: "listening on" in service.output.read_text(), "answer")
        inner = int(service.output.read_text().rpartition(":")[2].split()[0])
        files = make_certificate(folder / "certificates", LOOPBACK)
        outside = folder / "outside"
        (outside / "plain").mkdir(parents=True)
        text = nginx.documented(port, free_port(), inner, files=files)
        mark = "\n        # The API and its documentation.\n"
        text = text.replace(mark, _PLAIN.format(folder=outside))
        with nginx.running(text, outside, port):
            url = f"https://{LOOPBACK}:{port}"
            plain = outside / "plain" / "file"
            yield World(url, files.authority, service.process.pid, api_key, plain)
    finally:
        service.process.terminate()
        service.process.wait()


def _configuration(folder: Path) -> dict[str, Any]:
    return {
        "environments": {
            "prod": {
                "description": "a server that is measured",
                "type": "test",
                "allow_drop_all": False,
                "ip": LOOPBACK,
                "port": 0,
                "api_path": API_PATH,
                "uri": "sqlite:///server.sqlite",
                "logging": {"level": "WARNING", "file": "server.log", "use_console": False},
                "directories": {"data": str(folder / "data"), "log": str(folder / "log")},
            }
        }
    }


def _fixture(api_key: str) -> dict[str, Any]:
    empty = dict.fromkeys(("domain", "address1", "address2", "zipcode", "country", "public_key"))
    user = {"username": "ada", "password": PASSWORD, "email": "ada@alpha.example"}
    return {
        "organizations": [{"name": "Alpha", **empty, "users": [user]}],
        "collaborations": [
            {
                "name": "study",
                "participants": [{"name": "Alpha", "api_key": api_key}],
                "tasks": [],
                "encrypted": True,
            }
        ],
    }
