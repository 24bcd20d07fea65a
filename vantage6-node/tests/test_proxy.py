"""What an algorithm gets through its proxy, asked over the socket as its relay does."""

import contextlib
import errno
import hashlib
import http.client
import io
import json
import os
import socket
from types import SimpleNamespace

import pytest
import requests
from urllib3.exceptions import MaxRetryError, NewConnectionError

from vantage6.common import authenticated, capability, retry
from vantage6.common.authenticated import ResultContext
from vantage6.common.client.ability import Uploads
from vantage6.common.encryption import DummyCryptor, RSACryptor, is_envelope
from vantage6.common.exceptions import Forbidden, NotFound
from vantage6.common.letter import Letter
from vantage6.common.partners import Shown
from vantage6.common.sealed import ClassicPayload, PlainPayload, SignedPayload
from vantage6.common.sources import Held
from vantage6.common.text import base64s_to_bytes, bytes_to_base64s
from vantage6.node import door as door_module
from vantage6.node import proxy as proxy_module
from vantage6.node.audit import AuditLog
from vantage6.node.audit.files import lines
from vantage6.node.audit.runs import RunAudit
from vantage6.node.globals import SOCKET_NAME
from vantage6.node.keyring import envelopes_of
from vantage6.node.proxy import Proxy
from vantage6.node.server import Identity

TOKEN = "token-of-this-run"
LARGEST = 10**6
INPUT = bytes_to_base64s(b'json.{"method": "partial"}')


class Upstream:
    """A server that notes what reaches it and gives what a test prepared."""

    address = "http://server.test/api"

    def __init__(self):
        self.calls = []
        self.answers = {}
        self.faults = []
        self.public_keys = {}
        self.capabilities = {}
        self.encrypted = False
        self.said_of_uploads = None
        self.uploaded, self.stored = {}, {}
        self.taken_back, self.uses_uploads = [], False
        self.knows_orders = True
        self.first_answers = []

    def keeps_keys(self):
        return self.knows_orders

    def uploads(self):
        return self.said_of_uploads

    def large_elsewhere(self):
        return {"inline": 1000} if self.said_of_uploads else {}

    def begin_upload(self, sealed, token):
        assert token == TOKEN
        return len(self.uploaded) + 1

    def send_upload(self, upload_id, sealed, token):
        assert token == TOKEN
        self.uploaded[upload_id] = b"".join(map(bytes, sealed.pieces()))

    def delete_upload(self, upload_id, token):
        assert token == TOKEN
        self.taken_back.append(upload_id)
        if self.uses_uploads:
            raise Forbidden(403, "This upload is not one of yours")

    def put(self, name, sealed):
        """Let the store have something; gives what the server says of it."""
        data = b"".join(map(bytes, sealed.pieces()))
        self.stored[name] = data
        digest = hashlib.sha256(data).hexdigest()
        return {"size": len(data), "digest": digest, "form": sealed.form}

    @contextlib.contextmanager
    def payload(self, result_id, field, stored, token=None):
        assert token == TOKEN
        yield Letter(io.BytesIO(self.stored[result_id, field]), stored.form)

    def forward(self, method, path, **call):
        self.calls.append(SimpleNamespace(method=method, path=path, **call))
        if self.faults:
            raise self.faults.pop(0)
        usual = self.answers.get((method, path), (200, {"path": path}, {}))
        status, body, headers = self.first_answers.pop(0) if self.first_answers else usual
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Content-Length": str(len(content)), **headers}
        return SimpleNamespace(
            status_code=status, content=content, headers=headers, close=lambda: None
        )

    def organization(self, organization_id, collaboration_id):
        if organization_id not in self.public_keys:
            raise NotFound(404, "There is no such organization")
        key, said = self.public_keys[organization_id], self.capabilities
        return Shown(organization_id, "north", key, said.get(organization_id, ""))

    def is_encrypted(self, collaboration_id):
        return self.encrypted


@pytest.fixture
def upstream():
    return Upstream()


@pytest.fixture
def open_proxy(upstream, tmp_path):
    """Open the door of one run; gives a function that asks through it."""
    proxies = []

    def open_(cryptor=None):
        proxy = make_proxy(upstream, tmp_path, cryptor)
        proxies.append(proxy)
        proxy.admit(1, tmp_path, TOKEN)
        return lambda *args, **more: ask(tmp_path, *args, **more)

    yield open_
    for proxy in proxies:
        proxy.close()


def make_proxy(upstream, folder, cryptor=None):
    upstream.encrypted = cryptor is not None
    who = Identity(1, "node", 7, "north", "", 3, upstream.encrypted)
    made = envelopes_of(who, upstream, cryptor or DummyCryptor(), "both", folder, journal=None)
    return Proxy(upstream, made, RunAudit(AuditLog(folder / "audit")), folder, LARGEST)


