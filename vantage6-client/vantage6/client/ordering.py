"""Ordering a task exactly once, although the answer to the order may be lost on the way.

Each order carries a key of its own. A server that keeps such keys answers the same order with the
same task, however often it comes, so there it is repeated. Elsewhere a second order could be a
second task: there whoever asked is told that nobody knows.
"""

import time
import uuid
from typing import TYPE_CHECKING, Any

from vantage6.common.exceptions import ServerError, ServerUnreachable, ServiceUnavailable
from vantage6.common.retry import Backoff
from vantage6.common.wire import IDEMPOTENCY_KEY

if TYPE_CHECKING:
    from vantage6.client.client import UserClient

# Seconds
PATIENCE = 60.0
FIRST_PAUSE = 0.2
LONGEST_PAUSE = 5.0

Task = dict[str, Any]


def order_task(client: "UserClient", body: dict[str, Any]) -> Task:
    """Create a task, and repeat the order where that is safe.

    Parameters
    ----------
    client : UserClient
    body : dict
        What `POST /task` takes.

    Returns
    -------
    dict
        The task.

    Raises
    ------
    ServerError
        When the server refused it.
    ServerUnreachable
        When there was no answer for a minute, or from a server at which a repetition could
        create a second task; the task may exist.
    """
    key, lost = str(uuid.uuid4()), None
    pauses, end = Backoff(FIRST_PAUSE, limit=LONGEST_PAUSE), time.monotonic() + PATIENCE
    while True:
        try:
            if lost and not _keeps_keys(client):
                break
            task: Task = client.send("post", "task", json=body, headers={IDEMPOTENCY_KEY: key})
            return task
        except (ServerUnreachable, ServiceUnavailable) as error:
            lost = lost or error
            pause = pauses.pause()
            if time.monotonic() + pause > end:
                break
            client.log.warning("%s; the task is ordered again in %.1f s", error, pause)
            time.sleep(pause)
    raise ServerUnreachable(
        f"{lost}. The task may have been created all the same: look with task.list() before you "
        "ask again"
    ) from lost


def _keeps_keys(client: "UserClient") -> bool:
    """Whether the server knows an order again by its key; those of the classic line do not."""
    try:
        return client.send("get", "version").get("idempotency_keys") is True
    except ServiceUnavailable:
        raise
    except ServerError as error:
        client.log.debug("The server does not tell what it can do: %s", error)
        return False
