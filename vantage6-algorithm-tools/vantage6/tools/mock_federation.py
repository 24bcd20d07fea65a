"""What answers the calls of a mock client: tasks, runs and organizations, all in memory.

It answers what the proxy of a node lets through, in the shapes of the server. A subtask runs at
once, before the call that creates it is answered.
"""

import itertools
import json as json_module
import re
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

from vantage6.common import __version__
from vantage6.common.task_status import TaskStatus
from vantage6.common.text import base64s_to_bytes, bytes_to_base64s
from vantage6.tools import mock_settling
from vantage6.tools.dispatch import answer
from vantage6.tools.exceptions import AlgorithmError, FunctionFailed
from vantage6.tools.mock_site import Site

if TYPE_CHECKING:
    from vantage6.common.client.container import ContainerClient

Row = dict[str, Any]
Connect = Callable[[Site, Row], "ContainerClient"]

URL = "http://mock"
#: The task of the client that the mock begins with; no task has this id.
NO_TASK = -1


class NotThere(Exception):
    """The mock has no such thing."""


class MockFederation:
    """The sites of one collaboration, and what was asked of them.

    Parameters
    ----------
    sites : list of Site
    module : str
        Import name of the algorithm.
    collaboration_id, first_id : int
        The collaboration's id, and that of the first task and the first run.
    connect : callable
        Gives the client of a central function, for its site and its task.
    raise_errors : bool
        Whether an error of a function comes out of the call that created its task.
    offline : collection of int
        Organizations that never answer, by their ids.
    """

    def __init__(
        self,
        sites: list[Site],
        module: str,
        *,
        collaboration_id: int,
        first_id: int,
        connect: Connect,
        raise_errors: bool,
        offline: Collection[int] = (),
    ) -> None:
        self.sites = {site.id: site for site in sites}
        self.tasks: list[Row] = []
        self._module, self._connect, self._raise_errors = module, connect, raise_errors
        self._collaboration_id, self._offline = collaboration_id, frozenset(offline)
        self._runs: list[Row] = []
        self._task_ids, self._run_ids = itertools.count(first_id), itertools.count(first_id)

    def session(self, task_id: int) -> "MockSession":
        """What stands in for the connections of the client of a task."""
        return MockSession(self, task_id)

    # What can be looked at

    def organizations(self) -> list[Row]:
        """All that take part."""
        return [site.organization(self._collaboration_id) for site in self.sites.values()]

    def collaboration(self, id_: int) -> Row:
        """The only one there is."""
        if id_ != self._collaboration_id:
            raise NotThere(f"The mock has no collaboration with id {id_}")
        return {
            "id": id_,
            "name": "mock",
            "encrypted": False,
            "retention_days": None,
            "organizations": [_link("organization", site) for site in self.sites],
            "nodes": [_link("node", site.node_id) for site in self.sites.values()],
            "tasks": [_link("task", task["id"]) for task in self.tasks],
        }

    def organizations_of(self, id_: int) -> list[Row]:
        """Those of a collaboration."""
        self.collaboration(id_)
        return self.organizations()

    def organization(self, id_: int) -> Row:
        """One of them."""
        return _pick(self.organizations(), id_, "organization")

    def task(self, id_: int) -> Row:
        """One task."""
        return _pick(self.tasks, id_, "task")

    def runs_of(self, id_: int) -> list[Row]:
        """The runs of a task."""
        self.task(id_)
        return [run for run in self._runs if run["task"]["id"] == id_]

    def runs(self) -> list[Row]:
        """All runs, the newest first."""
        return [self.run(run["id"]) for run in self._runs[::-1]]

    def run(self, id_: int) -> Row:
        """One run; alone it is shown with links."""
        run = _pick(self._runs, id_, "run")
        return {**run, "organization": _link("organization", run["organization"])}

    # What can be done

    def create_task(self, body: Row, parent: int) -> Row:
        """Run a new task at all organizations it is for, and show it."""
        if not body["organizations"]:
            raise NotThere("Organizations missing from input")
        for order in body["organizations"]:
            self.organization(order["id"])
        task = {**self._new_task(body, parent), **mock_settling.limits(body)}
        # Known before its runs start: a central function creates tasks of its own meanwhile.
        self.tasks.append(task)
        runs = [self._new_run(task, order["id"]) for order in body["organizations"]]
        task["results"] = [_link("result", run["id"]) for run in runs]
        task["status"] = TaskStatus.ACTIVE.value
        for run, order in zip(runs, body["organizations"], strict=True):
            if order["id"] not in self._offline:
                run |= self._outcome(self.sites[order["id"]], task, order["input"])
                mock_settling.note_end(task, runs, run)
        mock_settling.finish(task, runs)
        return task

    def _new_task(self, body: Row, parent: int) -> Row:
        id_ = next(self._task_ids)
        above = next((task for task in self.tasks if task["id"] == parent), None)
        if above:
            above["children"].append(_link("task", id_))
        return {
            "id": id_,
            "run_id": above["run_id"] if above else id_,
            **{name: body[name] for name in ("name", "description", "image", "database")},
            "initiator": next(iter(self.sites)),
            "init_user": None,
            "complete": False,
            "collaboration": _link("collaboration", self._collaboration_id),
            "parent": _link("task", parent) if above else None,
            "children": [],
        }

    def _new_run(self, task: Row, organization_id: int) -> Row:
        site = self.sites[organization_id]
        run: Row = {
            "id": next(self._run_ids),
            "organization": organization_id,
            "task": _link("task", task["id"]),
            "node": {
                "id": site.node_id,
                "name": site.name,
                "ip": None,
                "status": self._status(site),
            },
            "ports": [],
            "status": TaskStatus.PENDING.value,
            "input": None,
            "result": None,
            "log": None,
            "late": False,
            **dict.fromkeys(("input_stored", "result_stored")),
            "purged_at": None,
            **dict.fromkeys(("assigned_at", "started_at", "finished_at", "stopped_at", "claim")),
        }
        self._runs.append(run)
        return run

    def _status(self, site: Site) -> str:
        return "offline" if site.id in self._offline else "online"

    def _outcome(self, site: Site, task: Row, input_: str) -> Row:
        label = task["database"]
        try:
            with site.environment(label):
                content = answer(
                    base64s_to_bytes(input_),
                    self._module,
                    load_data=lambda input_data: site.load(label, input_data),
                    connect=lambda: self._connect(site, task),
                    allow_pickle=True,
                )
        except AlgorithmError as error:
            if self._raise_errors:
                raise _original(error) from None
            return {"status": TaskStatus.CRASHED.value, "log": str(error)}
        result = bytes_to_base64s(content)
        return {"status": TaskStatus.COMPLETED.value, "result": result, "log": ""}


