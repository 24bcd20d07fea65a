"""How a run ends that cannot be started: the one table from an obstacle to a status.

The rooms that a start goes through raise what stood in its way, in words for the researcher.
What is not in the table is no end: it will pass, or nobody foresaw it; see `work.py`.
"""

from dataclasses import dataclass

from vantage6.common.exceptions import EncryptionError, KeyChanged
from vantage6.common.task_status import TaskStatus
from vantage6.node.agreement import Disagreement
from vantage6.node.copies import NoCopy
from vantage6.node.databases import DatabaseMissing, DatabaseUnreadable
from vantage6.node.destinations import NoDestination
from vantage6.node.envelopes import NotAccepted
from vantage6.node.image.signature import Unsigned
from vantage6.node.inbox import InputTooLarge
from vantage6.node.outbound.gateway import RelayFailed
from vantage6.node.policy import NotAllowed, Origin
from vantage6.node.runner.interface import EngineUnreachable, ImageMissing, RunnerError

# The first that fits counts: special kinds of errors stand before the general ones.
_STATUS: tuple[tuple[type[Exception], TaskStatus], ...] = (
    (NotAllowed, TaskStatus.NOT_ALLOWED),
    (NotAccepted, TaskStatus.NOT_ALLOWED),
    (Disagreement, TaskStatus.NOT_ALLOWED),
    (KeyChanged, TaskStatus.NOT_ALLOWED),
    (Unsigned, TaskStatus.NOT_ALLOWED),
    (InputTooLarge, TaskStatus.NOT_ALLOWED),
    (EncryptionError, TaskStatus.START_FAILED),
    (DatabaseMissing, TaskStatus.START_FAILED),
    (DatabaseUnreadable, TaskStatus.START_FAILED),
    (NoCopy, TaskStatus.START_FAILED),
    (NoDestination, TaskStatus.START_FAILED),
    (RelayFailed, TaskStatus.START_FAILED),
    (ImageMissing, TaskStatus.NO_DOCKER_IMAGE),
    (RunnerError, TaskStatus.START_FAILED),
)


@dataclass(frozen=True)
class NoStart:
    """The end of a run before its container has started.

    Attributes
    ----------
    status : TaskStatus
    reason : str
        For the researcher.
    rule : str
        What of the configuration decided, for the owner.
    origin : Origin, optional
        Who asked, where more is known of it than what the server says.
    """

    status: TaskStatus
    reason: str
    rule: str = ""
    origin: Origin | None = None


def no_start(error: Exception) -> NoStart | None:
    """How a run ends by what its start raised; None where that is no end."""
    if isinstance(error, EngineUnreachable):
        return None
    for kind, status in _STATUS:
        if isinstance(error, kind):
            return NoStart(status, str(error), _rule(error), _origin(error))
    return None


def _rule(error: Exception) -> str:
    if isinstance(error, NotAllowed):
        return error.rule
    return "required_signatures" if isinstance(error, Unsigned) else ""


def _origin(error: Exception) -> Origin | None:
    return error.origin if isinstance(error, NotAllowed) else None
