"""Large payloads on a served server: memory, what is left after a kill, and a disk that is full."""

import hashlib
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from clients import bearer
from served import LOOPBACK, Served, write_config

from vantage6.server.store.interface import PIECE

MEDIA_TYPE = "application/offset+octet-stream"
PATIENCE = 120
SIZE = 200 * PIECE
# Far less than the payload; what an interpreter takes besides differs from run to run.
GROWTH = 64 * 2**20


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

    def send(self, id_: int, offset: int, piece: Any) -> requests.Response:
        """Send a piece."""
        headers = {"Upload-Offset": str(offset), "Content-Type": MEDIA_TYPE}
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

    def begin_to_send(self, id_: int, offset: int, length: int, part: bytes) -> socket.socket:
        """A connection on which less comes than was announced."""
        connection = socket.create_connection((LOOPBACK, int(self.server.port)), PATIENCE)
        head = (
            f"PATCH /api/upload/{id_} HTTP/1.1\r\nHost: x\r\nUpload-Offset: {offset}\r\n"
            f"Authorization: Bearer {self.token}\r\nContent-Type: {MEDIA_TYPE}\r\n"
            f"Content-Length: {length}\r\n\r\n"
        )
        connection.sendall(head.encode() + part)
        return connection


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Served]:
    with Served("--config", str(write_config(tmp_path))) as server:
        yield server


def content(start: int, stop: int) -> bytes:
    """A part of a payload, which is another one at each place."""
    numbers = range(start // 8, -(-stop // 8))
    return b"".join(b"%08d" % number for number in numbers)[start % 8 :][: stop - start]


def memory(server: Served) -> int:
    """Bytes that the process that answers has in memory."""
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
    pages = Path(f"/proc/{children[0]}/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def test_memory_does_not_grow_with_a_payload(server: Served) -> None:
    """Neither when it comes, nor when it goes, as bytes and within JSON."""
    sender = Sender(server)
    id_, before, peak = sender.announce(SIZE), memory(server), 0
    summed = hashlib.sha256()
    for start in range(0, SIZE, 50 * PIECE):
        piece = b"QUJD" * ((min(SIZE, start + 50 * PIECE) - start) // 4)
        summed.update(piece)
        answer = sender.send(id_, start, piece).json()
        peak = max(peak, memory(server))
    assert answer["digest"] == summed.hexdigest()
    run = sender.run(id_)
    for path in (f"result/{run}/input", f"result/{run}"):
        got, end = hashlib.sha256(), 0
        with sender.call("GET", path, stream=True) as answer:
            for piece in answer.iter_content(PIECE):
                got.update(piece)
                end += len(piece)
                peak = max(peak, memory(server))
        assert path.endswith("input") == (got.digest() == summed.digest())
        assert end >= SIZE
    assert peak - before < GROWTH


def test_a_part_is_sent_by_the_system_to_the_byte(server: Served) -> None:
    sender = Sender(server)
    whole = content(0, 3 * PIECE + 5)
    id_ = sender.announce(len(whole))
    assert sender.send(id_, 0, whole).json()["complete"]
    run = sender.run(id_)
    for asked, part in (("5-99999", slice(5, 100_000)), ("1000-", slice(1000, None))):
        answer = sender.call("GET", f"result/{run}/input", headers={"Range": f"bytes={asked}"})
        assert (answer.status_code, answer.content == whole[part]) == (206, True)


def test_what_arrived_before_a_cut_is_kept(server: Served) -> None:
    sender = Sender(server)
    size, sent = 4 * PIECE, content(0, 3 * PIECE)
    id_ = sender.announce(size)
    sender.begin_to_send(id_, 0, size, sent).close()
    while not (received := sender.received(id_)):
        time.sleep(0.02)
    assert len(sent) - PIECE <= received <= len(sent)
    answer = sender.send(id_, received, content(received, size)).json()
    assert answer["digest"] == hashlib.sha256(content(0, size)).hexdigest()


def test_who_was_cut_off_need_not_wait_for_the_request_that_was(server: Served) -> None:
    """Its server still waits for the rest, on a connection that nobody will write to."""
    sender = Sender(server)
    size = 4 * PIECE
    id_ = sender.announce(size)
    with sender.begin_to_send(id_, 0, size, content(0, PIECE)) as lost:
        answer = sender.send(id_, 0, content(0, size)).json()
        assert answer["digest"] == hashlib.sha256(content(0, size)).hexdigest()
        # What it still sends changes nothing.
        lost.sendall(b"A" * (3 * PIECE))
        assert lost.recv(12) == b"HTTP/1.1 409"
    run = sender.run(id_)
    assert sender.call("GET", f"result/{run}/input").content == content(0, size)


def test_a_server_that_was_killed_goes_on_where_it_was(tmp_path: Path) -> None:
    config, size = str(write_config(tmp_path)), 6 * PIECE
    with Served("--config", config) as server:
        sender = Sender(server)
        id_ = sender.announce(size)
        sender.send(id_, 0, content(0, 2 * PIECE))
        with sender.begin_to_send(id_, 2 * PIECE, 4 * PIECE, content(2 * PIECE, 5 * PIECE)):
            files = (tmp_path / "data").rglob("*.part")
            part = next(files)
            while part.stat().st_size < 4 * PIECE:
                time.sleep(0.02)
            server.kill()
    with Served("--config", config) as server:
        sender.go_to(server)
        received = sender.received(id_)
        assert received == 2 * PIECE
        answer = sender.send(id_, received, content(received, size)).json()
        assert answer["digest"] == hashlib.sha256(content(0, size)).hexdigest()
        run = sender.run(id_)
        assert sender.call("GET", f"result/{run}/input").content == content(0, size)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own with 8 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "none", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes disks")
def test_a_full_disk_is_told_of_and_loses_nothing(tmp_path: Path, small_disk: Path) -> None:
    config = write_config(tmp_path, payloads={"folder": str(small_disk / "payloads")})
    with Served("--config", str(config)) as server:
        sender = Sender(server)
        size = 6 * PIECE
        assert (
            sender.call(
                "POST",
                "upload",
                json={"collaboration_id": sender.study, "size": 2**30, "form": "text"},
            ).status_code
            == 507
        )
        first, second = sender.announce(size), sender.announce(size)
        assert sender.send(first, 0, content(0, 4 * PIECE)).status_code == 200
        answer = sender.send(second, 0, content(0, size))
        assert (answer.status_code, answer.json()["msg"]) == (
            507,
            "There is no space left in the payload store",
        )
        received = sender.received(second)
        assert 3 * PIECE <= received < 4 * PIECE
        assert sender.received(first) == 4 * PIECE
        assert sender.call("DELETE", f"upload/{first}").status_code == 200
        answer = sender.send(second, received, content(received, size))
        assert answer.json()["digest"] == hashlib.sha256(content(0, size)).hexdigest()
