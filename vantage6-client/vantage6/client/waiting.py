"""Waiting for a task to end.

The server's database is the truth and the socket is a hint: an event only says when to look
again. Where no socket can be had, one long request after another waits for the end; where the
server does not know how to wait either (one of the classic line), it is asked again and again.
"""

import math
import threading
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from vantage6.client.progress import Progress, Silence, progress_of
from vantage6.common.client.caller import PATIENCE
from vantage6.common.client.socket import TaskSocket
from vantage6.common.exceptions import ServerUnreachable
from vantage6.common.retry import Backoff
from vantage6.common.task_status import is_final

if TYPE_CHECKING:
    from vantage6.client.client import UserClient

# Seconds
LONG_POLL = 30.0
# A socket brings all the news: to look without is for the unforeseen, and with a thousand who wait
# it is most of what they cost. So who has waited for long looks seldom.
LOOK_ANYWAY, LOOK_AT_LAST = 30.0, 300.0
SOCKET_PATIENCE = 1.0
SHORTEST_PAUSE = 0.1

Task = dict[str, Any]


def wait_for_task(
    client: "UserClient",
    task_id: int,
    timeout: float | None = None,
    *,
    show_progress: bool = True,
    longest_pause: float = 1.0,
) -> Task:
    """Wait until a task is over, and return it.

    Raises
    ------
    TimeoutError
        When it took longer than `timeout` seconds.
    ServerError, ServerUnreachable
        When the server cannot be asked.
    """
    end = None if timeout is None else time.monotonic() + timeout
    task = _look(client, task_id)
    if task["complete"]:
        return task
    progress = progress_of(client, task) if show_progress else Silence()
    with progress, _Events(client, task_id, progress) as events:
        # Looked at again as soon as the socket is there: what ended before that moment has
        # sent its event to nobody.
        events.wait(min(SOCKET_PATIENCE, _left(end)))
        pauses = _Pauses(
            with_socket=Backoff(LOOK_ANYWAY, limit=LOOK_AT_LAST),
            without=Backoff(SHORTEST_PAUSE, factor=1.5, limit=longest_pause),
        )
        task = _look(client, task_id)
        while not task["complete"]:
            if _left(end) <= 0:
                raise TimeoutError(f"Task {task_id} did not end within {timeout:g} seconds")
            if events.may_have_missed_some():
                progress.look()
            task = _next_look(client, task_id, events, pauses, _left(end))
        if events.may_have_missed_some() or not progress.is_settled:
            progress.look()
        progress.end(task)
    return task


def wait_until_stopped(client: "UserClient", run_id: int, timeout: float) -> None:
    """Wait until nodes have confirmed that nothing is left of what was killed.

    Parameters
    ----------
    client : UserClient
    run_id : int
        That of the task and all that belongs to it.
    timeout : float

    Raises
    ------
    TimeoutError
        When it took longer.
    """
    end = time.monotonic() + timeout
    pauses = Backoff(SHORTEST_PAUSE, factor=1.5, limit=1.0)
    params = {"state": "stopping", "run_id": run_id, "per_page": 100}
    while running := client.request("result", params=params):
        if _left(end) <= 0:
            ids = ", ".join(str(run["id"]) for run in running)
            raise TimeoutError(
                f"It is not confirmed that these runs have stopped at their nodes: {ids}"
            )
        time.sleep(min(pauses.pause(), _left(end)))


def _next_look(
    client: "UserClient", task_id: int, events: "_Events", pauses: "_Pauses", left: float
) -> Task:
    """The task when there is news of it, or after a while."""
    # A server that is started anew in the meantime is waited for.
    patience = min(PATIENCE, left)
    if events.connected:
        events.wait(min(pauses.with_socket.pause(), left))
        return _look(client, task_id, patience=patience)
    wait, started = min(LONG_POLL, left), time.monotonic()
    task = _look(client, task_id, wait, patience)
    if not task["complete"] and time.monotonic() - started < wait / 2:
        events.wait(min(pauses.without.pause(), left))
    return task


def _look(client: "UserClient", task_id: int, wait: float = 0, patience: float = 0) -> Task:
    task: Task = client.send_patiently(
        "get",
        f"task/{task_id}",
        params={"wait": f"{wait:.3f}"} if wait else None,
        read_timeout=wait + LONG_POLL,
        patience=patience,
    )
    return task


def _left(end: float | None) -> float:
    return math.inf if end is None else end - time.monotonic()


class _Pauses(NamedTuple):
    """How long nothing is asked where a socket would bring the news, and where there is none."""

    with_socket: Backoff
    without: Backoff


class _Events:
    """Tells when there is news of a task; connects on a thread of its own.

    Attributes
    ----------
    connected : bool
        Whether news reaches us.
    """

    def __init__(self, client: "UserClient", task_id: int, progress: Progress | Silence) -> None:
        self._client, self._task_id, self._progress = client, task_id, progress
        self._news, self._over = threading.Event(), threading.Event()
        self.connected = False
        self._has_gap = True
        self._socket = TaskSocket(
            client.server_url,
            lambda: client.token,
            {"status_update": self._on_status_update, "task_settled": self._on_task_settled},
            on_connect=lambda: self._on_connection(True),
            on_disconnect=lambda: self._on_connection(False),
            session=client.socket_session(),
        )

    def __enter__(self) -> Self:
        threading.Thread(target=self._connect, name="task-events", daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._over.set()
        self._socket.close()

    def wait(self, seconds: float) -> None:
        """Wait for news, not longer than this."""
        self._news.wait(max(seconds, 0))
        # Cleared before the look that follows: news from now on asks for one more look.
        self._news.clear()

    def may_have_missed_some(self) -> bool:
        """Whether there was a time without a connection since this was asked last."""
        has_gap, self._has_gap = self._has_gap, not self.connected
        return has_gap

    def _connect(self) -> None:
        try:
            self._socket.connect()
        except ServerUnreachable as error:
            self._client.log.debug("Waiting without a socket: %s", error)
            self._news.set()
        if self._over.is_set():
            self._socket.close()

    def _on_connection(self, connected: bool) -> None:
        self.connected = connected
        self._has_gap = True
        self._news.set()

    def _on_task_settled(self, payload: dict[str, Any]) -> None:
        if payload.get("task_id") == self._task_id:
            self._news.set()

    def _on_status_update(self, payload: dict[str, Any]) -> None:
        self._progress.event(payload)
        # A classic server sends the id of the result only.
        if payload.get("task_id", self._task_id) != self._task_id:
            return
        if "status" not in payload or is_final(payload["status"]):
            self._news.set()