@pytest.fixture
def get(open_proxy):
    return open_proxy()


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost")
        self._path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(str(self._path))


def ask(folder, path, method="GET", body=None, token=TOKEN, connection=None, **more):
    if connection is None:
        with contextlib.closing(UnixConnection(folder / SOCKET_NAME)) as connection:
            return ask(folder, path, method, body, token, connection, **more)
    headers = {**({"Authorization": f"Bearer {token}"} if token else {}), **more}
    content = json.dumps(body).encode() if body is not None else None
    connection.request(method, path, content, headers)
    response = connection.getresponse()
    text = response.read()
    return SimpleNamespace(
        status=response.status, headers=response.headers, body=json.loads(text) if text else None
    )


@pytest.mark.parametrize(
    "path",
    [
        "/version",
        "/organization",
        "/organization/1",
        "/collaboration/1",
        "/collaboration/1/organization",
        "/node/1",
        "/task",
        "/task/1",
        "/task/1/result",
        "/result",
        "/result/1",
        "/port",
        "/port/1",
    ],
)
def test_what_an_algorithm_may_read(get, path):
    assert get(path).body == {"path": path.strip("/")}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/token/user"),
        ("POST", "/token/container"),
        ("POST", "/recover/lost"),
        ("GET", "/user"),
        ("GET", "/user/1"),
        ("GET", "/"),
        ("GET", "/task/1/../../user"),
        ("GET", "/task/%31"),
        ("GET", "/task/x"),
        ("GET", "//evil.example/task"),
        ("GET", "/health"),
        ("PATCH", "/result/1"),
        ("PATCH", "/organization/1"),
        ("PUT", "/task"),
        ("DELETE", "/task/1"),
        ("POST", "/organization"),
        ("OPTIONS", "/task"),
        ("HEAD", "/task"),
    ],
)
def test_everything_else_is_refused_and_never_leaves_the_node(get, upstream, method, path):
    assert get(path, method).status == 403
    assert upstream.calls == []


@pytest.mark.parametrize("token", [None, "token-of-another-run", "", TOKEN + "x"])
def test_only_the_token_of_the_run_is_taken(get, upstream, token):
    assert get("/task/1", token=token).status == 401
    assert upstream.calls == []


def test_the_version_is_no_secret(get):
    assert get("/version", token=None).status == 200


def test_the_token_goes_along_and_nothing_else(get, upstream):
    get("/task/1")
    assert upstream.calls[0].headers == {"Authorization": f"Bearer {TOKEN}"}


def test_repeated_query_keys_are_kept(get, upstream):
    get("/task/1/result?include=metadata&include=task&page=2&empty=")
    assert upstream.calls[0].query == [
        ("include", "metadata"),
        ("include", "task"),
        ("page", "2"),
        ("empty", ""),
    ]


def test_a_long_poll_is_given_its_time(get, upstream):
    get("/task/1?wait=30")
    get("/task/1")
    get("/task/1?wait=soon")
    long, short, odd = (call.read_timeout for call in upstream.calls)
    assert long == short + 30
    assert odd == short


@pytest.mark.parametrize("wait", ["inf", "1e300", "nan", "-inf", "86400"])
def test_nobody_is_held_for_longer_than_a_server_waits(get, upstream, wait):
    get("/task/1")
    assert get(f"/task/1?wait={wait}").status == 200
    plain, odd = (call.read_timeout for call in upstream.calls)
    assert plain <= odd <= plain + 60


@pytest.mark.parametrize("status", [201, 400, 401, 403, 404, 500])
def test_status_and_body_pass_through(get, upstream, status):
    upstream.answers["GET", "task/1"] = (status, {"msg": "words of the server"}, {})
    answer = get("/task/1")
    assert (answer.status, answer.body) == (status, {"msg": "words of the server"})


def test_paging_headers_pass_and_those_of_the_connection_do_not(get, upstream):
    headers = {"total-count": "9", "Link": "<x>; rel=next", "Content-Encoding": "gzip"}
    upstream.answers["GET", "task"] = (200, [], headers)
    answer = get("/task")
    assert (answer.headers["total-count"], answer.headers["Link"]) == ("9", "<x>; rel=next")
    assert "Content-Encoding" not in answer.headers


def test_many_calls_over_one_connection(get, tmp_path):
    connection = UnixConnection(tmp_path / SOCKET_NAME)
    body = {"organizations": [{"id": 1, "input": INPUT}]}
    for _ in range(3):
        assert get("/task/1", connection=connection).status == 200
        assert get("/task", "POST", body, connection=connection).status == 200
        assert get("/user", "POST", body, connection=connection).status == 403
    connection.close()


def test_a_body_of_unknown_length_is_refused(get, tmp_path):
    head = b"POST /task HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert say(tmp_path, head + b"2\r\n{}\r\n0\r\n\r\n").startswith(b"HTTP/1.1 411")


