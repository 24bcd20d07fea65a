"""A federation in memory: algorithms can be tried without a server, a node or a container.

The mock is the real container client; only what answers it is replaced. Each data set plays
one organization, and a subtask runs at once when it is created.
"""

import itertools
import json as json_module
import re
from base64 import urlsafe_b64encode
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vantage6.common.client.container import ContainerClient
from vantage6.common.task_status import TaskStatus, combined
from vantage6.common.text import base64s_to_bytes, bytes_to_base64s
from vantage6.tools.dispatch import answer, import_algorithm
from vantage6.tools.exceptions import AlgorithmError, FunctionFailed
from vantage6.tools.readers import csv

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["ClientMockProtocol", "MockAlgorithmClient"]

_COLLABORATION_ID = 1
_IMAGE = "mock"


class ClientMockProtocol(ContainerClient):
    """What a central function gets as its client, with the other organizations in memory.

    Parameters
    ----------
    datasets : list
        One data frame, or path of a CSV file, for each organization; their ids count from 0.
    module : str
        Import name of the algorithm, or the name of its distribution.
    raise_errors : bool
        Whether an error of a function comes out of `create_new_task`, with its traceback,
        as suits the writing of an algorithm. With False the run fails as it would in a
        federation, and `wait_for_results` tells.

    Attributes
    ----------
    n : int
        Number of organizations.
    datasets : list of DataFrame
    lib : module
        The algorithm.
    tasks : list of dict
        The subtasks so far.

    Examples
    --------
    >>> client = ClientMockProtocol(["hospital_a.csv", "hospital_b.csv"], "v6_average_py")
    >>> ids = [0, 1]
    >>> task = client.create_new_task({"method": "average_partial", "args": ["age"]}, ids)
    >>> client.wait_for_results(task["id"])
    """

    def __init__(
        self,
        datasets: "Sequence[str | Path | DataFrame]",
        module: str,
        *,
        raise_errors: bool = True,
    ) -> None:
        self.datasets = [
            csv.read(str(data)) if isinstance(data, str | Path) else data for data in datasets
        ]
        self.n = len(self.datasets)
        self.lib = import_algorithm(module)
        self._federation = _Federation(self, module, raise_errors)
        super().__init__(_token(), "http://mock", None, allow_pickle=True, session=self._federation)

    @property
    def tasks(self) -> list[dict[str, Any]]:
        """The subtasks so far."""
        return self._federation.tasks


MockAlgorithmClient = ClientMockProtocol


class _Federation:
    """Answers the calls of a container client as the proxy of a node would."""

    def __init__(self, client: ClientMockProtocol, module: str, raise_errors: bool) -> None:
        self._client, self._module, self._raise_errors = client, module, raise_errors
        self.organizations = [
            {"id": number, "name": f"mock-{number}", "domain": f"mock-{number}.org"}
            for number in range(client.n)
        ]
        self.tasks: list[dict[str, Any]] = []
        self._runs: list[list[dict[str, Any]]] = []
        self._run_ids = itertools.count()
        number = r"/(\d+)"
        self._routes: list[tuple[str, str, Callable[..., Any]]] = [
            ("GET", rf"/collaboration{number}/organization", lambda _: self.organizations),
            ("GET", rf"/organization{number}", lambda id_: _pick(self.organizations, id_)),
            ("GET", rf"/task{number}", lambda id_: _pick(self.tasks, id_)),
            ("GET", rf"/task{number}/result", lambda id_: _pick(self._runs, id_)),
            ("POST", "/task", self._create_task),
        ]

    def request(self, method: str, url: str, *, json: Any = None, **_: Any) -> "_Answer":
        """Make one call."""
        path = url.removeprefix("http://mock")
        for verb, pattern, answer_call in self._routes:
            found = re.fullmatch(pattern, path)
            if verb == method and found:
                return self._answered(answer_call, [*map(int, found.groups())], json)
        return _Answer(404, {"msg": f"The mock has nothing at {method} {path}"})

    def close(self) -> None:
        """Nothing is open."""

    @staticmethod
    def _answered(answer_call: Callable[..., Any], ids: list[int], json: Any) -> "_Answer":
        try:
            if json is None:
                return _Answer(200, answer_call(*ids))
            return _Answer(201, answer_call(json))
        except _NotThere as error:
            return _Answer(404 if json is None else 400, {"msg": str(error)})

    def _create_task(self, body: dict[str, Any]) -> dict[str, Any]:
        for order in body["organizations"]:
            _pick(self.organizations, order["id"])
        fields = {name: body[name] for name in ("name", "description", "image", "database")}
        task: dict[str, Any] = {"id": len(self.tasks), **fields, "complete": False}
        runs: list[dict[str, Any]] = []
        # Known before its runs start: a central function creates tasks of its own meanwhile.
        self.tasks.append(task)
        self._runs.append(runs)
        for order in body["organizations"]:
            runs.append({"id": next(self._run_ids), "task": task["id"], **self._run(**order)})
        status = combined(run["status"] for run in runs)
        task |= {"complete": True, "status": status, "results": runs}
        return task

    def _run(self, id: int, input: str) -> dict[str, Any]:
        run = {"organization": id, "node": {"ip": None}, "ports": []}
        try:
            content = answer(
                base64s_to_bytes(input),
                self._module,
                load_data=lambda _: self._client.datasets[id],
                connect=lambda: self._client,
                allow_pickle=True,
            )
        except AlgorithmError as error:
            if self._raise_errors:
                raise _original(error) from None
            return {**run, "status": TaskStatus.CRASHED.value, "result": None, "log": str(error)}
        result = bytes_to_base64s(content)
        return {**run, "status": TaskStatus.COMPLETED.value, "result": result, "log": ""}


class _NotThere(Exception):
    """The mock has nothing with that id."""


def _pick(items: list[Any], id_: int) -> Any:
    if id_ not in range(len(items)):
        raise _NotThere(f"The mock has nothing with id {id_}")
    return items[id_]


class _Answer:
    """What the container client uses of an HTTP answer."""

    def __init__(self, status_code: int, body: Any) -> None:
        self.status_code = status_code
        self.text = json_module.dumps(body)
        self.content = self.text.encode()

    def json(self) -> Any:
        """The body as a value."""
        return json_module.loads(self.content)


def _original(error: AlgorithmError) -> BaseException:
    """The error of the algorithm's own function, where that is what it was."""
    return error.__cause__ or error if isinstance(error, FunctionFailed) else error


def _token() -> str:
    identity = {
        "client_type": "container",
        "node_id": 0,
        "organization_id": 0,
        "collaboration_id": _COLLABORATION_ID,
        "task_id": 0,
        "image": _IMAGE,
        "database": "default",
    }
    claims = json_module.dumps({"sub": identity}).encode()
    return f".{urlsafe_b64encode(claims).decode()}."
