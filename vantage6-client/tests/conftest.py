"""The real server as the other side: called directly, or over loopback where sockets matter."""

import json
import queue
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any, Self

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from flask import Flask
from werkzeug.serving import WSGIRequestHandler, make_server

from vantage6.client import Client, ContainerClient
from vantage6.common import authenticated, capability
from vantage6.common.authenticated import ResultContext
from vantage6.common.client.base import ClientBase
from vantage6.common.client.upload import begin, proceed
from vantage6.common.encryption import RSACryptor
from vantage6.common.sealed import ClassicPayload, PlainPayload, SignedPayload
from vantage6.common.sources import Held
from vantage6.common.task_status import TaskStatus
from vantage6.common.text import base64s_to_bytes, bytes_to_base64s
from vantage6.server import first_run
from vantage6.server.app import create_app
from vantage6.server.service import password as password_service
from vantage6.server.service.event import Event
from vantage6.tools.dispatch import answer
from vantage6.tools.exceptions import AlgorithmError

MEMORY_PROGRAM = Path(__file__).with_name("memory_client.py")
DATABASE = "server.sqlite"
PASSWORD = "Passw0rd!"
SECRET = "a secret of the tests, long enough to sign with"
# Nobody listens there: a client that tries a socket finds out at once.
NOWHERE = ("http://127.0.0.1", 1)


