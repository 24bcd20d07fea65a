"""What goes over the wire between node and server."""

import base64
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import ClassVar

import pytest

from vantage6.common.exceptions import (
    AuthenticationException,
    BadRequest,
    ServerError,
    ServerUnreachable,
)
from vantage6.common.task_status import TaskStatus
from vantage6.node.assignment import Report
from vantage6.node.server import ApiKeyRefused, Server

NODE = {"id": 1, "name": "node", "organization": {"id": 7}, "collaboration": {"id": 3}}
ORGANIZATION = {"id": 7, "name": "north", "public_key": None}
COLLABORATION = {"id": 3, "encrypted": True}


def token(number, expires=None):
    claims = {"sub": 1, "number": number, "exp": expires or time.time() + 3600}
    return f"a.{base64.urlsafe_b64encode(json.dumps(claims).encode()).decode()}.c"


class Session:
    """A server behind the interface of an HTTP session; it knows good keys and tokens."""

    def __init__(self):
        self.calls = []
        self.answers = {
            "version": (200, {"version": "4"}),
            "node/1": (200, NODE),
            "organization/7": (200, ORGANIZATION),
            "collaboration/3": (200, COLLABORATION),
        }
        self.issued = 0
        self.refresh_works = True
        self.key_works = True
        self.lifetime = 3600

    def request(self, method, url, headers=None, json=None, params=None, **more):
        path = url.removeprefix("http://server.test:5000/api/")
        bearer = (headers or {}).get("Authorization", "").removeprefix("Bearer ")
        call = SimpleNamespace(
            method=method, path=path, token=bearer, json=json, params=params, **more
        )
        self.calls.append(call)
        status, body = self._answer(call)
        content = b"" if body is None else b"{}"
        return SimpleNamespace(
            status_code=status,
            content=content,
            json=lambda: body,
            text="",
            iter_content=lambda size: iter([content]),
        )

    def close(self):
        pass

    def expire_tokens(self):
        self.issued += 1

    def _answer(self, call):
        if call.path == "token/node":
            return self._issue() if self.key_works else (401, {"msg": "who?"})
        if call.path == "token/refresh":
            good = self.refresh_works and call.token.startswith("refresh")
            return self._issue() if good else (401, {"msg": "expired"})
        if call.token != self.current and call.path != "version":
            return 401, {"msg": "expired"}
        answer = self.answers.get(call.path, (404, {"msg": "nothing there"}))
        return answer(call) if callable(answer) else answer

    def _issue(self):
        self.issued += 1
        self.current = token(self.issued, time.time() + self.lifetime)
        return 200, {"access_token": self.current, "refresh_token": f"refresh-{self.issued}"}


@pytest.fixture
def session():
    return Session()


@pytest.fixture
def taker(session):
    """A server for a process that runs something."""
    session.answers["version"] = (200, {"version": "4", "take": True})
    server = Server("http://server.test:5000", "/api", "key", session, claim="me")
    server.log_in()
    return server


@pytest.fixture
def server(session):
    server = Server("http://server.test:5000", "/api", "key", session)
    server.log_in()
    session.calls.clear()
    return server


def paths(session):
    return [f"{call.method} {call.path}" for call in session.calls]


def test_logging_in_tells_who_we_are(session):
    who = Server("http://server.test:5000", "/api", "key", session).log_in()
    assert (who.node_id, who.organization_id, who.collaboration_id) == (1, 7, 3)
    assert (who.organization_name, who.public_key, who.encrypted) == ("north", "", True)
    assert session.calls[0].json == {"api_key": "key"}


def test_a_wrong_key(session):
    session.key_works = False
    with pytest.raises(ApiKeyRefused, match=r"server\.test.*API key"):
        Server("http://server.test:5000", "/api", "wrong", session).log_in()


def test_a_node_without_a_collaboration(session):
    session.answers["node/1"] = (200, {**NODE, "collaboration": None})
    with pytest.raises(AuthenticationException, match="collaboration"):
        Server("http://server.test:5000", "/api", "key", session).log_in()


