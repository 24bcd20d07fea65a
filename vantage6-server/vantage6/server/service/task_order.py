"""The same task for an order that is repeated, because the answer to it was lost on the way.

A client sends a word of its own with an order. Whoever sends the same order with the same word
again within a day gets the task that was made at first; nobody else can, whatever word they send.
"""

import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from vantage6.server.database import delete_unheld, insert_or_hold
from vantage6.server.exceptions import Conflict
from vantage6.server.model import Task, TaskOrder
from vantage6.server.model.base import now

LIFE = timedelta(days=1)


def once(
    session: Session,
    user_id: int,
    word: str,
    body: bytes,
    create: Callable[[], Task],
    *,
    at: datetime | None = None,
) -> Task:
    """The task of an order: made now, or when the order came for the first time.

    Parameters
    ----------
    session : Session
    user_id : int
        Who orders it.
    word : str
        What came with the order.
    body : bytes
        What is ordered.
    create : callable
        Makes the task.
    at : datetime, optional
        The moment, for tests.

    Raises
    ------
    Conflict
        When the word came with another order before, or the task is deleted by now.
    """
    at = at or now()
    delete_unheld(session, TaskOrder, TaskOrder.expires_at <= at)
    key, digest = _digest(f"{user_id} {word}".encode()), _digest(body)
    # Whoever orders the same in this moment waits here until we are done.
    values = {"user_id": user_id, "body": digest, "expires_at": at + LIFE}
    insert_or_hold(session, TaskOrder, key=key, **values)
    order = session.get_one(TaskOrder, key)
    if order.body != digest:
        raise Conflict("This idempotency key came with another task before; take a new one")
    if order.task_id is None:
        task = create()
        order.task_id = task.id
        return task
    made = session.get(Task, order.task_id)
    if made is None:
        raise Conflict("The task of this idempotency key is deleted")
    return made


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
