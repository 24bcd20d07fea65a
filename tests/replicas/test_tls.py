"""A broker that speaks TLS alone, with a certificate of an authority that its servers trust."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from participants import Participants
from served import run, write_import

from development import certificates, nginx, postgres, rabbitmq
from development import replicas as whole
from development.certificates import Certificate
from development.ports import LOOPBACK
from development.replicas import Replica, Replicas, wait_until

AWAY = {"database": True, "broker": False}
WELL = {"database": True, "broker": True}
NOTICE = "do not hear of one another"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return certificates.make_certificate(tmp_path_factory.mktemp("certificate"), LOOPBACK)


@pytest.fixture(scope="module")
def members(
    tmp_path_factory: pytest.TempPathFactory, certificate: Certificate
) -> Iterator[Replicas]:
    for obstacle in (nginx.NGINX.obstacle(), postgres.obstacle(), rabbitmq.obstacle()):
        if obstacle:
            pytest.skip(obstacle)
    folder = tmp_path_factory.mktemp("replicas")
    first = write_import(folder)
    with whole.running(folder, import_file=first, certificate=certificate) as members:
        wait_until(lambda: all(one.health() == WELL for one in members), "they are well")
        yield members


@pytest.fixture
def people(members: Replicas) -> Iterator[Participants]:
    with Participants(members) as made:
        yield made


def config_of(members: Replicas) -> dict[str, Any]:
    config: dict[str, Any] = yaml.safe_load(members[0].config.read_text(encoding="utf-8"))
    return config["environments"]["prod"]


@contextmanager
def one_more(members: Replicas, folder: Path, **differing: Any) -> Iterator[Replica]:
    """A replica of the same server that is configured otherwise."""
    replica = Replica("one more", folder / "replica", {**config_of(members), **differing})
    replica.start()
    try:
        yield replica
    finally:
        replica.close()


def test_events_of_one_reach_the_other(members: Replicas, people: Participants) -> None:
    node = people.listen(members[1], people.node)
    task = people.order(members[0])
    node.hear_of_task(task["id"])
    assert people.answer_who_waits(members[1], members[0])["complete"] is True


def test_they_come_back_after_the_broker_was_killed(
    members: Replicas, people: Participants
) -> None:
    members.broker.kill()
    wait_until(lambda: all(one.health() == AWAY for one in members), "they notice")
    members.broker.start()
    wait_until(lambda: all(one.health() == WELL for one in members), "they are well again")
    node = people.listen(members[1], people.node)
    task = people.order(members[0])
    node.hear_of_task(task["id"])


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ("another authority", "unable to get local issuer certificate"),
        ("another name", "certificate is not valid for 'localhost'"),
    ],
)
def test_a_broker_that_cannot_be_trusted_is_not_spoken_to_and_requests_succeed(
    members: Replicas, people: Participants, tmp_path: Path, wrong: str, reason: str
) -> None:
    uri = members.broker.uri
    differing = {
        "another authority": {
            "rabbitmq_ca_file": str(certificates.make_certificate(tmp_path, LOOPBACK).authority)
        },
        "another name": {"rabbitmq_uri": uri.replace(f"@{LOOPBACK}:", "@localhost:")},
    }[wrong]
    with one_more(members, tmp_path, **differing) as replica:
        assert replica.health() == AWAY
        # It hears nothing of the others, and tells its own by itself.
        node = people.listen(replica, people.node)
        task = people.order(members[0])
        node.hear_of_task(task["id"])
        assert people.answer_who_waits(replica, replica)["complete"] is True
        wait_until(lambda: NOTICE in replica.log.read_text(encoding="utf-8"), "it is told why")
        said = replica.log.read_text(encoding="utf-8")
    (told,) = (line for line in said.splitlines() if NOTICE in line)
    assert reason in told
    assert f"port {members.broker.port}" in told
    assert "Traceback" not in said
    assert uri.split("@")[0].rpartition(":")[2] not in said


@pytest.mark.parametrize("content", [None, "no certificate"], ids=["missing", "something else"])
def test_a_file_without_authorities_keeps_a_server_from_starting(
    members: Replicas, tmp_path: Path, content: str | None
) -> None:
    trusted = tmp_path / "authority.pem"
    if content:
        trusted.write_text(content, encoding="ascii")
    config = tmp_path / "replica.yaml"
    environment = {**config_of(members), "rabbitmq_ca_file": str(trusted), "port": 0}
    config.write_text(yaml.safe_dump({"environments": {"prod": environment}}), encoding="utf-8")
    ended = run("start", "--config", config)
    assert ended.returncode == 1
    assert f"rabbitmq_ca_file: {trusted}" in ended.stderr
    assert "Traceback" not in ended.stderr
