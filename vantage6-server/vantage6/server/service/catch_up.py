"""What is told although the event of it was missed: found in the database.

Events pass a replica while it or another one has no broker. As long as that lasts it looks every
few seconds, and once more when it is over. Nobody minds being told twice: nodes ask what there is
for them, and find that they have it already.
"""

import time
from datetime import datetime, timedelta

from sqlalchemy import Select, and_, func, select
from sqlalchemy.orm import Session, contains_eager, load_only

from vantage6.common.task_status import TaskStatus
from vantage6.server.broker import Broker
from vantage6.server.database import Database
from vantage6.server.model import Node, Result, Task
from vantage6.server.model.base import now
from vantage6.server.service import event, kill
from vantage6.server.service.event import Event, EventHub

# How often it is looked while the broker is away.
LOOK_SECONDS = 3.0
# So much longer than the broker was away is looked back: the clocks of replicas differ, and what
# is committed last may have begun some time before.
MARGIN = timedelta(minutes=5)
# Among so many of the newest runs; others were told of long ago, or are asked for by their node.
NEWEST = 20_000

# A run, and whether it is to be stopped.
_Told = tuple[int, bool]
_IS_ITS_NODE = and_(
    Node.organization_id == Result.organization_id,
    Node.collaboration_id == Task.collaboration_id,
)


class CatchUp:
    """Finds what this replica was not told, and tells those who are connected to it.

    Parameters
    ----------
    database : Database
    hub : EventHub
    broker : Broker
    """

    def __init__(self, database: Database, hub: EventHub, broker: Broker) -> None:
        self._database, self._hub, self._broker = database, hub, broker
        self._since = now()
        self._told: set[_Told] = set()
        self._due, self._has_missed = 0.0, False

    def do(self) -> None:
        """Look if there is a reason to; to be called about every second."""
        # Until it was looked, which fails while the database is away too.
        self._has_missed = self._broker.take_missed() or self._has_missed
        is_away = not self._broker.is_up
        if self._has_missed or (is_away and time.monotonic() >= self._due):
            self._due = time.monotonic() + LOOK_SECONDS
            self._hub.look_again()
            self._tell()
            self._has_missed = False
        if not is_away:
            self._since = now()

    def _tell(self) -> None:
        with self._database.reading() as session:
            found = missed(session, self._since - MARGIN)
        for key in found.keys() - self._told:
            self._hub.deliver(found[key])
        # Only these can be found again.
        self._told = set(found)


def missed(session: Session, since: datetime) -> dict[_Told, Event]:
    """What nodes were to be told since a moment, and may not know yet."""
    told: dict[_Told, Event] = {}
    for result_id, task_id, node_id in session.execute(_new(since)):
        told[result_id, False] = Event("new_task", task_id, (event.node_room(node_id),))
    for result, node_id in session.execute(_killed(since)):
        payload = kill.payload(result.task.collaboration_id, [result])
        told[result.id, True] = event.kill_containers(payload, [node_id])
    return told


def _new(since: datetime) -> Select[int, int, int]:
    return (
        select(Result.id, Result.task_id, Node.id)
        .join(Result.task)
        .join(Node, _IS_ITS_NODE)
        .where(
            Result.finished_at.is_(None),
            Result.status == TaskStatus.PENDING,
            Result.assigned_at >= since,
        )
        .order_by(Result.id)
    )


def _killed(since: datetime) -> Select[Result, int]:
    newest = select(func.max(Result.id)).scalar_subquery()
    return (
        select(Result, Node.id)
        .join(Result.task)
        .join(Node, _IS_ITS_NODE)
        .options(
            contains_eager(Result.task).load_only(Task.collaboration_id),
            load_only(Result.id, Result.task_id, Result.organization_id),
        )
        .where(
            Result.id > newest - NEWEST,
            Result.status == TaskStatus.KILLED,
            Result.stopped_at.is_(None),
            Result.finished_at >= since,
        )
        .order_by(Result.id)
    )