def say(folder, words):
    """What the door answers to bytes that no library would send."""
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as stranger:
        stranger.connect(str(folder / SOCKET_NAME))
        stranger.sendall(words)
        stranger.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: stranger.recv(65536), b""))


@pytest.mark.parametrize(
    ("line", "header", "status"),
    [
        ("GET http://[evil/task HTTP/1.1", "X: 1", b"400"),
        ("POST /task HTTP/1.1", f"Content-Length: {'9' * 5000}", b"411"),
        ("POST /task HTTP/1.1", "Content-Length: -1", b"411"),
        ("POST /task HTTP/1.1", "Content-Length: +2", b"411"),
        ("POST /task HTTP/1.1", f"Content-Length: {2**30 + 1}", b"413"),
        ("POST /task HTTP/1.1", "Transfer-Encoding: identity", b"411"),
        ("GET /task HTTP/1.1", f"X: {'x' * 70_000}", b"431"),
        ("GET http://evil.example/user HTTP/1.1", f"Authorization: Bearer {TOKEN}", b"403"),
        ("GET //evil.example/user HTTP/1.1", f"Authorization: Bearer {TOKEN}", b"403"),
    ],
)
def test_odd_requests_are_refused_and_the_door_stays(get, upstream, tmp_path, line, header, status):
    answer = say(tmp_path, f"{line}\r\n{header}\r\n\r\n".encode())
    assert answer.split(b" ")[1] == status
    assert upstream.calls == []
    assert get("/task/1").status == 200


def test_of_two_lengths_one_counts_and_nothing_slips_in_between(get, upstream, tmp_path):
    inner = "GET /user HTTP/1.1\r\n\r\n"
    lengths = f"Content-Length: {len(inner)}\r\nContent-Length: 0"
    say(tmp_path, f"GET /task/1 HTTP/1.1\r\n{lengths}\r\n\r\n{inner}".encode())
    assert upstream.calls == []


def test_a_node_out_of_files_for_a_moment_keeps_its_doors(get, monkeypatch):
    real, faults = socket.socket.accept, [OSError(errno.EMFILE, "Too many open files")]

    def accept(listener):
        if faults and listener.family == socket.AF_UNIX:
            raise faults.pop()
        return real(listener)

    get("/task/1")
    monkeypatch.setattr(socket.socket, "accept", accept)
    # The door was waiting already in what is replaced here: the next turn meets the fault.
    assert [get("/task/1").status for _ in range(3)] == [200, 200, 200]
    assert faults == []


def test_one_large_body_of_a_container_at_a_time(get, upstream, tmp_path, monkeypatch):
    monkeypatch.setattr(door_module, "_LARGE_BODY", 60)
    start = f"POST /task HTTP/1.1\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: 61\r\n\r\n"
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as slow:
        slow.connect(str(tmp_path / SOCKET_NAME))
        slow.sendall(start.encode())
        # Small ones pass beside one that does not come to its end.
        assert get("/task/1").status == 200
    body = new_task({"id": 1, "input": INPUT})
    assert get("/task", "POST", body).status == 200


# New tasks


def new_task(*organizations):
    return {"name": "subtask", "collaboration_id": 3, "organizations": list(organizations)}


def test_a_task_is_encrypted_for_each_organization(open_proxy, upstream, key, tmp_path):
    RSACryptor.create_new_rsa_key(tmp_path / "other.pem")
    other = RSACryptor(tmp_path / "other.pem")
    upstream.public_keys = {1: key.public_key_str, 2: other.public_key_str}
    upstream.answers["POST", "task"] = (201, {"id": 5}, {})
    answer = open_proxy(key)(
        "/task", "POST", new_task({"id": 1, "input": INPUT}, {"id": 2, "input": INPUT})
    )
    assert (answer.status, answer.body) == (201, {"id": 5})
    sent = json.loads(upstream.calls[0].body)
    assert sent["name"] == "subtask"
    for cryptor, entry in zip((key, other), sent["organizations"], strict=True):
        assert is_envelope(entry["input"])
        assert cryptor.decrypt_str_to_bytes(entry["input"]) == base64s_to_bytes(INPUT)


def test_without_encryption_a_task_passes_as_it_is(get, upstream):
    body = new_task({"id": 1, "input": INPUT})
    get("/task", "POST", body)
    assert json.loads(upstream.calls[0].body) == body


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (new_task(), "Organizations missing"),
        ({"name": "x"}, "Organizations missing"),
        ([], "Organizations missing"),
        (new_task({"id": 1}), "input"),
        (new_task({"input": INPUT}), "id"),
        (new_task(1), "id"),
        (new_task({"id": float("inf"), "input": INPUT}), "id"),
        (new_task({"id": 1, "input": {"not": "text"}}), "input"),
        (new_task({"id": 1, "input": "not base64!"}), "base64"),
        (new_task({"id": 2, "input": INPUT}), "no public key"),
    ],
)
def test_a_bad_task_is_answered_with_what_is_wrong(open_proxy, upstream, key, body, message):
    upstream.public_keys = {1: key.public_key_str, 2: ""}
    answer = open_proxy(key)("/task", "POST", body)
    assert answer.status == 400
    assert message in answer.body["msg"]
    assert upstream.calls == []


