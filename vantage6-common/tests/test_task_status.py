"""The table of states: what is legal, what is final, what a task is made of."""

import itertools

import pytest

from vantage6.common.exceptions import IllegalTransition
from vantage6.common.task_status import (
    FINAL,
    LEGAL_MOVES,
    TaskStatus,
    check_move,
    combined,
    is_failure,
    is_final,
)

S = TaskStatus


def test_nothing_leaves_a_final_state():
    assert not [move for move in LEGAL_MOVES if move[0] in FINAL]


def test_every_final_state_can_be_reached():
    assert {new for _, new in LEGAL_MOVES} == FINAL | {S.INITIALIZING, S.ACTIVE}


@pytest.mark.parametrize(("old", "new"), list(itertools.product(S, S)))
def test_check_move_follows_the_table(old, new):
    repeated = old is new and old not in FINAL
    if (old, new) in LEGAL_MOVES or repeated:
        check_move(old, new)
    else:
        with pytest.raises(IllegalTransition, match="cannot become"):
            check_move(old, new)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (S.PENDING, S.ACTIVE),
        (S.PENDING, S.NOT_ALLOWED),
        (S.INITIALIZING, S.NO_DOCKER_IMAGE),
        (S.ACTIVE, S.COMPLETED),
        (S.ACTIVE, S.KILLED),
    ],
)
def test_usual_moves_are_legal(old, new):
    check_move(old, new)


@pytest.mark.parametrize(("old", "new"), [(S.ACTIVE, S.PENDING), (S.CRASHED, S.COMPLETED)])
def test_moves_back_are_not(old, new):
    with pytest.raises(IllegalTransition):
        check_move(old, new)


def test_only_completed_is_a_success():
    assert {status for status in S if is_final(status) and not is_failure(status)} == {S.COMPLETED}


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ([], S.COMPLETED),
        ([S.PENDING, S.PENDING], S.PENDING),
        ([S.PENDING, S.INITIALIZING], S.INITIALIZING),
        ([S.COMPLETED, S.PENDING], S.ACTIVE),
        ([S.ACTIVE, S.CRASHED], S.ACTIVE),
        ([S.COMPLETED, S.COMPLETED], S.COMPLETED),
        ([S.COMPLETED, S.CRASHED, S.NOT_ALLOWED], S.CRASHED),
        (["completed", "killed by user"], S.KILLED),
    ],
)
def test_a_task_is_what_its_runs_are(statuses, expected):
    assert combined(statuses) is expected
