"""Ordering a subtask exactly once, although node or server may end before they answer.

Each order carries a key of its own. A server that keeps such keys, behind a node that passes them
on, answers the same order with the same task. Elsewhere a second order could be a second task:
there it is not repeated, and the algorithm is told that there was no answer.
"""

import time
import uuid
from typing import TYPE_CHECKING, Any

from vantage6.common.client.caller import PATIENCE
from vantage6.common.exceptions import ServerError, ServerUnreachable, ServiceUnavailable
from vantage6.common.retry import Backoff
from vantage6.common.wire import IDEMPOTENCY_KEY, IDEMPOTENCY_REPEATED

if TYPE_CHECKING:
    from vantage6.common.client.container import ContainerClient


def order_subtask(client: "ContainerClient", body: dict[str, Any]) -> dict[str, Any]:
    """Create a subtask, and repeat the order where that is safe.

    Parameters
    ----------
    client : ContainerClient
    body : dict
        What `POST /task` takes.

    Returns
    -------
    dict
        The task.

    Raises
    ------
    ServerError
        When node or server refused it.
    ServerUnreachable
        When there was no answer.
    """
    headers = {IDEMPOTENCY_KEY: str(uuid.uuid4())}
    backoff, end = Backoff(limit=10), time.monotonic() + PATIENCE
    while True:
        try:
            task: dict[str, Any] = client.send("post", "task", json=body, headers=headers)
            return task
        except (ServerUnreachable, ServiceUnavailable) as error:
            pause = backoff.pause()
            if time.monotonic() + pause > end or not _may_repeat(client):
                raise
            client.log.warning("%s; the subtask is ordered again in %.1f s", error, pause)
            time.sleep(pause)
            headers[IDEMPOTENCY_REPEATED] = "true"


def _may_repeat(client: "ContainerClient") -> bool:
    """Whether server and node know an order again by its key."""
    try:
        return client.send("get", "version").get("repeatable_subtasks") is True
    except ServerError as error:
        client.log.debug("The server does not tell what it can do: %s", error)
        return False