def test_an_organization_that_is_not_there(open_proxy, key):
    answer = open_proxy(key)("/task", "POST", new_task({"id": 9, "input": INPUT}))
    assert answer.status == 404


@pytest.mark.parametrize("nonsense", [b"nonsense", b"[" * 100_000, b"9" * 10_000, b"\xff"])
def test_a_body_that_is_not_json(get, tmp_path, nonsense):
    connection = UnixConnection(tmp_path / SOCKET_NAME)
    connection.request("POST", "/task", nonsense, {"Authorization": f"Bearer {TOKEN}"})
    response = connection.getresponse()
    assert (response.status, json.loads(response.read())["msg"]) == (400, "The body is not JSON")
    connection.close()


# Results


@pytest.mark.parametrize(
    ("path", "wrap"),
    [
        ("/task/1/result", lambda result: [result]),
        ("/task/1/result?include=metadata", lambda result: {"data": [result], "links": {}}),
        ("/result?task_id=1", lambda result: [result]),
        ("/result/1", lambda result: result),
        ("/task/1?include=results", lambda result: {"id": 1, "results": [result]}),
        ("/task?include=results", lambda result: [{"id": 1, "results": [result]}]),
    ],
)
def test_results_are_decrypted_wherever_they_stand(open_proxy, upstream, key, path, wrap):
    secret = key.encrypt_bytes_to_str(b"json.1", key.public_key_str)
    run = {"id": 1, "task": {"id": 1}, "organization": 7, "input": secret}
    plain = wrap({**run, "result": bytes_to_base64s(b"json.1")})
    bare = path.partition("?")[0].strip("/")
    upstream.answers["GET", bare] = (200, wrap({**run, "result": secret}), {})
    assert open_proxy(key)(path).body == plain


@pytest.mark.parametrize("result", ["", None])
def test_empty_results_stay_empty(open_proxy, upstream, key, result):
    upstream.answers["GET", "task/1/result"] = (200, [{"id": 1, "result": result}], {})
    assert open_proxy(key)("/task/1/result").body == [{"id": 1, "result": result}]


def test_a_result_for_somebody_else_stays_closed(open_proxy, upstream, key, tmp_path):
    RSACryptor.create_new_rsa_key(tmp_path / "other.pem")
    other = RSACryptor(tmp_path / "other.pem")
    secret = other.encrypt_bytes_to_str(b"json.1", other.public_key_str)
    run = {"id": 1, "task": 1, "organization": 7, "result": secret}
    upstream.answers["GET", "result/1"] = (200, run, {})
    assert open_proxy(key)("/result/1").body["result"] == secret


@pytest.fixture
def asked(open_proxy, upstream, key, partner):
    """A subtask for a partner that reads signed inputs, and how to ask for its result."""
    upstream.public_keys = {9: partner.public_key_str}
    upstream.capabilities = {9: capability.make(partner.private_key, 9)}
    upstream.answers["POST", "task"] = (201, {"id": 12}, {})
    get = open_proxy(key)
    get("/task", "POST", {"image": "average", "organizations": [{"id": 9, "input": INPUT}]})
    (sent,) = json.loads(upstream.calls[-1].body)["organizations"]
    opened = authenticated.open_(sent["input"], partner.private_key, key.private_key.public_key())
    return SimpleNamespace(get=get, sent=sent["input"], opened=opened)


@pytest.fixture(scope="module")
def partner(tmp_path_factory):
    path = tmp_path_factory.mktemp("partner") / "key.pem"
    RSACryptor.create_new_rsa_key(path)
    return RSACryptor(path)


def signed_result(asked, partner, key, result_id=1, task_id=12):
    context = ResultContext.answering(
        asked.opened.context, asked.opened.digest, task_id=task_id, result_id=result_id
    )
    theirs = key.private_key.public_key()
    return authenticated.seal(b"json.1", context, partner.private_key, theirs)


