"""Ordering a task exactly once; what a researcher is told when nobody knows whether it exists."""

from typing import TYPE_CHECKING

from vantage6.common.client import ordering
from vantage6.common.client.ordering import Task
from vantage6.common.exceptions import ServerUnreachable, ServiceUnavailable
from vantage6.common.retry import Patience

if TYPE_CHECKING:
    from vantage6.client.client import UserClient

# Seconds
PATIENCE = 60.0
FIRST_PAUSE = 0.2
LONGEST_PAUSE = 5.0
# Servers of the classic line do not say that they know an order again.
_ABILITY = "idempotency_keys"


def order_task(client: "UserClient", body: Task) -> Task:
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
    patience = Patience(PATIENCE, first=FIRST_PAUSE, limit=LONGEST_PAUSE)
    try:
        return ordering.order_task(client, body, _ABILITY, patience)
    except (ServerUnreachable, ServiceUnavailable) as lost:
        raise ServerUnreachable(
            f"{lost}. The task may have been created all the same: look with task.list() before "
            "you ask again"
        ) from lost
