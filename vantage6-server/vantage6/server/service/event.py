"""Events of a request: recorded with its transaction, sent once that has been committed.

A service records what happened on the database session. When the outermost transaction is
committed the events go to every subscriber (the sockets, the waiting long-polls), in the order
in which they were recorded. When it is rolled back they are forgotten, also those of a
savepoint alone.

Where there are several replicas the broker takes them to the subscribers of the others, too; see
`vantage6.server.broker`.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy.orm import Session, scoped_session, sessionmaker

from vantage6.server.service import commit

if TYPE_CHECKING:
    from vantage6.server.model.result import Result
    from vantage6.server.model.task import Task
    from vantage6.server.service.own_run import OwnRun

log = logging.getLogger(__name__)

_HUB = "vantage6_event_hub"


@dataclass(frozen=True)
class Event:
    """Something that happened, in the form in which it leaves the server.

    Attributes
    ----------
    name : str
        The name of the socket event.
    payload : object
        What the socket event carries.
    rooms : tuple of str
        The socket rooms it goes to; none for an event that is not for sockets.
    task_id : int, optional
        The task whose waiters should look again.
    identity_id : int, optional
        The user or node whose credentials became void.
    to_admin : bool
        Whether it goes to all sockets of the namespace /admin instead.
    """

    name: str
    payload: Any = None
    rooms: tuple[str, ...] = ()
    task_id: int | None = None
    identity_id: int | None = None
    to_admin: bool = False


Subscriber = Callable[[Event], None]


def new_task(task: "Task") -> Event:
    """A task was created; told to the nodes that have a run in it. Flush the task before."""
    nodes = {result.node.id for result in task.results if result.node}
    return Event("new_task", task.id, tuple(node_room(node_id) for node_id in sorted(nodes)))


def result_status(result: "Result | OwnRun") -> Event:
    """A result was created or changed its state. Flush the result before."""
    task = result.task
    payload = {
        "result_id": result.id,
        "task_id": task.id,
        "parent_id": task.parent_id,
        "run_id": task.run_id,
        "status": str(result.status),
        "organization_id": result.organization_id,
        "collaboration_id": task.collaboration_id,
    }
    # Users alone: nodes do nothing with it, and there may be a thousand of them.
    rooms = (watchers_room(task.collaboration_id),)
    return Event("status_update", payload, rooms, task_id=task.id)


def task_settled(task: "Task") -> Event:
    """A task was settled: who waits for it need wait no longer, whatever its other runs do."""
    payload = {
        "task_id": task.id,
        "parent_id": task.parent_id,
        "run_id": task.run_id,
        "collaboration_id": task.collaboration_id,
    }
    rooms = (watchers_room(task.collaboration_id),)
    return Event("task_settled", payload, rooms, task_id=task.id)


def task_deleted(task: "Task") -> Event:
    """A task was deleted: who waits for it learns that it is gone."""
    return Event("task_deleted", task_id=task.id)


def kill_containers(payload: Mapping[str, Any], node_ids: Iterable[int]) -> Event:
    """Runs were stopped: told to the nodes that have their containers."""
    return Event("kill_containers", dict(payload), tuple(map(node_room, node_ids)))


def credentials_changed(identity_id: int) -> Event:
    """A user or node was deleted, or got another password or key: its sockets are closed."""
    return Event("credentials_changed", identity_id=identity_id)


def node_status_changed() -> Event:
    """A node came or went."""
    return Event("node-status-changed", to_admin=True)


def collaboration_room(collaboration_id: int) -> str:
    """The socket room of a collaboration."""
    return f"collaboration_{collaboration_id}"


def watchers_room(collaboration_id: int) -> str:
    """The socket room of the users in a collaboration, its nodes left out."""
    return f"{collaboration_room(collaboration_id)}_users"


def node_room(node_id: int) -> str:
    """The socket room of a node."""
    return f"node_{node_id}"


def record(session: Session, event: Event) -> None:
    """Let an event leave when the transaction of this session is committed."""
    hub: EventHub | None = session.info.get(_HUB)
    if hub:
        commit.after(session, lambda: hub.publish(event))


class EventHub:
    """Takes the events of committed transactions to whoever subscribed.

    One per application, in `app.extensions["events"]`.
    """

    def __init__(self) -> None:
        self._subscribers: list[Subscriber] = []
        self._carriers: list[Subscriber] = []
        self._waiters = TaskWaiters()
        self._lookers: list[Callable[[], None]] = [self._waiters.wake_all]
        self.subscribe(self._waiters.wake)

    def subscribe(self, subscriber: Subscriber) -> None:
        """Call `subscriber` with every event, in the thread that committed it or brought it."""
        self._subscribers.append(subscriber)

    def carry(self, carrier: Subscriber) -> None:
        """Call `carrier` with every event of this process, to take it to others; at once."""
        self._carriers.append(carrier)

    def attach(self, sessions: "sessionmaker[Session] | scoped_session[Session]") -> None:
        """Send what is recorded on the sessions of this factory."""
        sessions.configure(info={_HUB: self})
        commit.attach(sessions)

    def publish(self, event: Event) -> None:
        """Send an event now, to whoever subscribed here and to other replicas."""
        self._tell(self._subscribers + self._carriers, event)

    def deliver(self, event: Event) -> None:
        """Send an event now to whoever subscribed here, such as one of another replica."""
        self._tell(self._subscribers, event)

    def when_missed(self, look: Callable[[], None]) -> None:
        """Call `look` whenever events may have been missed."""
        self._lookers.append(look)

    def look_again(self) -> None:
        """Let all look into the database: events may have been missed."""
        for look in self._lookers:
            look()

    def wait_for_task(self, task_id: int, is_final: Callable[[], bool], timeout: float) -> bool:
        """Block until a task is final; see `TaskWaiters.wait`."""
        return self._waiters.wait(task_id, is_final, timeout)

    @staticmethod
    def _tell(subscribers: Iterable[Subscriber], event: Event) -> None:
        for subscriber in subscribers:
            try:
                subscriber(event)
            except Exception:
                # The transaction is committed: a failure to tell of it must not become an
                # error of the request, and the others are still to be told.
                log.exception("Event %s could not be delivered", event.name)

    def count_waiting(self) -> int:
        """How many wait for a task."""
        return self._waiters.count()

    def close(self) -> None:
        """Send all waiters home: the server stops."""
        self._waiters.close()


class TaskWaiters:
    """Threads that wait for a task to change."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[int, set[threading.Event]] = {}
        self._closed = False

    def wait(self, task_id: int, is_final: Callable[[], bool], timeout: float) -> bool:
        """Block until a task is final.

        The caller must hold no database connection: `is_final` opens and closes its own.
        It is asked once at the start and again after every event of the task.

        Parameters
        ----------
        task_id : int
        is_final : callable
            Looks into the database; may raise, which ends the wait.
        timeout : float
            Seconds to wait at most.

        Returns
        -------
        bool
            False when the time was over, or the server stops, before the task was final.
        """
        deadline = time.monotonic() + timeout
        # Registered before the first look, so that no change falls in between.
        with self._registered(task_id) as changed:
            while not is_final():
                if not changed.wait(deadline - time.monotonic()) or self._closed:
                    return False
                # Cleared before the next look: what happens from here on wakes us again.
                changed.clear()
            return True

    def wake(self, event: Event) -> None:
        """Let those look again who wait for the task of an event."""
        if event.task_id is None:
            return
        with self._lock:
            for changed in self._waiting.get(event.task_id, ()):
                changed.set()

    def wake_all(self) -> None:
        """Let all look again."""
        with self._lock:
            for waiting in self._waiting.values():
                for changed in waiting:
                    changed.set()

    def count(self) -> int:
        """How many wait."""
        with self._lock:
            return sum(map(len, self._waiting.values()))

    def close(self) -> None:
        """End all waiting, also of those who come later."""
        with self._lock:
            self._closed = True
        self.wake_all()

    @contextmanager
    def _registered(self, task_id: int) -> Iterator[threading.Event]:
        changed = threading.Event()
        with self._lock:
            self._waiting.setdefault(task_id, set()).add(changed)
            if self._closed:
                changed.set()
        try:
            yield changed
        finally:
            with self._lock:
                self._waiting[task_id].discard(changed)
                if not self._waiting[task_id]:
                    del self._waiting[task_id]