def test_subtasks_are_signed_and_their_results_proven(asked, upstream, key, partner):
    assert asked.opened.data == b'json.{"method": "partial"}'
    run = {"id": 1, "organization": 9, "task": 12, "input": None}
    run["result"] = signed_result(asked, partner, key)
    upstream.answers["GET", "task/12/result"] = (200, [run], {})
    assert asked.get("/task/12/result").body[0]["result"] == bytes_to_base64s(b"json.1")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"result_id": 2}, "its result_id differs"),
        ({"task_id": 13}, "its task_id differs"),
        ("classic", "not in an authenticated envelope"),
        ("plain", "not in an authenticated envelope"),
        ("another organization", "The organization 'north' has no public key"),
        ("nobody", "does not say of which run"),
    ],
)
def test_a_result_that_cannot_be_trusted_fails_the_call(
    asked, upstream, key, partner, change, reason
):
    """Not as a run without a result: an algorithm may leave that out and compute without it."""
    run = {"id": 1, "organization": 9, "task": 12, "input": None}
    run["result"] = signed_result(
        asked, partner, key, **(change if isinstance(change, dict) else {})
    )
    if change == "classic":
        run["result"] = partner.encrypt_bytes_to_str(b"json.2", key.public_key_str)
    if change == "plain":
        run["result"] = bytes_to_base64s(b"json.2")
    if change == "another organization":
        run["organization"], upstream.public_keys[8] = 8, ""
    if change == "nobody":
        del run["organization"]
    upstream.answers["GET", "task/12/result"] = (200, [run], {})
    answer = asked.get("/task/12/result")
    assert answer.status == 500
    assert reason in answer.body["msg"]


def test_a_result_of_another_task_than_was_asked_for(asked, upstream, key, partner):
    """Genuine in all it says, but not the answer to this question."""
    run = {"id": 1, "organization": 9, "task": 13, "input": None}
    run["result"] = signed_result(asked, partner, key, task_id=13)
    for path in ("task/12/result", "result"):
        upstream.answers["GET", path] = (200, [run], {})
    assert asked.get("/task/12/result").status == 500
    assert asked.get("/result?task_id=12").status == 500


def test_a_promise_that_is_left_out_stops_the_subtask(asked, upstream):
    upstream.capabilities = {}
    answer = asked.get(
        "/task", "POST", {"image": "average", "organizations": [{"id": 9, "input": INPUT}]}
    )
    assert answer.status == 400
    assert "vnode-local keys confirm 9 --classic" in answer.body["msg"]


def test_an_answer_that_is_not_json_passes_unchanged(open_proxy, upstream, key, tmp_path):
    upstream.answers["GET", "task/1"] = (200, b"<html>", {"Content-Type": "text/html"})
    open_proxy(key)
    connection = UnixConnection(tmp_path / SOCKET_NAME)
    connection.request("GET", "/task/1", headers={"Authorization": f"Bearer {TOKEN}"})
    response = connection.getresponse()
    assert (response.read(), response.headers["Content-Type"]) == (b"<html>", "text/html")
    connection.close()


# A server that does not answer


@pytest.fixture
def hurried(monkeypatch):
    """Pauses that take no time."""
    monkeypatch.setattr(retry.Backoff, "pause", lambda self: 0.0)


def refused():
    inner = MaxRetryError(None, "/", NewConnectionError(None, "refused"))
    return requests.exceptions.ConnectionError(inner)


def test_a_question_is_repeated(get, upstream, hurried):
    upstream.faults = [requests.exceptions.ReadTimeout(), requests.exceptions.ConnectionError()]
    assert get("/task/1").status == 200
    assert len(upstream.calls) == 3


@pytest.mark.parametrize(
    "fault", [requests.exceptions.ReadTimeout(), requests.exceptions.ConnectionError("reset")]
)
def test_a_task_that_a_classic_server_perhaps_created_is_not_created_again(
    get, upstream, hurried, fault
):
    upstream.knows_orders = False
    upstream.faults = [fault]
    answer = get("/task", "POST", new_task({"id": 1, "input": INPUT}))
    assert answer.status == 503
    assert len(upstream.calls) == 1


@pytest.mark.parametrize(
    "fault",
    [requests.exceptions.ReadTimeout(), requests.exceptions.ConnectionError("reset"), "502", "503"],
    ids=["silence", "reset", "502", "503"],
)
def test_a_task_whose_answer_was_lost_is_ordered_again_as_the_same(get, upstream, hurried, fault):
    if isinstance(fault, str):
        upstream.first_answers = [(int(fault), {"msg": "away"}, {})]
    else:
        upstream.faults = [fault]
    assert get("/task", "POST", new_task({"id": 1, "input": INPUT})).status == 200
    first, second = upstream.calls
    assert first.body == second.body
    assert first.headers["Idempotency-Key"] == second.headers["Idempotency-Key"]


@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_question_is_asked_again_while_the_server_is_away(get, upstream, hurried, status):
    """A container on the classic tools ends with the first answer that is no success."""
    upstream.first_answers = [(status, {"msg": "away"}, {}), (status, b"<html>", {})]
    upstream.answers["GET", "task/1"] = (200, {"complete": True}, {})
    assert get("/task/1").body == {"complete": True}
    assert len(upstream.calls) == 3


@pytest.mark.parametrize("status", [401, 404, 429, 500])
def test_what_a_server_that_is_there_says_is_passed_on(get, upstream, hurried, status):
    upstream.first_answers = [(status, {"msg": "no"}, {})]
    assert get("/task/1").status == status


