"""Large payloads on a served server: memory, what is left after a kill, and a disk that is full."""

import hashlib
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest
from sending import with_sums
from sending_over import PATIENCE, Sender
from served import Served, write_config

from development import nginx
from development.ports import free_port
from vantage6.server.store.interface import PIECE

SIZE = 200 * PIECE
# Far less than the payload; what an interpreter takes besides differs from run to run.
GROWTH = 64 * 2**20


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
    received = wait_for_some(sender, id_)
    assert len(sent) - PIECE <= received <= len(sent)
    answer = sender.send(id_, received, content(received, size)).json()
    assert answer["digest"] == hashlib.sha256(content(0, size)).hexdigest()


SUMS = {"Upload-Sums": "sha-256"}


def wait_for_some(sender: Sender, id_: int) -> int:
    end = time.monotonic() + PATIENCE
    while not (received := sender.received(id_)):
        assert time.monotonic() < end, "nothing arrived"
        time.sleep(0.02)
    return received


@pytest.mark.parametrize("is_through_nginx", [False, True], ids=["direct", "nginx"])
def test_all_of_a_payload_in_one_request_goes_on_where_it_was_cut_off(
    server: Served, tmp_path: Path, is_through_nginx: bool
) -> None:
    """What arrived with its sum is kept, and nothing of the block in which the cut is."""
    sender, size = Sender(server), 40 * PIECE + 5
    whole, body = content(0, size), with_sums(content(0, size))
    id_ = sender.announce(size)
    cut = {"length": len(body), "part": body[: 25 * PIECE], "header": "Upload-Sums: sha-256\r\n"}
    with nginx_before(server, tmp_path) if is_through_nginx else nullcontext() as port:
        sender.begin_to_send(id_, 0, **cut, port=port).close()
        received = wait_for_some(sender, id_)
        assert received % PIECE == 0
        assert received <= 24 * PIECE
        answer = sender.send(id_, received, with_sums(whole[received:]), **SUMS).json()
    assert answer["digest"] == hashlib.sha256(whole).hexdigest()


def test_one_request_may_be_larger_than_any_other(server: Served, tmp_path: Path) -> None:
    """Neither nginx nor the server has a bound for it but that of the payload."""
    sender, size = Sender(server), 3 * 2**30
    id_ = sender.announce(size)
    with nginx_before(server, tmp_path) as port:
        sender.begin_to_send(id_, 0, size, content(0, 3 * PIECE), port=port).close()
        assert wait_for_some(sender, id_) <= 3 * PIECE


def test_another_process_goes_on_with_a_long_request_that_was_killed(tmp_path: Path) -> None:
    """What was told to the database before counts; the other one has seen nothing of it."""
    config, whole = str(write_config(tmp_path)), b"QUJD" * (160 * PIECE // 4)
    size, body = len(whole), with_sums(whole)
    with Served("--config", config) as server:
        sender = Sender(server)
        id_ = sender.announce(size)
        header = "Upload-Sums: sha-256\r\n"
        with sender.begin_to_send(id_, 0, len(body), body[: 150 * PIECE], header=header):
            assert wait_for_some(sender, id_) >= 64 * PIECE
            server.kill()
    with Served("--config", config) as server:
        sender.go_to(server)
        received = sender.received(id_)
        assert 64 * PIECE <= received < size
        answer = sender.send(id_, received, with_sums(whole[received:]), **SUMS).json()
    assert answer["digest"] == hashlib.sha256(whole).hexdigest()


@contextmanager
def nginx_before(server: Served, folder: Path) -> Iterator[int]:
    """The nginx of the documentation; its port."""
    port, plain_port = free_port(), free_port()
    config = nginx.documented_without_tls(port, plain_port, [int(server.port)])
    (folder / "nginx").mkdir()
    with nginx.running(config, folder / "nginx", port):
        yield port


def test_nginx_passes_on_what_came_before_a_cut(server: Served, tmp_path: Path) -> None:
    """It neither waits for the end of a piece nor has one on its disk."""
    sender = Sender(server)
    size, sent = 4 * PIECE, content(0, 3 * PIECE)
    id_ = sender.announce(size)
    with nginx_before(server, tmp_path) as port:
        sender.begin_to_send(id_, 0, size, sent, port=port).close()
        assert wait_for_some(sender, id_) <= len(sent)


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
