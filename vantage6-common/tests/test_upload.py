"""Large payloads there and back over connections that break: each byte once, in its place."""

import hashlib
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest

from vantage6.common import retry
from vantage6.common.client import upload
from vantage6.common.client.ability import Ability, Uploads
from vantage6.common.client.caller import Caller
from vantage6.common.client.download import Download, Stored
from vantage6.common.exceptions import (
    BadRequest,
    EncryptionError,
    NotFound,
    ServerError,
    ServerUnreachable,
    ServiceUnavailable,
)
from vantage6.common.sealed import PlainPayload
from vantage6.common.sources import Held
from vantage6.common.summed import BLOCK, SUM_BYTES

DATA = hashlib.shake_256(b"large").digest(1_900_000)
TEXT = b"".join(PlainPayload(Held(DATA)).pieces())
DIGEST = hashlib.sha256(TEXT).hexdigest()


def without_sums(sent):
    """The bytes besides the sums, and whether all of those fit."""
    data, fits = b"", True
    for start in range(0, len(sent), BLOCK + SUM_BYTES):
        part = sent[start : start + BLOCK + SUM_BYTES]
        data += part[:-SUM_BYTES]
        fits &= hashlib.sha256(data).digest() == part[-SUM_BYTES:]
    return data, fits


class Store(BaseHTTPRequestHandler):
    """The wire as `docs/reference` describes it, with faults that a test asks for."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self._body()
        self._answer(201, b'{"id": 17}')

    def do_GET(self):
        state = self.server.state
        if self.path.startswith("/api/upload"):
            return self._stands()
        start = int((re.match(r"bytes=(\d+)-", self.headers.get("Range") or "") or [0, 0])[1])
        state.asked.append(start)
        if start and state.ranges:
            content, status = state.content[start:], 206
        else:
            content, start, status = state.content, 0, 200
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Content-Range", f"bytes {start}-{len(state.content) - 1}/*")
        self.end_headers()
        if state.cuts:
            content = content[: state.cuts.pop(0)]
            self.close_connection = True
        self.wfile.write(content)
        return None

    def do_PATCH(self):
        state = self.server.state
        sent, offset = self._body(), int(self.headers["Upload-Offset"])
        assert self.headers["Upload-Sums"] == "sha-256"
        data, fits = without_sums(sent)
        if state.faults:
            fault = state.faults.pop(0)
            if fault == "before":
                return self._cut()
            if fault == "part":
                state.kept += data[: len(data) // 2]
                return self._cut()
            if fault == "after":
                state.kept += data
                return self._cut()
            return self._answer(fault, b'{"msg": "no"}')
        if offset != len(state.kept):
            return self._stands(409)
        state.offsets.append(offset)
        if not fits:
            return self._answer(400, b'{"msg": "damaged"}')
        state.kept += data
        self._stands()
        return None

    def do_DELETE(self):
        self.server.state.deleted.append(self.path)
        self._answer(204, b"")

    def _stands(self, status=200):
        state = self.server.state
        if state.forgotten:
            return self._answer(404, b'{"msg": "no such upload"}')
        complete = str(len(state.kept) == len(TEXT)).lower()
        self._answer(
            status, b'{"received": %d, "complete": %s}' % (len(state.kept), complete.encode())
        )
        return None

    def _cut(self):
        self.close_connection = True

    def _body(self):
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _answer(self, status, content):
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


class State(SimpleNamespace):
    """What the store has, and which faults it shall show."""

    def __repr__(self):
        return f"State({len(self.kept)} bytes)"


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        """Connections that the test cuts off."""


@pytest.fixture
def store():
    with Server(("127.0.0.1", 0), Store) as server:
        server.state = State(
            kept=b"",
            offsets=[],
            faults=[],
            deleted=[],
            forgotten=False,
            content=TEXT,
            asked=[],
            cuts=[],
            ranges=True,
        )
        thread = threading.Thread(target=server.serve_forever, args=[0.01])
        thread.start()
        server.state.caller = Caller("http://127.0.0.1", server.server_port)
        yield server.state
        server.state.caller.transport.close()
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    """No pause between two attempts; as many as there are seconds of patience."""
    now = iter(range(10**6))
    clock = SimpleNamespace(monotonic=lambda: next(now), sleep=lambda seconds: None)
    monkeypatch.setattr(retry, "time", clock)
    monkeypatch.setattr(retry.Backoff, "pause", lambda self: 0.0)


def send(store, **options):
    sealed = PlainPayload(Held(DATA))
    id_ = upload.begin(store.caller.send, sealed, 3)
    upload.proceed(store.caller.send, id_, sealed, **options)


def test_a_payload_goes_in_one_request_with_its_sums(store):
    sent = []
    send(store, step=sent.append)
    assert hashlib.sha256(store.kept).hexdigest() == DIGEST
    assert store.offsets == [0]
    assert sum(sent) == len(TEXT)


@pytest.mark.parametrize("fault", ["before", "part", "after", 503, 400])
def test_what_was_cut_off_goes_on_where_the_server_says(store, fault):
    store.faults = [fault, fault]
    send(store)
    assert hashlib.sha256(store.kept).hexdigest() == DIGEST


def test_an_upload_that_never_gets_on_is_given_up(store):
    store.faults = ["before"] * 1000
    with pytest.raises(ServerUnreachable):
        send(store, patience=5)
    assert len(store.faults) > 900


def test_an_upload_that_takes_long_is_not_given_up_as_long_as_bytes_leave(store):
    """It is one request, which may go on for hours before it is cut off."""

    def take_long(_):
        for _ in range(100):
            retry.time.monotonic()

    store.faults = ["part"]
    send(store, patience=60, step=take_long)
    assert hashlib.sha256(store.kept).hexdigest() == DIGEST


def test_a_server_that_finds_all_damaged_is_believed(store):
    store.faults = [400] * 10
    with pytest.raises(BadRequest):
        send(store)


def test_a_server_that_says_it_is_complete_but_takes_nothing_is_given_up(store):
    store.faults = [200] * 1000
    with pytest.raises((ServiceUnavailable, ServerError)):
        send(store, patience=5)


def test_an_upload_that_the_server_has_forgotten_is_told(store):
    store.forgotten = True
    with pytest.raises(NotFound):
        send(store)


def fetch(store, stored=None, **options):
    stored = stored or Stored(len(TEXT), DIGEST, "text")
    opener = lambda headers: store.caller.open("result/1/output", headers)  # noqa: E731
    with Download(opener, stored, **options) as source:
        parts = []
        while part := source.read(70_000):
            parts.append(part)
    return b"".join(parts)


def test_a_payload_comes_back_as_it_is(store):
    seen = []
    assert fetch(store, step=seen.append) == TEXT
    assert sum(seen) == len(TEXT)


@pytest.mark.parametrize("ranges", [True, False], ids=["with ranges", "without"])
def test_a_download_goes_on_where_it_was_cut_off(store, ranges):
    store.cuts, store.ranges = [4 * 2**16, 0, 2**16 + 1], ranges
    assert hashlib.sha256(fetch(store)).hexdigest() == DIGEST
    assert store.asked[:2] == [0, 4 * 2**16]


def test_a_download_that_never_gets_on_is_given_up(store):
    store.cuts = [0] * 1000
    with pytest.raises(ServerUnreachable):
        fetch(store, patience=5)


def test_another_process_goes_on_with_what_was_kept(store, tmp_path):
    kept = tmp_path / "part"
    store.cuts = [6 * 2**16] + [0] * 1000
    with pytest.raises(ServerUnreachable):
        fetch(store, kept=kept, patience=5)
    assert kept.stat().st_size == 6 * 2**16
    assert kept.stat().st_mode & 0o777 == 0o600
    store.cuts, store.asked = [], []
    assert fetch(store, kept=kept) == TEXT
    assert store.asked == [6 * 2**16]


def test_a_payload_that_is_another_one_is_refused_and_not_kept(store, tmp_path):
    kept = tmp_path / "part"
    store.content = TEXT[:-4] + b"AAAA"
    with pytest.raises(EncryptionError, match="not the payload"):
        fetch(store, kept=kept)
    assert kept.read_bytes() == b""


def test_a_payload_that_is_longer_than_announced_is_refused(store):
    with pytest.raises(EncryptionError, match="not the payload"):
        fetch(store, Stored(len(TEXT) - 100, DIGEST, "text"))


@pytest.mark.parametrize(
    "told",
    [
        {"size": -1, "digest": DIGEST, "form": "text"},
        {"size": "1", "digest": DIGEST, "form": "text"},
        {"size": 1, "digest": "../../etc", "form": "text"},
        {"size": 1, "digest": DIGEST, "form": "other"},
        {"size": 1},
        [],
        "yes",
    ],
    ids=["negative", "text", "path", "form", "missing", "list", "word"],
)
def test_what_is_said_to_be_stored_is_not_believed_blindly(told):
    with pytest.raises(EncryptionError):
        Stored.from_wire(told)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"uploads": {"from": 5}}, Uploads(5)),
        ({"version": "3.11.1"}, None),
        ({"uploads": {"from": "5"}}, None),
        ({"uploads": []}, None),
        (None, None),
    ],
    ids=["number", "classic", "text", "list", "nothing"],
)
def test_what_a_server_says_of_uploads(told, expected):
    assert Ability(lambda: told).uploads() == expected


def test_a_server_that_does_not_tell_its_version_has_no_uploads():
    def refuse():
        raise NotFound(404, "no such route")

    assert Ability(refuse).uploads() is None
