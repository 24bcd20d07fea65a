"""A server whose large payloads are in an object storage, as its operator runs it."""

import secrets
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import buckets
import pytest
import requests
from served import Served, run, write_config, write_import

from development import swift as openstack
from development.swift import Swift
from vantage6.server.store.bucket import Settings

SIZE = 48 * 2**20
PIECE = 20 * 2**20
PATIENCE = 90
MEDIA_TYPE = "application/offset+octet-stream"


@pytest.fixture(scope="module")
def mortal() -> Iterator[Swift]:
    """A Swift that may be killed by whoever starts it again."""
    if openstack.obstacle():
        pytest.skip(openstack.obstacle())
    with openstack.serve() as swift:
        yield swift


@pytest.fixture
def bucket(mortal: Swift) -> Settings:
    return buckets.fresh(mortal)


def block(settings: Settings, **differing: Any) -> dict[str, Any]:
    """The configuration of a bucket."""
    given = {name: getattr(settings, name) for name in ("endpoint", "bucket", "region")}
    keys = {"access_key": settings.access_key, "secret_key": settings.secret_key}
    return {"store": "s3", "s3": {**given, **keys, **differing}}


@pytest.fixture
def server(tmp_path: Path, bucket: Settings) -> Iterator[Served]:
    config = write_config(tmp_path, payloads=block(bucket))
    run("import", "--config", config, write_import(tmp_path)).check_returncode()
    with Served("--config", config) as server:
        yield server


@pytest.fixture
def headers(server: Served) -> dict[str, str]:
    return {"Authorization": f"Bearer {server.token('ada', 'Lovelace-1')}"}


def send(server: Served, headers: dict[str, str], id_: int, content: bytes) -> requests.Response:
    """Send as much as a piece holds from where the upload stands."""
    url = f"{server.url}/api/upload/{id_}"
    received = requests.get(url, headers=headers, timeout=PATIENCE).json()["received"]
    return requests.patch(
        url,
        data=content[received : received + PIECE],
        headers={**headers, "Upload-Offset": str(received), "Content-Type": MEDIA_TYPE},
        timeout=PATIENCE,
    )


def wait_until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.1)


def test_a_payload_survives_that_the_storage_is_away(
    server: Served, headers: dict[str, str], mortal: Swift, bucket: Settings
) -> None:
    content = b64encode(secrets.token_bytes(SIZE // 4 * 3))
    announced = {"collaboration_id": 1, "size": SIZE, "form": "text"}
    id_ = server.post("upload", announced, headers=headers).json()["id"]
    first = send(server, headers, id_, content)
    assert first.json()["received"] == PIECE

    mortal.kill()
    refused = send(server, headers, id_, content)
    assert refused.status_code == 503
    assert refused.json()["msg"] == "The object storage does not answer"
    assert int(refused.headers["Retry-After"]) > 0
    # Of what was confirmed nothing is lost, and the server does all else meanwhile.
    assert server.get(f"upload/{id_}", headers=headers).json()["received"] == PIECE

    mortal.start()
    while not (answer := send(server, headers, id_, content).json())["complete"]:
        assert answer["received"] > PIECE
    shared = server.get("collaboration/1", headers=headers).json()
    own = shared["organizations"][0]["id"]
    answer = server.post(
        "task",
        {
            "name": "large",
            "image": "registry.example/algorithm:1",
            "collaboration_id": 1,
            "organizations": [{"id": own, "input_upload": id_}],
        },
        headers=headers,
    )
    assert answer.status_code == 201, answer.text
    task = answer.json()["id"]
    (result,) = server.get(f"task/{task}/result", headers=headers).json()
    part = server.get(
        f"result/{result['id']}/input",
        headers={**headers, "Range": f"bytes={PIECE - 7}-{PIECE + 6}"},
    )
    assert (part.status_code, part.content) == (206, content[PIECE - 7 : PIECE + 7])
    whole = server.get(f"result/{result['id']}/input", headers=headers)
    assert whole.content == content

    root = {"Authorization": f"Bearer {server.token()}"}
    requests.delete(
        f"{server.url}/api/task/{task}", headers=root, timeout=PATIENCE
    ).raise_for_status()
    with buckets.client(mortal) as looker:
        wait_until(lambda: "Contents" not in looker.list_objects_v2(Bucket=bucket.bucket))


def test_wrong_keys_keep_a_server_from_starting(tmp_path: Path, bucket: Settings) -> None:
    secret = secrets.token_urlsafe(20)
    config = write_config(tmp_path, payloads=block(bucket, secret_key=secret))
    ended = run("start", "--config", config)
    assert ended.returncode == 1
    assert "does not let these keys use the bucket" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert secret not in ended.stderr + ended.stdout


def test_a_storage_that_is_away_does_not_keep_a_server_from_starting(
    tmp_path: Path, mortal: Swift, bucket: Settings
) -> None:
    config = write_config(tmp_path, payloads=block(bucket))
    mortal.kill()
    try:
        with Served("--config", config) as server:
            assert server.get("version").status_code == 200
            assert any("large payloads have to wait" in line for line in server.printed)
    finally:
        mortal.start()


def test_keys_that_are_nowhere_keep_a_server_from_starting(
    tmp_path: Path, bucket: Settings
) -> None:
    config = write_config(tmp_path, payloads=block(bucket, access_key=None, secret_key=None))
    ended = run("start", "--config", config)
    assert ended.returncode == 1
    assert "access_key is missing, and the variable AWS_ACCESS_KEY_ID is not set" in ended.stderr
