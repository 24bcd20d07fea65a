"""Sends payloads to a served server."""

import socket
from typing import Any

import requests
from clients import bearer
from served import LOOPBACK, Served

MEDIA_TYPE = "application/offset+octet-stream"
PATIENCE = 120


class Sender:
    """Somebody with an upload at a server, which may be another one than before."""

    def __init__(self, server: Served) -> None:
        self.go_to(server)
        self.user = self.call("GET", "user").json()[0]
        body = {"name": "study", "encrypted": False}
        organization = self.user["organization"]["id"]
        self.study = self.call(
            "POST", "collaboration", json={**body, "organization_ids": [organization]}
        ).json()["id"]
        self.organization = organization
        node = {"collaboration_id": self.study, "organization_id": organization}
        assert self.call("POST", "node", json=node).status_code == 201

    def go_to(self, server: Served) -> None:
        """From now on talk to this one."""
        self.server, self.token = server, server.token()

    def call(self, method: str, path: str, **options: Any) -> requests.Response:
        """What the server answers."""
        headers = {**bearer(self.token), **options.pop("headers", {})}
        url = f"{self.server.url}/api/{path}"
        return requests.request(method, url, headers=headers, timeout=PATIENCE, **options)

    def announce(self, size: int) -> int:
        """Begin an upload; its id."""
        body = {"collaboration_id": self.study, "size": size, "form": "text"}
        answer = self.call("POST", "upload", json=body)
        assert answer.status_code == 201, answer.text
        id_: int = answer.json()["id"]
        return id_

    def send(self, id_: int, offset: int, piece: Any, **headers: str) -> requests.Response:
        """Send a piece."""
        headers |= {"Upload-Offset": str(offset), "Content-Type": MEDIA_TYPE}
        return self.call("PATCH", f"upload/{id_}", data=piece, headers=headers)

    def received(self, id_: int) -> int:
        """Where an upload stands."""
        found: int = self.call("GET", f"upload/{id_}").json()["received"]
        return found

    def run(self, id_: int) -> int:
        """A run with what was uploaded as its input; its id."""
        parts = [{"id": self.organization, "input_upload": id_}]
        body = {"collaboration_id": self.study, "image": "x", "organizations": parts}
        answer = self.call("POST", "task", json=body)
        assert answer.status_code == 201, answer.text
        run: int = answer.json()["results"][0]["id"]
        return run

    def begin_to_send(
        self,
        id_: int,
        offset: int,
        length: int,
        part: bytes,
        *,
        port: int | None = None,
        header: str = "",
    ) -> socket.socket:
        """A connection on which less comes than was announced; to a proxy at a port, if given."""
        connection = socket.create_connection((LOOPBACK, port or int(self.server.port)), PATIENCE)
        head = (
            f"PATCH /api/upload/{id_} HTTP/1.1\r\nHost: x\r\nUpload-Offset: {offset}\r\n"
            f"Authorization: Bearer {self.token}\r\nContent-Type: {MEDIA_TYPE}\r\n"
            f"Content-Length: {length}\r\n{header}\r\n"
        )
        connection.sendall(head.encode() + part)
        return connection