def test_an_expired_token_is_renewed_once_for_all_who_notice(server, session):
    stale = session.current
    session.current = "expired"
    server.wants(1)
    server.renew_token(stale)
    assert paths(session) == ["GET result/1", "POST token/refresh", "GET result/1"]


def test_a_refused_refresh_token_leads_to_a_new_log_in(server, session):
    session.current, session.refresh_works = "expired", False
    server.wants(1)
    assert paths(session)[1:3] == ["POST token/refresh", "POST token/node"]


def test_a_key_that_was_revoked_meanwhile(server, session):
    session.current, session.refresh_works, session.key_works = "expired", False, False
    with pytest.raises(ApiKeyRefused):
        server.wants(1)


def test_connections_are_opened_with_a_token_that_lasts(server, session):
    assert server.fresh_token() == session.current
    assert session.calls == []
    session.lifetime = 10
    server.renew_token(server.fresh_token())
    before = session.current
    session.lifetime = 3600
    assert server.fresh_token() != before


def wire_result(id_):
    task = {"id": id_ + 100, "run_id": 5, "image": "i", "database": "default", "initiator": 7}
    return {"id": id_, "input": "text", "task": task}


def test_open_runs_oldest_first_over_all_pages(server, session):
    rows = [wire_result(id_) for id_ in range(250, 0, -1)]

    def page(call):
        start = (call.params["page"] - 1) * call.params["per_page"]
        return 200, rows[start : start + call.params["per_page"]]

    session.answers["result"] = page
    runs = server.open_runs(1)
    assert [run.result_id for run in runs] == list(range(1, 251))
    query = {name: session.calls[0].params[name] for name in ("state", "include", "node_id")}
    assert query == {"state": "open", "include": "task", "node_id": 1}


def test_a_server_says_whether_it_gives_runs(session):
    for said in ({"version": "4", "take": True}, {"version": "4"}, {"version": "4", "take": "yes"}):
        session.answers["version"] = (200, said)
        server = Server("http://server.test:5000", "/api", "key", session, claim="me")
        server.log_in()
        assert server.gives == (said.get("take") is True)


def test_runs_are_taken_with_their_tokens(taker, session):
    session.answers["claim/take"] = (200, [{**wire_result(3), "container_token": "token"}])
    (run,) = taker.take(1000, {2, 1})
    assert (run.result_id, run.container_token, "token" in repr(run)) == (3, "token", False)
    assert session.calls[-1].json == {"claim": "me", "limit": 100, "held": [1, 2]}


def test_subtasks_alone_are_taken_where_that_is_wished(taker, session):
    subtask = wire_result(3)
    subtask["task"]["parent"] = {"id": 9}
    session.answers["claim/take"] = (200, [subtask, wire_result(4)])
    runs = taker.take(2, (), only_subtasks=True)
    assert session.calls[-1].json["only_subtasks"] is True
    assert [run.is_subtask for run in runs] == [True, False]


def test_a_run_that_makes_no_sense_is_not_taken_for_ever(taker, session):
    session.answers["claim/take"] = (200, [{"id": 8, "task": None}, "nonsense", wire_result(3)])
    assert [run.result_id for run in taker.take(5, ())] == [3]
    taker.take(5, {3})
    assert session.calls[-1].json["held"] == [3, 8]


def test_a_run_that_makes_no_sense_does_not_hide_the_others(server, session, caplog):
    broken = [{"id": 1, "input": "text", "task": None}, {"id": 2, "task": {}}]
    session.answers["result"] = (200, [*broken, wire_result(3)])
    assert [run.result_id for run in server.open_runs(1)] == [3]
    assert "Result 1" in caplog.text


