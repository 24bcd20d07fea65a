"""Events leave after commit, in order, and waiters never miss one."""

import threading
from collections.abc import Iterator

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.orm import Session, sessionmaker

from vantage6.server.service.event import Event, EventHub, record


@pytest.fixture
def hub() -> EventHub:
    return EventHub()


@pytest.fixture
def sent(hub: EventHub) -> list[str]:
    names: list[str] = []
    hub.subscribe(lambda event: names.append(event.name))
    return names


@pytest.fixture
def session(hub: EventHub) -> Iterator[Session]:
    engine = create_engine("sqlite://")
    factory = sessionmaker(engine)
    hub.attach(factory)
    with factory() as session:
        session.execute(text("create table thing (id integer primary key)"))
        yield session
    engine.dispose()


def test_an_event_leaves_after_the_commit(session: Session, sent: list[str]) -> None:
    record(session, Event("first"))
    record(session, Event("second"))
    assert sent == []
    session.commit()
    assert sent == ["first", "second"]


def test_an_event_leaves_once(session: Session, sent: list[str]) -> None:
    record(session, Event("once"))
    session.commit()
    session.execute(text("select 1"))
    session.commit()
    assert sent == ["once"]


def test_a_rollback_forgets(session: Session, sent: list[str]) -> None:
    record(session, Event("never"))
    session.rollback()
    session.execute(text("select 1"))
    session.commit()
    assert sent == []


def test_a_savepoint_sends_nothing_by_itself(session: Session, sent: list[str]) -> None:
    with session.begin_nested():
        record(session, Event("inner"))
    assert sent == []
    session.commit()
    assert sent == ["inner"]


def test_a_savepoint_that_is_rolled_back_forgets_its_own_only(
    session: Session, sent: list[str]
) -> None:
    record(session, Event("outer"))
    savepoint = session.begin_nested()
    with session.begin_nested():
        record(session, Event("innermost"))
    record(session, Event("inner"))
    savepoint.rollback()
    session.commit()
    assert sent == ["outer"]


def test_a_failing_subscriber_does_not_stop_the_others(
    hub: EventHub, session: Session, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[Event] = []

    def fail(event: Event) -> None:
        raise RuntimeError("out of order")

    hub.subscribe(fail)
    hub.subscribe(told.append)
    record(session, Event("news"))
    session.commit()
    assert told == [Event("news")]
    assert "Event news could not be delivered" in caplog.text


def test_waiting_for_a_final_task_returns_at_once(hub: EventHub) -> None:
    assert hub.wait_for_task(1, lambda: True, timeout=60)


def test_waiting_ends_with_the_time(hub: EventHub) -> None:
    assert not hub.wait_for_task(1, lambda: False, timeout=0)


def test_a_change_during_the_first_look_is_not_lost(hub: EventHub) -> None:
    looks = iter([False, True])

    def is_final() -> bool:
        final = next(looks)
        if not final:
            hub.publish(Event("status_update", task_id=1))
        return final

    assert hub.wait_for_task(1, is_final, timeout=60)


def test_events_of_other_tasks_do_not_wake(hub: EventHub) -> None:
    looks: list[int] = []

    def is_final() -> bool:
        looks.append(1)
        hub.publish(Event("status_update", task_id=2))
        return False

    assert not hub.wait_for_task(1, is_final, timeout=0)
    assert len(looks) == 1


def test_all_waiters_of_a_task_are_woken(hub: EventHub) -> None:
    final = threading.Event()
    looked = threading.Semaphore(0)
    answers: list[bool] = []

    def is_final() -> bool:
        looked.release()
        return final.is_set()

    def wait() -> None:
        answers.append(hub.wait_for_task(1, is_final, timeout=60))

    threads = [threading.Thread(target=wait) for _ in range(5)]
    for thread in threads:
        thread.start()
    for _ in threads:
        looked.acquire()
    final.set()
    hub.publish(Event("status_update", task_id=1))
    for thread in threads:
        thread.join()
    assert answers == [True] * 5


def test_closing_sends_waiters_home(hub: EventHub) -> None:
    def is_final() -> bool:
        hub.close()
        return False

    assert not hub.wait_for_task(1, is_final, timeout=60)
    assert not hub.wait_for_task(1, lambda: False, timeout=60)


def test_an_error_of_the_question_ends_the_wait(hub: EventHub) -> None:
    def is_final() -> bool:
        raise LookupError

    with pytest.raises(LookupError):
        hub.wait_for_task(1, is_final, timeout=60)
