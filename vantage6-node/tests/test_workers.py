import threading

import pytest

from vantage6.node.workers import ThreadWorkers


@pytest.fixture
def workers():
    workers = ThreadWorkers("test", 2)
    yield workers
    workers.stop(1)


def test_results_and_errors_come_back(workers):
    assert workers.submit(lambda: 5).result(timeout=30) == 5
    with pytest.raises(ZeroDivisionError):
        workers.submit(lambda: 1 / 0).result(timeout=30)
    assert workers.submit(lambda: 6).result(timeout=30) == 6


def test_side_by_side(workers):
    meeting = threading.Barrier(2, timeout=30)
    for future in [workers.submit(meeting.wait) for _ in range(2)]:
        future.result(timeout=30)


def test_what_takes_too_long_is_left_behind(caplog):
    workers = ThreadWorkers("slow", 1)
    begun, forever = threading.Event(), threading.Event()
    workers.submit(lambda: begun.set() or forever.wait())
    assert begun.wait(timeout=30)
    workers.stop(0.01)
    assert "slow-0" in caplog.text
    forever.set()


def test_nothing_new_begins_after_the_end():
    workers = ThreadWorkers("test", 1)
    workers.stop(5)
    assert not workers.submit(lambda: 5).done()
