"""A RabbitMQ of our own: private, on loopback, gone in the end."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from amqp.exceptions import AccessRefused
from kombu.connection import Connection
from kombu.entity import Exchange, Queue

from development import rabbitmq
from development.console import SetupError
from development.rabbitmq import RabbitMQ

LASTING = Queue("kept", Exchange("kept", durable=True), routing_key="word", durable=True)


@pytest.fixture(scope="module")
def broker() -> Iterator[RabbitMQ]:
    with rabbitmq.serve() as running:
        yield running


def listening(process: psutil.Process) -> set[str]:
    connections = process.net_connections("tcp")
    return {one.laddr.ip for one in connections if one.status == psutil.CONN_LISTEN}


def test_it_listens_on_loopback_alone(broker: RabbitMQ) -> None:
    assert listening(psutil.Process(broker.pid)) == {"127.0.0.1"}


def test_only_its_own_password_opens_it(broker: RabbitMQ) -> None:
    wrong = broker.uri.replace("vantage6:", "vantage6:not-")
    with pytest.raises(AccessRefused), Connection(wrong) as connection:
        connection.connect()


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_what_is_to_last_is_there_after_it_ends(broker: RabbitMQ, end: str) -> None:
    with Connection(broker.uri) as connection, connection.Producer() as producer:
        producer.publish("kept", routing_key="word", exchange=LASTING.exchange, declare=[LASTING])
    before = broker.pid
    getattr(broker, end)()
    broker.start()
    assert broker.pid != before
    assert "kept" in broker.queues()


def test_nothing_is_left_of_it() -> None:
    with rabbitmq.serve() as server:
        process = psutil.Process(server.pid)
        folder = Path(process.environ()["HOME"])
        assert folder.stat().st_mode & 0o077 == 0
    assert not folder.exists()
    assert not process.is_running()


def test_it_ends_with_whoever_started_it() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "development.rabbitmq"], stdout=subprocess.PIPE, text=True
    ) as owner:
        assert owner.stdout
        owner.stdout.readline()
        children = psutil.Process(owner.pid).children(recursive=True)
        owner.kill()
        _, alive = psutil.wait_procs(children, timeout=60)
        assert children
        assert not alive


def test_where_it_cannot_be_had_the_reason_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    assert rabbitmq.obstacle() == ""
    monkeypatch.setattr(rabbitmq, "_PROGRAMS", Path(os.devnull))
    monkeypatch.setattr(rabbitmq.debian, "is_ours", lambda: False)
    with pytest.raises(SetupError, match="only root on Debian"):
        rabbitmq.install()