class AppSession:
    """Stands in for `requests.Session` and hands every call to the application itself."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self.calls: list[tuple[str, str]] = []

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Any = None,
        json: Any = None,
        params: Any = None,
        timeout: Any = None,
    ) -> "AppResponse":
        """Make one call."""
        path = "/" + url.split("/", 3)[3]
        self.calls.append((method, path))
        given = {key: value for key, value in (params or {}).items() if value is not None}
        client = self._app.test_client(use_cookies=False)
        return AppResponse(
            client.open(path, method=method, headers=headers, json=json, query_string=given)
        )

    def close(self) -> None:
        """Nothing is open."""


class AppResponse:
    """What clients use of an HTTP answer."""

    def __init__(self, response: Any) -> None:
        self.status_code: int = response.status_code
        self.content: bytes = response.data
        self.text: str = response.text
        self.json = response.get_json


class FakeNode:
    """Does the work of a node in this process, and its containers' too.

    A run starts when the server announces it. Without `data` every run fails.
    """

    def __init__(self, app: Flask, api_key: str, module: str, data: Any) -> None:
        self._app, self._module, self._data = app, module, data
        self._announced: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        self._client = ClientBase(*NOWHERE, session=AppSession(app))
        self._client.authenticate({"api_key": api_key}, "token/node")
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._runs: list[threading.Thread] = []
        app.extensions["events"].subscribe(self._on_event)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._announced.put(None)
        self._thread.join()
        for run in self._runs:
            run.join()

    def _on_event(self, event: Event) -> None:
        if event.name == "new_task":
            self._announced.put(event.payload)

    def _work(self) -> None:
        while (task_id := self._announced.get()) is not None:
            query = {"state": "open", "task_id": task_id, "node_id": self._client._subject()}
            for run in self._client.send("get", "result", params={**query, "include": "task"}):
                # A central function waits for runs that this node may have to do.
                self._runs.append(threading.Thread(target=self._do, args=[run], daemon=True))
                self._runs[-1].start()

    def _do(self, run: dict[str, Any]) -> None:
        self._report(run, status=TaskStatus.ACTIVE)
        try:
            content = answer(
                base64s_to_bytes(run["input"]),
                self._module,
                load_data=self._load,
                connect=lambda: self._container(run["task"]),
                allow_pickle=True,
            )
        except AlgorithmError as error:
            log = f"info > started\nwarn > {error}"
            self._report(run, status=TaskStatus.CRASHED, log=log)
        else:
            result = bytes_to_base64s(content)
            self._report(run, status=TaskStatus.COMPLETED, log="info > done", result=result)

    def _load(self, _: Any) -> Any:
        if self._data is None:
            raise AlgorithmError("There is no data here")
        return self._data

    def _container(self, task: dict[str, Any]) -> ContainerClient:
        body = {"task_id": task["id"], "image": task["image"]}
        token = self._client.send("post", "token/container", json=body)["container_token"]
        return ContainerClient(
            token, *NOWHERE, path="/api", allow_pickle=True, session=AppSession(self._app)
        )

    def _report(self, run: dict[str, Any], **report: Any) -> None:
        self._client.send("patch", f"result/{run['id']}", json=report)


@dataclass
class Federation:
    """A server with a collaboration of organizations that have a node and a user each."""

    app: Flask
    organizations: list[dict[str, Any]]
    collaboration: dict[str, Any]
    nodes: list[dict[str, Any]]

    @staticmethod
    def build(app: Flask, *names: str) -> "Federation":
        """Make all of it as an administrator would."""
        root = client_of(app, "root", "root")
        blank = dict.fromkeys(("address1", "address2", "zipcode", "country", "domain"), "")
        organizations = [root.organization.create(name, **blank) for name in names]
        ids = [organization["id"] for organization in organizations]
        collaboration = root.collaboration.create("study", ids, encrypted=False)
        nodes = [root.node.create(collaboration["id"], id_) for id_ in ids]
        (role,) = root.role.list(name="Researcher", filter_=("organization", None))
        for name, id_ in zip(names, ids, strict=True):
            email = f"{name}@x.example"
            root.user.create(name, name.title(), "Tester", PASSWORD, email, id_, roles=[role["id"]])
        return Federation(app, organizations, collaboration, nodes)

    @cached_property
    def root(self) -> Client:
        """A client of the administrator."""
        return client_of(self.app, "root", "root")

    @property
    def ids(self) -> list[int]:
        """The ids of the organizations."""
        return [organization["id"] for organization in self.organizations]

    def client(self, username: str, password: str = PASSWORD, **options: Any) -> Client:
        """A client of one of the users."""
        return client_of(self.app, username, password, **options)

    def work(self, module: str, data: list[Any]) -> "Workers":
        """Nodes that run an algorithm, each on data of its own; None makes them fail."""
        return Workers(
            FakeNode(self.app, node["api_key"], module, part)
            for node, part in zip(self.nodes, data, strict=True)
        )


def client_of(app: Flask, username: str, password: str, **options: Any) -> Client:
    """A client that is logged in."""
    options.setdefault("session", AppSession(app))
    client = Client(*NOWHERE, **options)
    client.authenticate(username, password)
    return client


class Workers(list[FakeNode]):
    """Nodes that start and stop together."""

    def __enter__(self) -> Self:
        for node in self:
            node.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        for node in self:
            node.__exit__()


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Federation]:
    """A database with a federation in it, of which every test gets a copy."""
    folder = tmp_path_factory.mktemp("template")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(password_service, "ROUNDS", 4)
        app = make_app(folder)
        database = app.extensions["database"]
        database.create_tables()
        with database.transaction() as session:
            first_run.add_rules(session)
            first_run.add_roles(session)
            first_run.add_root(session, "test")
        federation = Federation.build(app, "alpha", "beta", "gamma")
        database.dispose()
    return folder / DATABASE, federation


def make_app(folder: Path) -> Flask:
    """The application on a database in a folder."""
    return create_app(
        {
            "uri": f"sqlite:///{folder / DATABASE}",
            "type": "test",
            "jwt_secret_key": SECRET,
            "payloads": {"folder": str(folder / "payloads")},
        }
    )


@pytest.fixture
def app(
    tmp_path: Path, template: tuple[Path, Federation], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Flask]:
    """The application on a database of its own."""
    monkeypatch.setattr(password_service, "ROUNDS", 4)
    shutil.copy(template[0], tmp_path)
    app = make_app(tmp_path)
    yield app
    app.extensions["database"].dispose()


@pytest.fixture
def federation(app: Flask, template: tuple[Path, Federation]) -> Federation:
    """Three organizations without encryption."""
    return replace(template[1], app=app)


@pytest.fixture
def client(federation: Federation) -> Client:
    """A researcher of the first organization, without encryption."""
    client = federation.client("alpha")
    client.setup_encryption(None)
    return client


@pytest.fixture
def create(federation: Federation, client: Client) -> Callable[..., dict[str, Any]]:
    """Create a task of the researcher, at all organizations where nothing is said."""

    def create_task(organizations: list[int] | None = None, **input_: Any) -> dict[str, Any]:
        task: dict[str, Any] = client.task.create(
            federation.collaboration["id"],
            organizations or federation.ids,
            name="question",
            image="algorithm",
            description="",
            input={"method": "size", **input_},
        )
        return task

    return create_task


@pytest.fixture
def algorithm(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Callable[..., str]:
    """Make an algorithm out of functions; gives its import name.

    It is below the file of the test, whose functions are its own for that reason.
    """

    def make(**functions: Any) -> str:
        module = ModuleType(f"{request.module.__name__}.v6_algorithm")
        vars(module).update(functions)
        monkeypatch.setitem(sys.modules, module.__name__, module)
        return module.__name__

    return make


@pytest.fixture
def live(app: Flask) -> Iterator[int]:
    """The application behind a real port, with its sockets; gives the port."""
    with make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.server_port
        app.extensions["sockets"].close()
        server.shutdown()
        thread.join()


class Quiet(WSGIRequestHandler):
    """Keeps the output of tests free of access logs."""

    def log(self, *_: Any, **__: Any) -> None:
        """Keep it."""


class Site:
    """A collaboration of one organization, whose node and researcher share a key.

    Attributes
    ----------
    envelope : str
        The one that is used: "none", "classic" or "authenticated".
    """

    def __init__(self, federation, port, envelope, folder):
        root, self.id = federation.root, federation.ids[0]
        self.envelope, self.pins, self.key = envelope, folder / "pins.json", None
        encrypted = envelope != "none"
        study = root.collaboration.create("large", [self.id], encrypted=encrypted)
        self.collaboration, self.port = study["id"], port
        api_key = root.node.create(self.collaboration, self.id)["api_key"]
        self._node = ClientBase("http://127.0.0.1", port)
        self._node.authenticate({"api_key": api_key}, "token/node")
        if encrypted:
            self._set_up_key(root, folder)

    def _set_up_key(self, root, folder):
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.key = folder / "key.pem"
        self.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.TraditionalOpenSSL,
                serialization.NoEncryption(),
            )
        )
        self.cryptor = RSACryptor(self.key)
        root.organization.update(self.id, public_key=self.cryptor.public_key_str)
        if self.envelope == "authenticated":
            statement = capability.make(key, self.id)
            self._node.send("patch", f"organization/{self.id}", json={"capabilities": statement})

    def client(self):
        client = Client("http://127.0.0.1", self.port, pins_file=self.pins)
        client.authenticate("alpha", "Passw0rd!")
        client.setup_encryption(self.key)
        return client

    def run(self, action, **more):
        """What the process of a researcher needs, and what it tells."""
        options = {
            "action": action,
            "port": self.port,
            "pins": str(self.pins),
            "key": self.key and str(self.key),
            "username": "alpha",
            "password": "Passw0rd!",
            "collaboration": self.collaboration,
            "organizations": [self.id],
            **more,
        }
        command = [sys.executable, str(MEMORY_PROGRAM), json.dumps(options)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout), done.stderr

    def open_input(self, task_id):
        """What the node gets."""
        (run,) = self._node.send("get", "result", params={"task_id": task_id})
        if self.envelope == "none":
            return base64s_to_bytes(run["input"])
        if self.envelope == "classic":
            return self.cryptor.decrypt_str_to_bytes(run["input"])
        key = self.cryptor.private_key
        return authenticated.open_(run["input"], key, key.public_key()).data

    def answer(self, task_id, data):
        """What the node does."""
        (run,) = self._node.send("get", "result", params={"task_id": task_id})
        text = self._sealed(data, run, task_id)
        report = {"status": "completed", "result": text}
        self._node.send("patch", f"result/{run['id']}", json=report)

    def answer_by_upload(self, task_id, data):
        """What a node of this version does with a large result."""
        (run,) = self._node.send("get", "result", params={"task_id": task_id})
        source = Held(data)
        if self.envelope == "none":
            sealed = PlainPayload(source)
        elif self.envelope == "classic":
            sealed = ClassicPayload(source, self.cryptor.public_key_str)
        else:
            key = self.cryptor.private_key
            context = self._context(run, task_id)
            sealed = SignedPayload.new(source, context, key, key.public_key())
        upload = begin(self._node.send, sealed, self.collaboration)
        proceed(self._node.send, upload, sealed)
        report = {"status": "completed", "result_upload": upload}
        self._node.send("patch", f"result/{run['id']}", json=report)
        return run["id"]

    def _sealed(self, data, run, task_id):
        if self.envelope == "none":
            return bytes_to_base64s(data)
        if self.envelope == "classic":
            return self.cryptor.encrypt_bytes_to_str(data, self.cryptor.public_key_str)
        context, key = self._context(run, task_id), self.cryptor.private_key
        return authenticated.seal(data, context, key, key.public_key())

    def _context(self, run, task_id):
        asked = authenticated.claimed(run["input"]).context
        return ResultContext(
            collaboration_id=asked.collaboration_id,
            image=asked.image,
            sender=self.id,
            recipient=self.id,
            nonce=asked.nonce,
            task_id=task_id,
            result_id=run["id"],
            input_digest=authenticated.digest(run["input"]),
        )


@pytest.fixture(params=["none", "classic", "authenticated"])
def site(request, federation, live, tmp_path):
    """A collaboration with each kind of envelope."""
    return Site(federation, live, request.param, tmp_path)
