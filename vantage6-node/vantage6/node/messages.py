"""What the daemon hears of: the messages in its queue, besides those of socket and engine."""

from dataclasses import dataclass

from vantage6.node.assignment import Assignment
from vantage6.node.server import Identity
from vantage6.node.state import Event, Trace
from vantage6.node.work import RunWork


@dataclass(frozen=True)
class LoggedIn:
    """The server knows us, and nothing speaks against working for it."""

    identity: Identity
    work: RunWork


@dataclass(frozen=True)
class Happened:
    """Something came of an action for a run."""

    result_id: int
    event: Event


@dataclass(frozen=True)
class Synced:
    """What the server expects of us, as it was when we asked; of one task or of all."""

    runs: list[Assignment]
    complete: bool
    asked_at: float


@dataclass(frozen=True)
class Taken:
    """The runs that the server gave us, up to as many as we asked for."""

    runs: list[Assignment]
    limit: int
    only_subtasks: bool
    asked_at: float


@dataclass(frozen=True)
class Listed:
    """Which process of this node has which of its runs that have begun, when we asked."""

    holders: dict[int, str]
    asked_at: float


@dataclass(frozen=True)
class Killed:
    """Runs of ours that were killed, and of which the server does not know whether they stopped."""

    result_ids: list[int]


@dataclass(frozen=True)
class LeftBehind:
    """Of a run of an earlier process there is something that could not be removed."""

    result_id: int


@dataclass(frozen=True)
class ServerAway:
    """The server could not be asked: who we are, or what there is to do."""

    reason: str


@dataclass(frozen=True)
class Looked:
    """What containers there are, as it was when we looked."""

    traces: dict[int, Trace]
    looked_at: float


@dataclass(frozen=True)
class Fatal:
    """The node cannot go on."""

    error: Exception
