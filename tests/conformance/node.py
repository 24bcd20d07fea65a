"""A node as a script on raw REST, with the requests that the classic node sends."""

from datetime import UTC, datetime
from typing import Any

import requests

from tests.conformance.remote import Name

PATIENCE = 60


class ScriptedNode:
    """Runs nothing; reports what it is told to.

    Parameters
    ----------
    url : str
        The server.
    row : dict
        The node as the server showed it when it was made, with its key.
    """

    def __init__(self, url: str, row: dict[str, Any]) -> None:
        self._url = f"{url}/api"
        self.id: int = row["id"]
        self.organization: int = row["organization"]["id"]
        self.collaboration: int = row["collaboration"]["id"]
        self._headers: dict[str, str] = {}
        self.tokens = self.ask("post", "token/node", {"api_key": row["api_key"]})
        self._headers = {"Authorization": f"Bearer {self.tokens['access_token']}"}

    def ask(self, method: str, path: str, body: Any = None, **params: Any) -> Any:
        """Send a request and return what the server answers to it."""
        answer = requests.request(
            method,
            f"{self._url}/{path}",
            json=body,
            params=params,
            headers=self._headers,
            timeout=PATIENCE,
        )
        assert answer.status_code < 300, answer.text
        return answer.json()

    def open_runs(self, **params: Any) -> Any:
        """What it has to do."""
        params = {"state": "open", "include": "task", "node_id": self.id, **params}
        return self.ask("get", "result", **params)

    def new_run(self, client: Name, input_: Any = None) -> int:
        """Have a client make a task for it; the id of the run."""
        task = client.task.create(
            self.collaboration, [self.organization], "t", "image", "", input_, data_format="json"
        )
        (run,) = self.open_runs(task_id=task["id"])
        id_: int = run["id"]
        return id_

    def start(self, run: int) -> Any:
        """Say that a run has started, in the node's own local time as the classic node does."""
        return self.ask("patch", f"result/{run}", {"started_at": _moment()})

    def finish(self, run: int, result: str) -> Any:
        """Say that a run has ended."""
        body = {"result": result, "log": "the log", "finished_at": _moment()}
        return self.ask("patch", f"result/{run}", body)


def _moment() -> str:
    return datetime.now(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")
