"""How runs end that cannot be started: what ends them, and what does not."""

import pytest

from vantage6.common.exceptions import EncryptionError, KeyChanged, ServerError, ServerUnreachable
from vantage6.common.task_status import TaskStatus
from vantage6.node import refusals
from vantage6.node.audit import AuditUnavailable
from vantage6.node.databases import DatabaseMissing
from vantage6.node.envelopes import NotAccepted
from vantage6.node.image.signature import Unsigned
from vantage6.node.journal import JournalError
from vantage6.node.policy import NotAllowed, Origin
from vantage6.node.refusals import NoStart, no_start
from vantage6.node.runner.interface import (
    ContainerMissing,
    EngineUnreachable,
    ImageMissing,
    RunnerError,
)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (KeyChanged("why"), TaskStatus.NOT_ALLOWED),
        (NotAccepted("why"), TaskStatus.NOT_ALLOWED),
        (EncryptionError("why"), TaskStatus.START_FAILED),
        (DatabaseMissing("why"), TaskStatus.START_FAILED),
        (ImageMissing("why"), TaskStatus.NO_DOCKER_IMAGE),
        (ContainerMissing("why"), TaskStatus.START_FAILED),
        (RunnerError("why"), TaskStatus.START_FAILED),
    ],
)
def test_an_obstacle_ends_the_run_in_its_own_words(error, status):
    assert no_start(error) == NoStart(status, "why")


def test_the_owner_learns_which_rule_decided():
    origin = Origin(1, proven=True)
    assert no_start(NotAllowed("why", "allowed_images", origin)) == NoStart(
        TaskStatus.NOT_ALLOWED, "why", "allowed_images", origin
    )
    assert no_start(Unsigned("why")) == NoStart(
        TaskStatus.NOT_ALLOWED, "why", "required_signatures"
    )


@pytest.mark.parametrize(
    "error",
    [
        EngineUnreachable("away"),
        ServerUnreachable("away"),
        ServerError(503, "away"),
        AuditUnavailable("full"),
        JournalError("full"),
        OSError("full"),
        RuntimeError("nobody foresaw this"),
    ],
)
def test_what_passes_or_was_not_foreseen_is_no_end(error):
    assert no_start(error) is None


def test_no_line_of_the_table_is_hidden_by_an_earlier_one():
    kinds = [kind for kind, _ in refusals._STATUS]
    for number, kind in enumerate(kinds):
        assert not any(issubclass(kind, earlier) for earlier in kinds[:number]), kind
