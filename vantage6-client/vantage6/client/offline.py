"""Says which of the nodes that are about to be asked are offline."""

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

from vantage6.common.exceptions import ServerError, TooFewOnline
from vantage6.common.text import printable

if TYPE_CHECKING:
    from vantage6.client.client import UserClient

# From the warning up to the script: over `task.create` and what chooses fields of its answer.
_STACK = 4


class NodesOffline(UserWarning):
    """Nodes that are asked are offline: what they are asked waits until they are back."""


def look_who_is_offline(
    client: "UserClient",
    collaboration: int,
    organizations: Sequence[int],
    quorum: int | None,
    *,
    required: bool,
) -> None:
    """Warn of nodes that are offline; whoever may not see them is not kept from asking.

    Parameters
    ----------
    client : UserClient
    collaboration : int
    organizations : sequence of int
        Those that are to be asked.
    quorum : int, optional
        How many of them have to answer; all where nothing is said.
    required : bool
        Whether so many have to be online.

    Raises
    ------
    TooFewOnline
        When they have to be, and are not.
    ServerError
        When they have to be, and cannot be seen.
    """
    asked = set(organizations)
    try:
        away = client.node.offline(collaboration, list(asked))
    except ServerError as error:
        if required:
            raise
        client.log.debug("It is not known which nodes are offline: %s", error)
        return
    names = ", ".join(printable(node["name"]) for node in away)
    online, needed = len(asked) - len(away), len(asked) if quorum is None else quorum
    if required and online < needed:
        raise TooFewOnline(
            f"{online} node(s) are online, {needed} have to answer; offline: {names}"
        )
    if away:
        text = f"Offline, and asked once they are back: {names}"
        warnings.warn(text, NodesOffline, stacklevel=_STACK)