@pytest.mark.parametrize("id_", ["../../../etc", "/etc", "7", -1, True, 1.0, None, [1], {}])
@pytest.mark.parametrize("key", ["id", "run_id", "task_id"])
def test_what_is_no_id_never_becomes_the_name_of_a_folder(server, session, key, id_):
    result = wire_result(1)
    (result if key == "id" else result["task"])[key.removeprefix("task_")] = id_
    session.answers["result"] = (200, [result, wire_result(3)])
    assert [run.result_id for run in server.open_runs(1)] == [3]


@pytest.mark.parametrize("value", [1.5, ["x"], {"a": 1}, True])
@pytest.mark.parametrize("key", ["image", "database", "input", "initiator"])
def test_values_of_a_wrong_kind_are_not_taken(server, session, key, value):
    result = wire_result(1)
    (result if key == "input" else result["task"])[key] = value
    session.answers["result"] = (200, [result, "no result at all", wire_result(3)])
    assert [run.result_id for run in server.open_runs(1)] == [3]


def test_the_query_for_one_task_does_not_stick(server, session):
    session.answers["result"] = (200, [wire_result(1)])
    server.open_runs(1, task_id=101)
    server.open_runs(1)
    assert session.calls[0].params["task_id"] == 101
    assert "task_id" not in session.calls[1].params


@pytest.mark.parametrize(
    ("answer", "wanted"),
    [
        ((200, {"finished_at": None}), True),
        ((200, {"finished_at": "2026-01-01T00:00:00+00:00"}), False),
        ((404, {"msg": "gone"}), False),
        ((403, {"msg": "not yours, or not there"}), False),
    ],
)
def test_whether_a_run_is_wanted(server, session, answer, wanted):
    session.answers["result/1"] = answer
    assert server.wants(1) is wanted


def test_keys_of_the_whole_collaboration_come_at_once(server, session):
    members = [{"id": 7, "public_key": "A"}, {"id": 8, "public_key": "B"}]
    session.answers["collaboration/3/organization"] = (200, members)
    assert [server.organization(id_, 3).public_key for id_ in (7, 8, 7)] == ["A", "B", "A"]
    assert len(session.calls) == 1


def test_that_there_is_no_key_is_not_remembered(server, session):
    members = [{"id": 7, "public_key": None}]
    session.answers["collaboration/3/organization"] = (200, members)
    assert server.organization(7, 3).public_key == ""
    members[0]["public_key"] = "A"
    assert server.organization(7, 3).public_key == "A"


def test_an_organization_that_left_the_collaboration(server, session):
    session.answers["collaboration/3/organization"] = (200, [])
    session.answers["organization/9"] = (200, {"id": 9, "public_key": "C"})
    assert server.organization(9, 3).public_key == "C"


def test_progress_and_report(server, session):
    session.answers["result/1"] = (200, {})
    server.tell_progress(1, TaskStatus.ACTIVE, "then")
    report = Report(TaskStatus.CRASHED, "why", "later", "then")
    server.deliver(1, report, b"result")
    assert [call.json for call in session.calls] == [
        {"status": "active", "started_at": "then"},
        {
            "status": "crashed",
            "log": "why",
            "started_at": "then",
            "finished_at": "later",
            "result": "result",
        },
    ]


def test_refusals_carry_the_words_of_the_server(server, session):
    session.answers["result/1"] = (400, {"msg": "it is final"})
    with pytest.raises(BadRequest, match="it is final"):
        server.tell_progress(1, TaskStatus.ACTIVE)


def test_a_large_result_is_sent_piece_by_piece(server, session):
    session.answers["result/1"] = (200, {})
    result = "ab$+/=" * 2**19
    server.deliver(1, Report(TaskStatus.COMPLETED, "", "later", "then"), result.encode())
    (call,) = session.calls
    body = b"".join(call.data)
    assert json.loads(body)["result"] == result
    assert json.loads(body)["status"] == "completed"
    assert len(call.data) == len(body)
    assert max(map(len, call.data)) < len(body) / 2
    assert (call.json, call.stream) == (None, True)


def test_a_container_token(server, session):
    session.answers["token/container"] = (200, {"container_token": "T"})
    assert server.container_token(2, "image") == "T"
    assert session.calls[0].json == {"task_id": 2, "image": "image"}


