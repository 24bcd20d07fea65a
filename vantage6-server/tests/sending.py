"""Sends payloads by way of uploads."""

import hashlib
from typing import Any

from clients import LoggedIn, bearer
from werkzeug.test import TestResponse

MEDIA_TYPE = "application/offset+octet-stream"


def announce(client: LoggedIn, collaboration_id: int, size: int, form: str = "text") -> int:
    """Begin an upload; its id."""
    body = {"collaboration_id": collaboration_id, "size": size, "form": form}
    answer = client.post("/api/upload", json=body)
    assert answer.status_code == 201, answer.text
    id_: int = answer.json["id"]
    return id_


def send(client: LoggedIn, id_: int, offset: int, piece: bytes, **headers: str) -> TestResponse:
    """Send a piece of an upload."""
    given = {**bearer(client.token), "Upload-Offset": str(offset), **headers}
    answer: TestResponse = client.patch(
        f"/api/upload/{id_}", data=piece, headers=given, content_type=MEDIA_TYPE
    )
    return answer


def upload(client: LoggedIn, collaboration_id: int, content: bytes, form: str = "text") -> int:
    """Upload something as a whole; the id of the upload."""
    id_ = announce(client, collaboration_id, len(content), form)
    answer = send(client, id_, 0, content)
    assert answer.json == {**shown(id_, collaboration_id, content, form), "received": len(content)}
    return id_


def shown(id_: int, collaboration_id: int, content: bytes, form: str) -> dict[str, Any]:
    """How a complete upload is shown."""
    return {
        "id": id_,
        "collaboration_id": collaboration_id,
        "size": len(content),
        "form": form,
        "complete": True,
        "digest": hashlib.sha256(content).hexdigest(),
    }


def send_summed(client: LoggedIn, id_: int, offset: int, body: bytes) -> TestResponse:
    """Send a piece that has sums in it."""
    return send(client, id_, offset, body, **{"Upload-Sums": "sha-256"})


def with_sums(piece: bytes) -> bytes:
    """A piece with its sums, as the page about uploads says."""
    summed, parts = hashlib.sha256(), []
    for start in range(0, len(piece), 2**20):
        block = piece[start : start + 2**20]
        summed.update(block)
        parts += [block, summed.digest()]
    return b"".join(parts)
