"""A researcher and a node, each at the replica that a test wants."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import requests
from clients import bearer
from served import API_KEY
from sockets import Listener

from development.replicas import API_PATH, PATIENCE, Replica, Replicas


class Participants:
    """Their tokens, their sockets, and what they ask; use it in a `with` statement."""

    def __init__(self, members: Replicas) -> None:
        self._members = members
        self._stack = ExitStack()
        self.http = self._stack.enter_context(requests.Session())
        self.researcher = members.token("ada", "Lovelace-1")
        self.node = self.node_token()

    def __enter__(self) -> "Participants":
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def node_token(self) -> str:
        """A new token for the node."""
        answer = self._members.post("token/node", {"api_key": API_KEY})
        token: str = answer.json()["access_token"]
        return token

    def listen(self, replica: Replica, token: str, *namespaces: str) -> Listener:
        """Connect a socket to a replica; it leaves at the end of the test."""
        listener = Listener(replica.url, token, *namespaces)
        self._stack.callback(listener.close)
        return listener

    def ask(self, replica: Replica, token: str, method: str, path: str, **body: Any) -> Any:
        """Ask one replica for something that it must not refuse."""
        answer = self.http.request(
            method,
            f"{replica.url}{API_PATH}/{path}",
            json=body or None,
            headers=bearer(token),
            timeout=PATIENCE,
        )
        assert answer.ok, (answer.status_code, answer.text)
        return answer.json()

    def order(self, replica: Replica) -> dict[str, Any]:
        """Make a task for the one node."""
        task: dict[str, Any] = self.ask(
            replica,
            self.researcher,
            "POST",
            "task",
            name="a question",
            image="registry.example/algorithm:1",
            collaboration_id=1,
            organizations=[{"id": 2, "input": "bm8="}],
        )
        return task

    def answer(self, replica: Replica, result_id: int, **differing: Any) -> Any:
        """Let the node report the end of a run."""
        content = {
            "status": "completed",
            "result": "eWVz",
            "started_at": "2026-11-21T00:00:00",
            "finished_at": "2026-11-21T00:00:01",
        }
        body = {**content, **differing}
        return self.ask(replica, self.node, "PATCH", f"result/{result_id}", **body)

    def answer_who_waits(self, there: Replica, here: Replica) -> Any:
        """What who waits for a task at one replica is told when its run ends at another."""
        task = self.order(here)
        path = f"task/{task['id']}?wait=60"
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(self.ask, there, self.researcher, "GET", path)
            self.answer(here, task["results"][0]["id"])
            return waiting.result()

    def status(self, replica: Replica, node_id: int) -> str | None:
        """Whether a replica says that a node is online."""
        status: str | None = self.ask(replica, self.researcher, "GET", f"node/{node_id}")["status"]
        return status
