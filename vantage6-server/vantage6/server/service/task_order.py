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
    result_id: int | None = None,
    at: datetime | None = None,
) -> Task:
    """The task of an order: made now, or when the order came for the first time.

    Parameters
    ----------
    session : Session
    user_id : int
        Who orders it, or whose task a container works on.
    word : str
        What came with the order.
    body : bytes
        What is ordered. Not looked at for containers: what their node sends again is
        encrypted again, and not the same.
    create : callable
        Makes the task.
    result_id : int, optional
        The run of the container that orders it; its words are its own.
    at : datetime, optional
        The moment, for tests.

    Raises
    ------
    Conflict
        When the word came with another order before, or the task is deleted by now.
    """
    at = at or now()
    delete_unheld(session, TaskOrder, TaskOrder.expires_at <= at)
    owner = f"{user_id}" if result_id is None else f"result {result_id}"
    key = _digest(f"{owner} {word}".encode())
    digest = _digest(body if result_id is None else b"")
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
