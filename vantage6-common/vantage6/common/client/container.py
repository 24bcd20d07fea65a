"""The client of an algorithm, behind its node's proxy."""

import time
from typing import Any, Literal, NoReturn, overload

from vantage6.common import jwt
from vantage6.common.client.answers import Answers, Failure, require_success, sort_out, value_of
from vantage6.common.client.base import ClientBase, WhoAmI
from vantage6.common.client.caller import PATIENCE
from vantage6.common.client.container_subclients import (
    CollaborationSubClient,
    OrganizationSubClient,
    ResultSubClient,
    RunSubClient,
    TaskSubClient,
)
from vantage6.common.client.ordering import order_task
from vantage6.common.client.plain_session import PlainSession
from vantage6.common.client.settled import Deadline
from vantage6.common.client.transport import Session
from vantage6.common.exceptions import AuthenticationException, Forbidden
from vantage6.common.retry import Patience
from vantage6.common.serialization import JSON
from vantage6.common.text import bytes_to_base64s

# Longest wait in one request, in seconds; the server answers sooner when there is news.
LONG_POLL = 30
# What a node says that passes the key of an order on, to a server that keeps it.
_ABILITY = "repeatable_subtasks"


class ContainerClient(ClientBase):
    """What an algorithm may ask of the server.

    Parameters
    ----------
    token : str
        The container token, from the file named by `TOKEN_FILE`.
    host, port, path : str
        Where the node's proxy is: `HOST`, `PORT`, `API_PATH`.
    allow_pickle : bool
        Whether to read results that are pickles. Reading one runs what a partner's container
        put into it, here, beside the data of this organization.

    Attributes
    ----------
    image : str
        The image this container runs; subtasks run the same.
    database : str
        Label of the database that the task asked for.
    host_node_id, collaboration_id, organization_id, task_id : int
        Of the run that this container does.
    task, result, run, organization, collaboration
        Sub-clients, under the names of later releases.
    """

    # The proxy of the node does.
    _uploads_inputs = False

    def __init__(
        self,
        token: str,
        host: str,
        port: int | str | None,
        path: str = "",
        *,
        allow_pickle: bool = False,
        session: Session | None = None,
    ) -> None:
        super().__init__(host, port, path, session=session or PlainSession())
        identity = jwt.subject(token)
        if not isinstance(identity, dict):
            raise AuthenticationException("The token was not made for a container")
        self._access_token = token
        self.allow_pickle = allow_pickle
        self.image: str = identity["image"]
        self.database: str = identity.get("database") or "default"
        self.host_node_id: int = identity["node_id"]
        self.collaboration_id: int = identity["collaboration_id"]
        self.organization_id: int = identity["organization_id"]
        self.task_id: int = identity["task_id"]
        self.whoami = WhoAmI("container", self.host_node_id, "container", "", self.organization_id)

    @property
    def task(self) -> TaskSubClient:
        """Subtasks."""
        return TaskSubClient(self)

    @property
    def result(self) -> ResultSubClient:
        """Values of answers."""
        return ResultSubClient(self)

    @property
    def run(self) -> RunSubClient:
        """Runs, with their states."""
        return RunSubClient(self)

    @property
    def organization(self) -> OrganizationSubClient:
        """The organizations that take part."""
        return OrganizationSubClient(self)

    @property
    def collaboration(self) -> CollaborationSubClient:
        """The collaboration of this container."""
        return CollaborationSubClient(self)

    def authenticate(self, credentials: dict[str, Any] | None = None, path: str = "") -> bool:
        """Do nothing: the container got its token from its node."""
        self.log.warning("Containers have their token already and do not log in")
        return True

    def send(self, method: str, endpoint: str, **call: Any) -> Any:
        """Make one call; a question is repeated while the node or the server is away.

        Both may be started anew while an algorithm runs, and it should not notice. Subtasks are
        ordered by `create_new_task`, which knows when an order may be repeated.
        """
        if method.lower() == "get":
            return self.send_patiently(method, endpoint, **call)
        return super().send(method, endpoint, **call)

    def refresh_token(self) -> NoReturn:
        """Refuse: the token lives as long as the run."""
        raise Forbidden(403, "Containers cannot refresh!")

    def get_organizations_in_my_collaboration(self) -> list[dict[str, Any]]:
        """The organizations that take part, each with `id`, `name` and more."""
        organizations = self.send("get", f"collaboration/{self.collaboration_id}/organization")
        return list(organizations)

    def create_new_task(
        self,
        input_: Any,
        organization_ids: list[int] | None = None,
        data_format: str | None = None,
        *,
        name: str = "subtask",
        description: str | None = None,
        quorum: int | None = None,
        deadline: Deadline | None = None,
    ) -> dict[str, Any]:
        """Create a subtask that runs this image at other organizations.

        Parameters
        ----------
        input_ : dict
            `method`, `args`, `kwargs` of the function to call there.
        organization_ids : list of int
            Where it shall run.
        data_format : str, optional
            JSON unless asked otherwise.
        name, description : str, optional
            For people; not encrypted.
        quorum : int, optional
            How many of them have to answer; all where nothing is said. With as many answers, or
            once so many cannot come any more, the subtask is over for whoever waits.
        deadline : datetime, timedelta or str, optional
            When the subtask is over in any case: a moment, or how long from now.

        Returns
        -------
        dict
            The task; its `id` is what the other methods ask for.

        Raises
        ------
        ValueError, Unsupported
            When quorum or deadline make no sense, or the server does not know them.
        ServerError
            When the server or the node refuses it, for an organization that does not take part
            for instance.
        """
        if description is None:
            description = f"task from container on node_id={self.host_node_id}"
        return self.post_task(
            name=name,
            description=description,
            image=self.image,
            collaboration_id=self.collaboration_id,
            input_=input_,
            organization_ids=organization_ids,
            database=self.database,
            data_format=data_format or JSON,
            quorum=quorum,
            deadline=deadline,
        )

    def encrypt_for(self, organization_id: int, data: bytes) -> str:
        """`data` as base64: the proxy of the node encrypts it for the organization."""
        return bytes_to_base64s(data)

    def _create_task(self, body: dict[str, Any]) -> dict[str, Any]:
        return order_task(self, body, _ABILITY, Patience(PATIENCE, limit=10))

    def get_task(self, task_id: int) -> dict[str, Any]:
        """A task; `complete` tells whether all its runs have ended."""
        task: dict[str, Any] = self.send("get", f"task/{task_id}")
        return task

    def wait_for_task(self, task_id: int, timeout: float | None = None) -> dict[str, Any]:
        """Wait until a task is over, and return it.

        That is when all its runs have ended, or it has the answers that it needs, or its
        deadline has passed.

        Parameters
        ----------
        timeout : float, optional
            Seconds; without it, as long as it takes.

        Raises
        ------
        TimeoutError
            When it took longer.
        ValueError
            When a function would wait for its own task for ever.
        """
        if timeout is None and task_id == self.task_id:
            raise ValueError(f"Task {task_id} is that of this function, and ends after it")
        end = None if timeout is None else time.monotonic() + timeout
        while True:
            left = LONG_POLL if end is None else min(LONG_POLL, max(0.0, end - time.monotonic()))
            task: dict[str, Any] = self.send(
                "get", f"task/{task_id}", params={"wait": f"{left:.3f}"}, read_timeout=left + 30
            )
            if task["complete"]:
                return task
            if end is not None and time.monotonic() >= end:
                raise TimeoutError(f"Task {task_id} did not end within {timeout:g} seconds")

    @overload
    def wait_for_results(
        self,
        task_id: int,
        interval: float = 1,
        *,
        timeout: float | None = None,
        allow_failures: Literal[False] = False,
    ) -> list[Any]: ...

    @overload
    def wait_for_results(
        self,
        task_id: int,
        interval: float = 1,
        *,
        timeout: float | None = None,
        allow_failures: Literal[True],
    ) -> Answers: ...

    def wait_for_results(
        self,
        task_id: int,
        interval: float = 1,
        *,
        timeout: float | None = None,
        allow_failures: bool = False,
    ) -> list[Any] | Answers:
        """Wait for a task and return the values of its runs, in the order of the runs.

        Of a task with a quorum or a deadline those that are there in time; which organizations
        are missing or late is told with `allow_failures`.

        Parameters
        ----------
        task_id : int
        interval : float
            Accepted as in later releases and not needed: the server answers when there is news.
        timeout : float, optional
            Seconds; without it, as long as it takes.
        allow_failures : bool
            Whether runs may fail. Then what is returned has `answers` and `failures`, each by
            the id of the organization.

        Raises
        ------
        TaskFailed
            When a run failed and none may, or fewer came in time than have to; its text names
            each organization and the reason.
        DeserializationException
            When an answer cannot be read and none may fail.
        TimeoutError
            When it took longer than `timeout` seconds.
        """
        task = self.wait_for_task(task_id, timeout)
        runs = self.get_runs(task_id)
        if allow_failures:
            return sort_out(runs, self.allow_pickle, task)
        return [self._value(run) for run in require_success(task, runs)]

    @overload
    def ask(
        self,
        method: str,
        *,
        organizations: list[int] | None = None,
        allow_failures: Literal[False] = False,
        quorum: int | None = None,
        deadline: Deadline | None = None,
        **kwargs: Any,
    ) -> dict[int, Any]: ...

    @overload
    def ask(
        self,
        method: str,
        *,
        organizations: list[int] | None = None,
        allow_failures: Literal[True],
        quorum: int | None = None,
        deadline: Deadline | None = None,
        **kwargs: Any,
    ) -> Answers: ...

    def ask(
        self,
        method: str,
        *,
        organizations: list[int] | None = None,
        allow_failures: bool = False,
        quorum: int | None = None,
        deadline: Deadline | None = None,
        **kwargs: Any,
    ) -> dict[int, Any] | Answers:
        """Call a federated function at organizations, and wait for what all of them answer.

        Parameters
        ----------
        method : str
            Its name, without the prefix `RPC_`.
        organizations : list of int, optional
            Their ids; all of the collaboration where nothing is said.
        allow_failures : bool
            Whether organizations may fail. Then what is returned has `answers` and `failures`,
            each by the id of the organization; who is missing or late is among these.
        quorum, deadline
            How many have to answer, and by when, as for `create_new_task`. Then what is returned
            holds those that answered in time.
        **kwargs
            What the function gets besides its data. Tables, arrays, dates and the like come
            to it as what they are here, and so do those in its answer.

        Returns
        -------
        dict or Answers
            The answer of each organization, by its id.

        Raises
        ------
        TaskFailed
            When a run failed and none may, or fewer came in time than have to; its text names
            each organization and the reason.
        DeserializationException
            When an answer cannot be read and none may fail.

        Examples
        --------
        >>> client.ask("sum_partial", column="age")
        {1: {'sum': 812, 'count': 17}, 2: {'sum': 95, 'count': 2}}
        >>> asked = client.ask("sum_partial", allow_failures=True, column="age")
        >>> asked.failures[2].reason
        'There are fewer than 10 usable rows in this database'
        """
        if organizations is None:
            members = self.get_organizations_in_my_collaboration()
            organizations = [organization["id"] for organization in members]
        from vantage6.common.typed import wrap

        # The subtask runs this image, whose wrapper reads the typed form.
        arguments = {name: wrap(value) for name, value in kwargs.items()}
        input_ = {"method": method, "kwargs": arguments, "typed": True}
        made = self.create_new_task(input_, organizations, quorum=quorum, deadline=deadline)
        task = self.wait_for_task(made["id"])
        runs = self.get_runs(made["id"])
        if allow_failures:
            return sort_out(runs, self.allow_pickle, task)
        good = require_success(task, runs)
        return {run["organization"]: self._value(run) for run in good}

    def get_runs(self, task_id: int) -> list[dict[str, Any]]:
        """The runs of a task as the server shows them, with `organization` and `status`."""
        runs: list[dict[str, Any]] = self.send("get", f"task/{task_id}/result")
        return sorted(runs, key=lambda run: run["id"])

    def get_results(self, task_id: int, **_: Any) -> list[Any]:  # type: ignore[override]
        """The values of the runs that have one, as ever: the others are left out.

        `wait_for_results` tells about failures instead.
        """
        return [self._value(run) for run in self.get_runs(task_id) if run["result"]]

    def get_algorithm_addresses(self, task_id: int) -> list[dict[str, Any]]:
        """Where the containers of a task listen: `ip`, `port` and `label` of each port."""
        return [
            {"ip": run["node"]["ip"], "port": port["port"], "label": port["label"]}
            for run in self.get_runs(task_id)
            for port in run.get("ports") or []
        ]

    def get_algorithm_address_by_label(self, task_id: int, label: str) -> str | None:
        """`ip:port` of the first port with a label, None when there is none."""
        for address in self.get_algorithm_addresses(task_id):
            if address["label"] == label:
                return f"{address['ip']}:{address['port']}"
        return None

    def _value(self, run: dict[str, Any]) -> Any:
        return value_of(run, self.allow_pickle)


AlgorithmClient = ContainerClient

__all__ = ["LONG_POLL", "AlgorithmClient", "Answers", "ContainerClient", "Failure"]