def test_the_key_of_a_container_is_passed_on(upstream, open_proxy):
    get, task = open_proxy(), new_task({"id": 1, "input": INPUT})
    for key in ("mine", "not one word"):
        get("/task", "POST", task, **{"Idempotency-Key": key})
    first, second = (call.headers["Idempotency-Key"] for call in upstream.calls)
    assert first == "mine"
    assert second != "not one word"


def test_a_node_says_that_subtasks_may_be_ordered_again(get, upstream):
    for keeps, said in ((True, True), (False, None)):
        upstream.answers["GET", "version"] = (200, {"version": "1", "idempotency_keys": keeps}, {})
        assert get("/version").body.get("repeatable_subtasks") is said


@pytest.mark.parametrize("fault", [refused(), requests.exceptions.ConnectTimeout()])
def test_a_task_that_never_reached_the_server_is_sent_again(get, upstream, hurried, fault):
    upstream.faults = [fault]
    assert get("/task", "POST", new_task({"id": 1, "input": INPUT})).status == 200


def test_patience_ends(get, upstream, hurried, monkeypatch):
    monkeypatch.setattr(proxy_module, "_PATIENCE", -1.0)
    upstream.faults = [requests.exceptions.ReadTimeout()]
    assert get("/task/1").status == 503
    upstream.first_answers = [(502, {"msg": "away"}, {})]
    assert get("/task/1").status == 502


# The door


def test_after_the_run_the_door_is_closed_also_for_those_inside(upstream, tmp_path):
    proxy = make_proxy(upstream, tmp_path)
    proxy.admit(1, tmp_path, TOKEN)
    connection = UnixConnection(tmp_path / SOCKET_NAME)
    assert ask(tmp_path, "/task/1", connection=connection).status == 200
    proxy.dismiss(1)
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as late, pytest.raises(OSError):
        late.connect(str(tmp_path / SOCKET_NAME))
    with pytest.raises((OSError, http.client.HTTPException)):
        ask(tmp_path, "/task/1", connection=connection)
    connection.close()


def test_the_socket_is_for_its_owner_alone(get, tmp_path):
    assert (tmp_path / SOCKET_NAME).stat().st_mode & 0o777 == 0o600


def test_folders_may_be_deeper_than_the_address_of_a_socket_is_long(upstream, tmp_path):
    deep = tmp_path / ("x" * 100) / ("y" * 100)
    deep.mkdir(parents=True)
    proxy = make_proxy(upstream, tmp_path)
    proxy.admit(1, deep, TOKEN)
    assert (deep / SOCKET_NAME).is_socket()
    proxy.close()


# The audit log


def test_what_leaves_in_a_subtask_is_told_before_it_does(get, upstream, tmp_path):
    get("/task", "POST", {**new_task({"id": 1, "input": INPUT}), "image": "average"})
    [(_, line)] = lines(tmp_path / "audit")
    record = json.loads(line)
    data = base64s_to_bytes(INPUT)
    digest = hashlib.sha256(data).hexdigest()
    assert record["event"] == "subtask leaves"
    assert record["facts"] == {
        "result_id": 1,
        "image": "average",
        "inputs": [{"organization_id": "1", "bytes": len(data), "sha256": digest}],
        "inputs_in_all": 1,
    }


def test_a_subtask_that_cannot_be_written_down_does_not_leave(get, upstream, monkeypatch, tmp_path):
    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    answer = get("/task", "POST", new_task({"id": 1, "input": INPUT}))
    assert answer.status == 503
    assert "No space left" in answer.body["msg"]
    assert upstream.calls == []


@pytest.mark.parametrize("entry", [5, None, {}, {"id": [1], "input": 3}, {"input": "é$"}])
def test_nonsense_in_a_subtask_is_told_too(get, upstream, tmp_path, entry):
    get("/task", "POST", new_task(entry))
    assert len(list(lines(tmp_path / "audit"))) == 1


@pytest.mark.parametrize(
    "body", [b"[" + b"{}," * 200_000, b"[" * 200_000, b'"' + b'\\"' * 10**6 + b",{" * 10**5]
)
def test_cve_2022_21822_C_what_takes_more_memory_than_its_letters(  # noqa: N802
    tmp_path, upstream, body
):
    """Eight megabytes of `{}` become two hundred, for each connection of the container."""
    call = door_module.Call(
        "POST", "/task", headers={"authorization": f"Bearer {TOKEN}"}, body=body
    )
    assert make_proxy(upstream, tmp_path).answer(call, TOKEN, 1).status in (400, 413)
    assert upstream.calls == []


def test_an_input_of_plain_text_is_one_value(open_proxy, upstream):
    plain = json.dumps({"method": "mean", "args": [{}] * 150_000})
    task = {"image": "average", "organizations": [{"id": 7, "input": plain}]}
    upstream.answers["POST", "task"] = (201, {"id": 1}, {})
    assert open_proxy()("/task", "POST", task).status == 201