def test_forwarding_passes_the_token_of_the_container(server, session):
    session.answers["task/1"] = (200, {})
    server.forward(
        "GET", "task/1", query=[("a", "1"), ("a", "2")], headers={}, body=b"", read_timeout=5
    )
    (call,) = session.calls
    assert (call.token, call.params, call.timeout[1]) == ("", [("a", "1"), ("a", "2")], 5)


class Redirecting(BaseHTTPRequestHandler):
    """Sends everybody on, and notes who comes back from there."""

    seen: ClassVar[list[str]] = []

    def do_GET(self):
        self.seen.append(self.path)
        self.send_response(302)
        self.send_header("Location", "/private")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format, *args):
        pass


def test_a_redirect_leads_nowhere():
    """A server could have an algorithm read what else answers in the node's network."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Redirecting) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        server = Server(f"http://127.0.0.1:{http.server_port}", "/api", "key")
        answer = server.forward("GET", "task/1", query=[], headers={}, body=b"", read_timeout=5)
        with pytest.raises(ServerError, match="302"):
            server.wants(1)
        server.close()
        http.shutdown()
    assert answer.status_code == 302
    assert Redirecting.seen == ["/api/task/1", "/api/result/1"]


def test_no_server_at_all():
    server = Server("http://127.0.0.1:9", "/api", "key")
    with pytest.raises(ServerUnreachable, match=r"127\.0\.0\.1:9"):
        server.log_in()
    server.close()


def test_a_server_in_trouble_is_not_a_wrong_key(server, session):
    session.answers["result/1"] = (502, {"msg": "bad gateway"})
    with pytest.raises(ServerError) as caught:
        server.wants(1)
    assert caught.value.status == 502


CLAIM = {"claim": "one"}


@pytest.fixture
def claiming(session):
    """The server as a process sees it that claims runs."""
    server = Server("http://server.test:5000", "/api", "key", session, claim="one")
    server.log_in()
    session.calls.clear()
    session.answers["result/1"] = (200, {})
    session.answers["result"] = (200, [{"id": 1}, {"id": 2}])
    return server


def test_a_process_claims_keeps_and_confirms(claiming, session):
    session.answers["claim"] = (200, {})
    claiming.keep_claims()
    claiming.keep_claims(take_over=True)
    claiming.claim_run(1)
    claiming.tell_progress(1, TaskStatus.ACTIVE)
    claiming.confirm_stop(1)
    assert [call.json for call in session.calls] == [
        {**CLAIM, "take_over": False},
        {**CLAIM, "take_over": True},
        CLAIM,
        {**CLAIM, "status": "active"},
        {**CLAIM, "stopped": True},
    ]
    session.calls.clear()
    assert claiming.killed_runs(1) == [1, 2]
    assert {"state": "stopping", "node_id": 1}.items() <= session.calls[0].params.items()


@pytest.mark.parametrize("status", [404, 405])
def test_a_server_of_the_classic_line_is_not_asked_for_claims(claiming, session, status):
    session.answers["claim"] = (status, {"msg": "what?"})
    claiming.keep_claims()
    session.calls.clear()
    claiming.claim_run(1)
    claiming.confirm_stop(1)
    assert claiming.killed_runs(1) == []
    assert session.calls == []
    claiming.tell_progress(1, TaskStatus.ACTIVE)
    assert session.calls[0].json == {"status": "active"}


def test_a_claim_that_cannot_be_kept_now_is_not_the_end_of_claims(claiming, session):
    session.answers["claim"] = (503, {"msg": "later"})
    with pytest.raises(ServerError):
        claiming.keep_claims()
    claiming.claim_run(1)
    assert session.calls[-1].json == CLAIM


def test_another_process_has_the_run(claiming, session):
    session.answers["result/1"] = (409, {"msg": "another process"})
    with pytest.raises(ServerError, match="another process") as refusal:
        claiming.claim_run(1)
    assert refusal.value.status == 409
