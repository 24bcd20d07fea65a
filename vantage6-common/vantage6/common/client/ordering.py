"""Ordering a task exactly once, although the answer to the order may be lost on the way.

Each order carries a key of its own. A server that keeps such keys, and a node in between that
passes them on, answers the same order with the same task, however often it comes: there it is
repeated. Elsewhere a second order could be a second task: there it is not.
"""

import uuid
from functools import partial
from typing import TYPE_CHECKING, Any

from vantage6.common.exceptions import ServerError, ServerUnreachable, ServiceUnavailable
from vantage6.common.retry import Patience
from vantage6.common.wire import IDEMPOTENCY_KEY, IDEMPOTENCY_REPEATED

if TYPE_CHECKING:
    from vantage6.common.client.caller import Caller

Task = dict[str, Any]


def order_task(client: "Caller", body: Task, ability: str, patience: Patience) -> Task:
    """Create a task, and repeat the order where that is safe.

    Parameters
    ----------
    client : Caller
    body : dict
        What `POST /task` takes.
    ability : str
        What `GET /version` says is true where an order may be repeated. It is asked for as part
        of each repetition: whoever is away in that moment is asked again.
    patience : Patience

    Returns
    -------
    dict
        The task.

    Raises
    ------
    ServerError
        When the order was refused.
    ServerUnreachable, ServiceUnavailable
        When there was no answer; the task may exist.
    """
    headers = {IDEMPOTENCY_KEY: str(uuid.uuid4())}
    lost: ServerUnreachable | ServiceUnavailable | None = None
    while True:
        try:
            if lost:
                if not _is_able(client, ability):
                    break
                headers[IDEMPOTENCY_REPEATED] = "true"
            task: Task = client.send("post", "task", json=body, headers=headers)
            return task
        except (ServerUnreachable, ServiceUnavailable) as error:
            lost = lost or error
            tell = partial(client.log.warning, "%s; the task is ordered again in %.1f s", error)
            if not patience.wait(tell):
                break
    raise lost


def _is_able(client: "Caller", ability: str) -> bool:
    try:
        return client.send("get", "version").get(ability) is True
    except ServiceUnavailable:
        raise
    except ServerError as error:
        client.log.debug("The server does not tell what it can do: %s", error)
        return False
