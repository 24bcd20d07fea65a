"""Socket clients of the application under test, over real connections."""

import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests
import simple_websocket
import socketio
from clients import bearer
from flask import Flask
from werkzeug.serving import WSGIRequestHandler, make_server

# A test that waits this long has failed; none does otherwise.
PATIENCE = 20


def read_to_the_end(client: simple_websocket.Client) -> None:
    """Take what comes, such as a greeting or a ping, until it is over or nothing comes."""
    while client.receive(timeout=PATIENCE) is not None:
        continue


class Listener:
    """A socket that remembers what it hears."""

    def __init__(
        self,
        url: str,
        token: str | None,
        *namespaces: str,
        origin: str | None = None,
        transport: str | None = None,
        authority: Path | None = None,
    ) -> None:
        # One of its own the library would leave open.
        self._http = requests.Session()
        if authority:
            self._http.trust_env = False
            self._http.verify = str(authority)
        self.client = socketio.Client(
            reconnection=False,
            http_session=self._http,
            # Else a websocket names an origin of its own besides.
            websocket_extra_options={"suppress_origin": bool(origin)},
        )
        self.heard: queue.Queue[tuple[str, str, Any]] = queue.Queue()
        self.namespaces = namespaces or ("/tasks",)
        self.gone = threading.Event()
        for namespace in self.namespaces:
            self.client.on("*", self._listen(namespace), namespace=namespace)
            self.client.on("disconnect", self._leave, namespace=namespace)
        headers = bearer(token) if token else {}
        headers |= {"Origin": origin} if origin else {}
        try:
            self.client.connect(
                url,
                headers=headers,
                namespaces=list(self.namespaces),
                transports=[transport] if transport else None,
                wait_timeout=PATIENCE,
            )
        except BaseException:
            self._http.close()
            raise
        self._websocket = self.client.eio.ws

    def wait_for(self, event: str) -> Any:
        """The payload of the next event of this name."""
        while True:
            name, _, payload = self.heard.get(timeout=PATIENCE)
            if name == event:
                return payload

    def hear_of_task(self, task_id: int) -> None:
        """Wait until it is told of a task; it may be told of older ones again."""
        while self.wait_for("new_task") != task_id:
            pass

    def hear_of_kill(self, task_id: int) -> dict[str, Any]:
        """What it is told when a task is killed; it may be told of older ones again."""
        while True:
            told: dict[str, Any] = self.wait_for("kill_containers")
            if [run["task_id"] for run in told["kill_list"]] == [task_id]:
                return told

    def hear_until(self, event: str) -> list[tuple[str, Any]]:
        """All that comes before an event of this name."""
        heard = []
        while True:
            name, _, payload = self.heard.get(timeout=PATIENCE)
            if name == event:
                return heard
            heard.append((name, payload))

    def call(self, event: str, payload: Any) -> Any:
        """Say something and wait until the server has dealt with it."""
        return self.client.call(event, payload, namespace="/tasks", timeout=PATIENCE)

    def wait_until_gone(self) -> bool:
        """Wait until the server ends the connection."""
        return self.gone.wait(PATIENCE)

    def close(self) -> None:
        """Leave."""
        self.client.disconnect()
        self._http.close()
        # After an end that it did not begin, the library leaves this open too.
        if self._websocket:
            self._websocket.shutdown()

    def _listen(self, namespace: str) -> Any:
        def remember(event: str, *payload: Any) -> None:
            self.heard.put((event, namespace, payload[0] if payload else None))

        return remember

    def _leave(self, _reason: str) -> None:
        self.gone.set()


class _Handler(WSGIRequestHandler):
    """Closes a connection when its socket ends; by default it would wait for another request."""

    protocol_version = "HTTP/1.0"


@contextmanager
def serving(app: Flask) -> Iterator[str]:
    """The address of an application that is served for a while, in a thread."""
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=_Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        app.extensions["sockets"].close()
        server.shutdown()
        thread.join()
        server.server_close()
