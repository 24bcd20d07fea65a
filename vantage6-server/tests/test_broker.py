"""What becomes of events that cannot be sent: the newest are kept, the rest is in the database."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from factories import Factory
from flask import Flask

from development import rabbitmq
from development.rabbitmq import RabbitMQ
from vantage6.server import broker
from vantage6.server.broker import Broker
from vantage6.server.model import Organization
from vantage6.server.service.catch_up import CatchUp
from vantage6.server.service.event import Event, EventHub

KEPT, MORE = 20, 5
# Who waits so long has failed.
PATIENCE = 60.0


@pytest.fixture(scope="module")
def engine() -> Iterator[RabbitMQ]:
    if rabbitmq.obstacle():
        pytest.skip(rabbitmq.obstacle())
    with rabbitmq.serve() as running:
        yield running


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few events are kept."""
    monkeypatch.setattr(broker, "KEPT", KEPT)


class Replica:
    """The hub of a process, its broker, and what it heard of others."""

    def __init__(self, uri: str, name: str) -> None:
        self.hub = EventHub()
        self.broker = Broker(uri, name, self.hub)
        self.heard: list[int] = []
        self.hub.subscribe(lambda event: self.heard.append(event.payload))


@contextmanager
def at_work(*replicas: Replica) -> Iterator[None]:
    before = set(threading.enumerate())
    for replica in replicas:
        replica.broker.start()
    threads = set(threading.enumerate()) - before
    try:
        wait_until(lambda: all(replica.broker.is_up for replica in replicas))
        yield
    finally:
        for replica in replicas:
            replica.broker.close()
        for thread in threads:
            thread.join()


def wait_until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


def publish(replica: Replica, ids: list[int]) -> None:
    for id_ in ids:
        replica.hub.publish(Event("new_task", id_, ("node_1",)))


def test_the_oldest_go_when_too_many_wait(engine: RabbitMQ) -> None:
    sender, receiver = Replica(engine.uri, "sender"), Replica(engine.uri, "receiver")
    with at_work(receiver):
        assert receiver.broker.take_missed()
        publish(sender, list(range(KEPT + MORE)))
        assert sender.broker.counts.dropped == MORE
        assert not receiver.broker.take_missed()
        with at_work(sender):
            wait_until(lambda: len(receiver.heard) == KEPT)
            # It is told that there were others.
            assert receiver.heard == list(range(MORE, KEPT + MORE))
            assert receiver.broker.take_missed()
            publish(sender, [1000])
            wait_until(lambda: receiver.heard[-1] == 1000)
            # Once is enough.
            assert not receiver.broker.take_missed()
    assert (sender.broker.counts.sent, sender.broker.counts.dropped) == (KEPT + 1, MORE)


def test_what_was_dropped_is_made_good_from_the_database(
    engine: RabbitMQ, app: Flask, make: Factory, own: Organization
) -> None:
    study = make.collaboration(own)
    make.node(own, study)
    sender, receiver = Replica(engine.uri, "sender"), Replica(engine.uri, "receiver")
    catching = CatchUp(app.extensions["database"], receiver.hub, receiver.broker)
    with at_work(receiver):
        # There was nothing before.
        catching.do()
        tasks = [make.task(study).id for _ in range(KEPT + MORE)]
        publish(sender, tasks)
        with at_work(sender):
            wait_until(lambda: len(receiver.heard) == KEPT)
        assert set(receiver.heard) == set(tasks[MORE:])
        catching.do()
    assert set(receiver.heard) == set(tasks)


def test_who_sends_never_waits_for_a_broker_that_is_away() -> None:
    # Nobody listens on that port.
    sender = Replica("amqp://nobody:nothing@127.0.0.1:9/nowhere", "sender")
    publish(sender, list(range(KEPT + MORE)))
    assert not sender.broker.wait_until_sent(0)
    assert sender.broker.counts.sent == 0


def test_whoever_is_told_that_the_broker_is_back_finds_that_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    seen = []

    class Notice(broker._Notice):
        def back(self, side: broker._Side) -> None:
            super().back(side)
            seen.append((side.is_up, "hear of one another again" in caplog.text))

    notice = Notice("RabbitMQ")
    sides = [broker._Side(notice), broker._Side(notice)]
    for side in sides:
        notice.away(side, OSError("refused"))
    for side in sides:
        side.comes_up()
    assert seen == [(False, False), (False, True)]
    assert all(side.is_up for side in sides)