def test_of_large_answers_one_container_has_one_at_a_time_in_our_memory(
    open_proxy, upstream, tmp_path, monkeypatch
):
    """Else it had as many of the largest results as it has connections, until we had no more."""
    monkeypatch.setattr(door_module, "_PATIENCE", 0.01)
    get = open_proxy()
    large = {"Content-Length": str(2**30)}
    upstream.answers["GET", "result/1"] = (200, b"x" * 2**24, large)
    with contextlib.closing(UnixConnection(tmp_path / SOCKET_NAME)) as slow:
        slow.request("GET", "/result/1", headers={"Authorization": f"Bearer {TOKEN}"})
        slow.getresponse()
        assert get("/result/1").status == 503
        upstream.answers["GET", "result/2"] = (200, {}, {"Content-Length": "2"})
        assert get("/result/2").status == 200


# Payloads that are too large for the JSON: the algorithm has them there all the same

LARGE = hashlib.shake_256(b"large").digest(300_000)


@pytest.fixture
def stores(upstream):
    """A server with a payload store."""
    upstream.said_of_uploads = Uploads(1000)
    return upstream


def test_a_large_input_of_a_subtask_is_uploaded_sealed(open_proxy, stores, key):
    stores.public_keys[9] = key.public_key_str
    entry = {"id": 9, "input": bytes_to_base64s(LARGE)}
    answer = open_proxy(key)("/task", "POST", {"image": "i", "organizations": [entry]})
    assert answer.status == 200
    (sent,) = json.loads(stores.calls[-1].body)["organizations"]
    assert sent == {"id": 9, "input_upload": 1}
    assert key.decrypt_str_to_bytes(stores.uploaded[1].decode()) == LARGE


def test_a_large_input_in_plain_is_uploaded_once_for_all(open_proxy, stores):
    entries = [{"id": id_, "input": bytes_to_base64s(LARGE)} for id_ in (9, 10)]
    open_proxy()("/task", "POST", {"image": "i", "organizations": entries})
    sent = json.loads(stores.calls[-1].body)["organizations"]
    assert sent == [{"id": 9, "input_upload": 1}, {"id": 10, "input_upload": 1}]
    assert list(stores.uploaded) == [1]
    assert base64s_to_bytes(stores.uploaded[1].decode()) == LARGE


def _entries(count):
    entry = {"id": 9, "input": bytes_to_base64s(LARGE)}
    return [entry] * count


@pytest.mark.parametrize(
    ("status", "repeated", "used", "taken_back"),
    [
        (201, False, True, []),
        # The server may have kept what came with it the first time.
        (201, True, False, [1, 2]),
        (201, True, True, [1]),
        (403, False, False, [1, 2]),
        # Who knows what becomes of it.
        (504, False, False, []),
    ],
    ids=["made", "known", "made after all", "refused", "not answered"],
)
def test_uploads_that_no_subtask_uses_are_taken_back(
    open_proxy, stores, key, status, repeated, used, taken_back, monkeypatch
):
    """Else an algorithm could fill the payload store with inputs of tasks that are refused."""
    monkeypatch.setattr(proxy_module, "_PATIENCE", 0)
    stores.public_keys[9], stores.uses_uploads = key.public_key_str, used
    stores.answers["POST", "task"] = (status, {"id": 1}, {})
    task = {"image": "i", "organizations": _entries(2)}
    more = {"Idempotency-Repeated": "true"} if repeated else {}
    answer = open_proxy(key)("/task", "POST", task, **more)
    assert answer.status == status
    assert stores.taken_back == taken_back


def test_uploads_for_an_order_that_cannot_be_sealed_as_a_whole_are_taken_back(
    open_proxy, stores, key
):
    stores.public_keys[9] = key.public_key_str
    stranger = {"id": 10, "input": bytes_to_base64s(LARGE)}
    task = {"image": "i", "organizations": [*_entries(1), stranger]}
    answer = open_proxy(key)("/task", "POST", task)
    assert answer.status == 404
    assert stores.taken_back == [1]
    assert all(call.method != "POST" for call in stores.calls)


def test_a_small_input_stays_in_the_json(open_proxy, stores):
    open_proxy()("/task", "POST", {"image": "i", "organizations": [{"id": 9, "input": INPUT}]})
    assert json.loads(stores.calls[-1].body)["organizations"] == [{"id": 9, "input": INPUT}]
    assert stores.uploaded == {}


