"""Duties come back, and one that fails stops no other."""

import logging
import time

import pytest

from vantage6.server.service.housekeeping import Housekeeping


@pytest.fixture
def housekeeping():
    return Housekeeping()


def test_a_duty_is_done_when_it_is_due_and_again_after_as_long(housekeeping):
    done = []
    start = time.monotonic()
    housekeeping.every(10, "a duty", lambda: done.append("done"))
    for later, times in ((5, 0), (11, 1), (15, 1), (22, 2)):
        housekeeping.do(start + later)
        assert len(done) == times, later


def test_one_that_fails_is_logged_and_stops_no_other(housekeeping, caplog):
    done = []
    housekeeping.every(1, "a bad one", lambda: 1 / 0)
    housekeeping.every(1, "a good one", lambda: done.append("done"))
    with caplog.at_level(logging.ERROR):
        housekeeping.do(time.monotonic() + 2)
    assert done == ["done"]
    assert "a bad one failed" in caplog.text


def test_after_the_end_nothing_is_begun(housekeeping):
    housekeeping.every(1, "a duty", lambda: pytest.fail("it was begun"))
    housekeeping.close()
    housekeeping.do(time.monotonic() + 2)
