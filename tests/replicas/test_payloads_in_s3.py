"""A large result in an object storage, sent to one replica that dies, and on to the other."""

import hashlib
import secrets
import threading
from base64 import b64encode
from collections.abc import Iterator
from typing import Any

import buckets
import pytest
import requests
from clients import bearer
from participants import Participants
from served import write_import

from development import nginx, postgres, rabbitmq
from development import replicas as whole
from development import swift as openstack
from development.replicas import API_PATH, PATIENCE, Replica, Replicas, wait_until
from development.swift import Swift
from vantage6.server.store.bucket import Settings

MIB = 2**20
SIZE, PIECE = 48 * MIB, 20 * MIB
MEDIA_TYPE = "application/offset+octet-stream"


@pytest.fixture(scope="module")
def swift() -> Iterator[Swift]:
    if openstack.obstacle():
        pytest.skip(openstack.obstacle())
    with openstack.serve() as running:
        yield running


@pytest.fixture(scope="module")
def bucket(swift: Swift) -> Settings:
    return buckets.fresh(swift)


@pytest.fixture(scope="module")
def members(tmp_path_factory: pytest.TempPathFactory, bucket: Settings) -> Iterator[Replicas]:
    for obstacle in (nginx.NGINX.obstacle(), postgres.obstacle(), rabbitmq.obstacle()):
        if obstacle:
            pytest.skip(obstacle)
    folder = tmp_path_factory.mktemp("replicas")
    names = ("endpoint", "bucket", "region", "access_key", "secret_key")
    block = {"store": "s3", "s3": {name: getattr(bucket, name) for name in names}}
    with whole.running(folder, import_file=write_import(folder), payloads=block) as members:
        yield members


@pytest.fixture
def people(members: Replicas) -> Iterator[Participants]:
    with Participants(members) as made:
        yield made


def send(replica: Replica, token: str, id_: int, offset: int, data: Any) -> requests.Response:
    """Send what follows an offset to a replica."""
    return requests.patch(
        f"{replica.url}{API_PATH}/upload/{id_}",
        data=data,
        headers={**bearer(token), "Upload-Offset": str(offset), "Content-Type": MEDIA_TYPE},
        timeout=PATIENCE,
    )


class Faltering:
    """A body that stops half-way, until it is told to go on."""

    def __init__(self, data: bytes, halt: int) -> None:
        self._data, self._halt = data, halt
        self.has_stopped, self.go_on = threading.Event(), threading.Event()

    def __iter__(self) -> Iterator[bytes]:
        for start in range(0, len(self._data), MIB):
            if start >= self._halt:
                self.has_stopped.set()
                self.go_on.wait(PATIENCE)
            yield self._data[start : start + MIB]

    def __len__(self) -> int:
        return len(self._data)


def send_until_killed(members: Replicas, token: str, id_: int, offset: int, content: bytes) -> None:
    """Send to the first replica, which is killed in the middle of it."""
    body = Faltering(content[offset : offset + PIECE], PIECE // 2)
    failed: list[Exception] = []

    def work() -> None:
        try:
            send(members[0], token, id_, offset, body)
        except requests.RequestException as error:
            failed.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        assert body.has_stopped.wait(PATIENCE)
        members.kill(0)
    finally:
        body.go_on.set()
        thread.join()
    assert len(failed) == 1


def read(replica: Replica, token: str, result_id: int) -> requests.Response:
    path = f"{replica.url}{API_PATH}/result/{result_id}/output"
    return requests.get(path, headers=bearer(token), timeout=PATIENCE)


def objects(swift: Swift, bucket: Settings) -> list[str]:
    with buckets.client(swift) as looker:
        found = looker.list_objects_v2(Bucket=bucket.bucket).get("Contents", [])
    return [each["Key"] for each in found]


def test_a_large_result_outlives_the_replica_that_took_it(
    members: Replicas, people: Participants, swift: Swift, bucket: Settings
) -> None:
    task = people.order(members[0])
    (run,) = task["results"]
    content = b64encode(secrets.token_bytes(SIZE // 4 * 3))
    announced = {"collaboration_id": 1, "size": SIZE, "form": "text"}
    upload = people.ask(members[0], people.node, "POST", "upload", **announced)
    first = send(members[0], people.node, upload["id"], 0, content[:PIECE])
    assert first.json()["received"] == PIECE

    send_until_killed(members, people.node, upload["id"], PIECE, content)
    # The other one takes over once the piece that hangs is given up.
    at = people.ask(members[1], people.node, "GET", f"upload/{upload['id']}")["received"]
    assert PIECE <= at <= PIECE + PIECE // 2
    while at < SIZE:
        answer = send(members[1], people.node, upload["id"], at, content[at : at + PIECE]).json()
        assert answer["received"] > at, answer
        at = answer["received"]
    digest = hashlib.sha256(content).hexdigest()
    assert (answer["complete"], answer["digest"]) == (True, digest)
    people.answer(members[1], run["id"], result=None, result_upload=upload["id"])

    members.start(0)
    for replica in members:
        got = read(replica, people.researcher, run["id"])
        assert hashlib.sha256(got.content).hexdigest() == digest
        shown = people.ask(replica, people.researcher, "GET", f"result/{run['id']}?inline=1024")
        assert (shown["result_stored"]["digest"], shown["result"]) == (digest, None)

    assert objects(swift, bucket)
    people.ask(members[0], members.token(), "DELETE", f"task/{task['id']}")
    wait_until(lambda: objects(swift, bucket) == [], "nothing is left in the bucket")
    # Both look for what is not used any more; neither stumbles over the other.
    for replica in members:
        assert "Traceback" not in replica.log.read_text(encoding="utf-8")