@pytest.mark.parametrize("encrypted", [True, False], ids=["encrypted", "plain"])
def test_large_results_are_in_the_json_that_an_algorithm_gets(open_proxy, stores, key, encrypted):
    sealed = (
        ClassicPayload(Held(LARGE), key.public_key_str) if encrypted else PlainPayload(Held(LARGE))
    )
    run = {"id": 1, "organization": 9, "task": 12, "input": "x", "result": None}
    run["result_stored"] = stores.put((1, "result"), sealed)
    small = {"id": 2, "organization": 9, "task": 12, "input": "x", "result_stored": None}
    text = (
        key.encrypt_bytes_to_str(b"4", key.public_key_str) if encrypted else bytes_to_base64s(b"4")
    )
    stores.answers["GET", "task/12/result"] = (200, [run, {**small, "result": text}], {})
    answer = open_proxy(key if encrypted else None)("/task/12/result")
    assert [base64s_to_bytes(one["result"]) for one in answer.body] == [LARGE, b"4"]
    assert ("inline", "1000") in stores.calls[-1].query


def test_an_algorithm_cannot_have_large_results_inline_by_asking_for_it(get, stores):
    get("/task/12/result?inline=100000000")
    assert stores.calls[-1].query == [("inline", "1000")]


def test_a_large_result_of_a_signed_input_has_to_answer_it(asked, stores, key, partner):
    context = ResultContext.answering(
        asked.opened.context, asked.opened.digest, task_id=12, result_id=1
    )
    theirs = key.private_key.public_key()
    sealed = SignedPayload.new(Held(LARGE), context, partner.private_key, theirs)
    stored = stores.put((1, "result"), sealed)
    run = {"id": 1, "organization": 9, "task": 12, "input": None, "result": None}
    stores.answers["GET", "task/12/result"] = (200, [{**run, "result_stored": stored}], {})
    assert base64s_to_bytes(asked.get("/task/12/result").body[0]["result"]) == LARGE
    other = {**run, "id": 2, "result_stored": stores.put((2, "result"), sealed)}
    stores.answers["GET", "task/12/result"] = (200, [other], {})
    answer = asked.get("/task/12/result")
    assert (answer.status, "its result_id differs" in answer.body["msg"]) == (500, True)


@pytest.fixture
def forgotten(open_proxy, stores, key, partner):
    """A subtask with a large input of which the node remembers nothing, and how to ask for it."""
    stores.public_keys = {9: partner.public_key_str}
    stores.capabilities = {9: capability.make(partner.private_key, 9)}
    stores.answers["POST", "task"], stores.uses_uploads = (201, {"id": 12}, {}), True
    get = open_proxy(key)
    # It notes nothing of an order that is said again: the server may have what came before.
    again = {"Idempotency-Repeated": "true"}
    get("/task", "POST", {"image": "average", "organizations": _entries(1)}, **again)
    data = stores.stored[1, "input"] = stores.uploaded[1]
    stored = {"size": len(data), "digest": hashlib.sha256(data).hexdigest(), "form": "binary"}
    run = {"id": 1, "organization": 9, "task": 12, "input": None, "input_stored": stored}
    opened = Letter(io.BytesIO(data), "binary").envelope().verify(key.private_key.public_key())
    return SimpleNamespace(get=get, run=run, opened=opened)


def test_a_result_of_a_large_input_that_is_forgotten_is_proven_by_the_stored_one(
    forgotten, stores, key, partner
):
    result = signed_result(forgotten, partner, key)
    stores.answers["GET", "task/12/result"] = (200, [{**forgotten.run, "result": result}], {})
    assert forgotten.get("/task/12/result").body[0]["result"] == bytes_to_base64s(b"json.1")


def test_a_classic_result_of_a_large_signed_input_that_is_forgotten_is_refused(
    forgotten, stores, key
):
    result = key.encrypt_bytes_to_str(b"json.1", key.public_key_str)
    stores.answers["GET", "task/12/result"] = (200, [{**forgotten.run, "result": result}], {})
    answer = forgotten.get("/task/12/result")
    assert (answer.status, "authenticated envelope" in answer.body["msg"]) == (500, True)


def test_more_than_a_node_hands_out_is_refused_before_it_is_fetched(open_proxy, stores):
    runs = []
    for id_ in (1, 2, 3):
        run = {"id": id_, "organization": 9, "task": 12, "input": "x", "result": None}
        runs.append(
            {**run, "result_stored": stores.put((id_, "result"), PlainPayload(Held(LARGE)))}
        )
    stores.answers["GET", "task/12/result"] = (200, runs, {})
    answer = open_proxy()("/task/12/result")
    assert answer.status == 413
    assert "largest_answer" in answer.body["msg"]


def test_nothing_of_large_results_is_left_on_the_disk(open_proxy, stores, tmp_path):
    run = {"id": 1, "organization": 9, "task": 12, "input": "x", "result": None}
    run["result_stored"] = stores.put((1, "result"), PlainPayload(Held(LARGE)))
    stores.answers["GET", "task/12/result"] = (200, [run], {})
    get = open_proxy()
    before = {path.name for path in tmp_path.iterdir()}
    get("/task/12/result")
    assert {path.name for path in tmp_path.iterdir()} == before