class MockSession:
    """Stands in for the connections of one client."""

    def __init__(self, federation: MockFederation, task_id: int) -> None:
        self._task_id = task_id
        id_ = r"(\d+)"
        there = federation
        self._questions: list[tuple[str, Callable[..., Any]]] = [
            ("version", lambda: {"version": __version__, "quorum": True}),
            ("organization", there.organizations),
            (f"organization/{id_}", there.organization),
            (f"collaboration/{id_}", there.collaboration),
            (f"collaboration/{id_}/organization", there.organizations_of),
            ("task", lambda: there.tasks[::-1]),
            (f"task/{id_}", there.task),
            (f"task/{id_}/result", there.runs_of),
            ("result", there.runs),
            (f"result/{id_}", there.run),
            ("port", list),
        ]
        self._create_task = there.create_task

    def request(self, method: str, url: str, *, json: Any = None, **_: Any) -> "MockAnswer":
        """Make one call."""
        path = url.removeprefix(URL).strip("/")
        try:
            if (method, path) == ("POST", "task"):
                return MockAnswer(201, self._create_task(json, self._task_id))
            for pattern, look in self._questions:
                found = re.fullmatch(pattern, path)
                if method == "GET" and found:
                    return MockAnswer(200, look(*map(int, found.groups())))
        except (NotThere, mock_settling.Refused) as error:
            return MockAnswer(404 if method == "GET" else 400, {"msg": str(error)})
        return MockAnswer(403, {"msg": f"An algorithm may not call {method} /{path} of the server"})

    def close(self) -> None:
        """Nothing is open."""


class MockAnswer:
    """What the container client uses of an HTTP answer."""

    def __init__(self, status_code: int, body: Any) -> None:
        self.status_code = status_code
        self.text = json_module.dumps(body)
        self.content = self.text.encode()

    def json(self) -> Any:
        """The body as a value."""
        return json_module.loads(self.content)


def _pick(rows: list[Row], id_: int, kind: str) -> Row:
    for row in rows:
        if row["id"] == id_:
            return row
    raise NotThere(f"The mock has no {kind} with id {id_}")


def _link(kind: str, id_: int) -> Row:
    return {"id": id_, "link": f"/api/{kind}/{id_}", "methods": ["GET"]}


def _original(error: AlgorithmError) -> BaseException:
    """The error of the algorithm's own function, where that is what it was."""
    return error.__cause__ or error if isinstance(error, FunctionFailed) else error
