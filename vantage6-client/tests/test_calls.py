"""Every method of every sub-client makes the documented call, with its query and its body."""

import base64
import pickle
from typing import Any

import pytest

from vantage6.client import Client
from vantage6.common.client.base import WhoAmI
from vantage6.common.encryption import DummyCryptor

OWN_ORGANIZATION, OWN_USER = 7, 3
META = {"page": 1, "per_page": 20, "include": ["metadata"]}
ADDRESS = dict.fromkeys(("name", "address1", "address2", "zipcode", "country", "domain"), "x")
PICKLED = base64.b64encode(pickle.dumps({"method": "m"})).decode()

# What is called, with what, and the one HTTP call that comes of it: route, query and body.
CALLS: list[tuple[str, dict[str, Any], str, dict[str, Any], dict[str, Any] | None]] = [
    ("util.get_server_version", {}, "GET version", {}, None),
    ("util.get_server_health", {}, "GET health", {}, None),
    (
        "util.change_my_password",
        {"current_password": "a", "new_password": "b"},
        "PATCH password/change",
        {},
        {"current_password": "a", "new_password": "b"},
    ),
    ("util.reset_my_password", {"email": "a@x"}, "POST recover/lost", {}, {"email": "a@x"}),
    ("util.reset_my_password", {"username": "a"}, "POST recover/lost", {}, {"username": "a"}),
    (
        "util.set_my_password",
        {"token": "t", "password": "b"},
        "POST recover/reset",
        {},
        {"reset_token": "t", "password": "b"},
    ),
    (
        "util.reset_two_factor_auth",
        {"password": "b", "username": "a"},
        "POST recover/2fa/lost",
        {},
        {"password": "b", "username": "a"},
    ),
    (
        "util.set_two_factor_auth",
        {"token": "t"},
        "POST recover/2fa/reset",
        {},
        {"reset_token": "t"},
    ),
    ("collaboration.list", {}, "GET organization/7/collaboration", {}, None),
    (
        "collaboration.list",
        {"scope": "global", "name": "n", "encrypted": True, "organization": 2},
        "GET collaboration",
        {"name": "n", "encrypted": 1, "organization_id": 2, **META},
        None,
    ),
    ("collaboration.get", {"id_": 5}, "GET collaboration/5", {}, None),
    (
        "collaboration.create",
        {"name": "n", "organizations": [1, 2], "encrypted": True},
        "POST collaboration",
        {},
        {"name": "n", "organization_ids": [1, 2], "encrypted": True},
    ),
    ("node.get", {"id_": 5}, "GET node/5", {}, None),
    (
        "node.list",
        {"name": "n", "organization": 1, "collaboration": 2, "is_online": True, "ip": "1.2.3.4",
         "last_seen_from": "2026-01-01", "last_seen_till": "2026-02-01"},
        "GET node",
        {"name": "n", "organization_id": 1, "collaboration_id": 2, "status": "online",
         "ip": "1.2.3.4", "last_seen_from": "2026-01-01", "last_seen_till": "2026-02-01", **META},
        None,
    ),
    ("node.list", {"is_online": False}, "GET node", {"status": "offline", **META}, None),
    (
        "node.create",
        {"collaboration": 2, "organization": 1, "name": "n"},
        "POST node",
        {},
        {"organization_id": 1, "collaboration_id": 2, "name": "n"},
    ),
    (
        "node.update",
        {"id_": 5, "name": "n", "organization": 1, "collaboration": 2},
        "PATCH node/5",
        {},
        {"name": "n", "organization_id": 1, "collaboration_id": 2},
    ),
    # The classic client sent nulls for what was not given, which erased it.
    ("node.update", {"id_": 5, "collaboration": 2}, "PATCH node/5", {}, {"collaboration_id": 2}),
    ("node.delete", {"id_": 5}, "DELETE node/5", {}, None),
    (
        "organization.list",
        {"name": "n", "country": "c", "collaboration": 2, "page": 3, "per_page": 4},
        "GET organization",
        {"name": "n", "country": "c", "collaboration_id": 2, "page": 3, "per_page": 4,
         "include": ["metadata"]},
        None,
    ),
    ("organization.list", {"include_metadata": False}, "GET organization", {}, None),
    ("organization.get", {}, "GET organization/7", {}, None),
    ("organization.get", {"id_": 5}, "GET organization/5", {}, None),
    ("organization.update", {"domain": "d"}, "PATCH organization/7", {}, {"domain": "d"}),
    (
        "organization.update",
        {"id_": 5, **ADDRESS, "public_key": "k"},
        "PATCH organization/5",
        {},
        {**ADDRESS, "public_key": "k"},
    ),
    ("organization.create", ADDRESS, "POST organization", {}, ADDRESS),
    (
        "user.list",
        {"username": "u", "organization": 1, "firstname": "f", "lastname": "l", "email": "e",
         "role": 2, "rule": 3, "last_seen_from": "2026-01-01", "last_seen_till": "2026-02-01"},
        "GET user",
        {"username": "u", "organization_id": 1, "firstname": "f", "lastname": "l", "email": "e",
         "role_id": 2, "rule_id": 3, "last_seen_from": "2026-01-01",
         "last_seen_till": "2026-02-01", **META},
        None,
    ),
    ("user.get", {}, "GET user/3", {}, None),
    ("user.get", {"id_": 5}, "GET user/5", {}, None),
    ("user.update", {"email": "e"}, "PATCH user/3", {}, {"email": "e"}),
    (
        "user.update",
        {"id_": 5, "firstname": "f", "lastname": "l", "organization": 1, "rules": [], "roles": [2]},
        "PATCH user/5",
        {},
        {"firstname": "f", "lastname": "l", "organization_id": 1, "rules": [], "roles": [2]},
    ),
    (
        "user.create",
        {"username": "u", "firstname": "f", "lastname": "l", "password": "p", "email": "e"},
        "POST user",
        {},
        {"username": "u", "firstname": "f", "lastname": "l", "password": "p", "email": "e",
         "roles": [], "rules": []},
    ),
    (
        "role.list",
        {"name": "n", "description": "d", "organization": 1, "rule": 2, "user": 3,
         "include_root": True},
        "GET role",
        {"name": "n", "description": "d", "organization_id": 1, "rule_id": 2, "user_id": 3,
         "include_root": True, **META},
        None,
    ),
    ("role.get", {"id_": 5}, "GET role/5", {}, None),
    (
        "role.create",
        {"name": "n", "description": "d", "rules": [1], "organization": 2},
        "POST role",
        {},
        {"name": "n", "description": "d", "rules": [1], "organization_id": 2},
    ),
    ("role.update", {"role": 5, "rules": [1]}, "PATCH role/5", {}, {"rules": [1]}),
    ("role.delete", {"role": 5}, "DELETE role/5", {}, None),
    ("rule.get", {"id_": 5}, "GET rule/5", {}, None),
    (
        "rule.list",
        {"name": "task", "operation": "VIEW", "scope": "GLOBAL", "role": 2},
        "GET rule",
        {"name": "task", "operation": "VIEW", "scope": "GLOBAL", "role_id": 2, **META},
        None,
    ),
    ("task.get", {"id_": 5}, "GET task/5", {}, None),
    ("task.get", {"id_": 5, "include_results": True}, "GET task/5", {"include": "results"}, None),
    (
        "task.list",
        {"initiator": 1, "initiating_user": 2, "collaboration": 3, "image": "i", "parent": 4,
         "run": 5, "name": "n", "description": "d", "database": "b", "result": 6},
        "GET task",
        {"initiator_id": 1, "init_user_id": 2, "collaboration_id": 3, "image": "i",
         "parent_id": 4, "run_id": 5, "name": "n", "description": "d", "database": "b",
         "result_id": 6, **META},
        None,
    ),
    (
        "task.list",
        {"include_results": True, "page": 2},
        "GET task",
        {"page": 2, "per_page": 20, "include": ["results", "metadata"]},
        None,
    ),
    (
        "task.create",
        {"collaboration": 1, "organizations": [2], "name": "n", "image": "i", "description": "d",
         "input": {"method": "m"}, "data_format": "legacy", "database": "b"},
        "POST task",
        {},
        {"name": "n", "image": "i", "collaboration_id": 1, "description": "d", "database": "b",
         "organizations": [{"id": 2, "input": PICKLED}]},
    ),
    ("task.delete", {"id_": 5}, "DELETE task/5", {}, None),
    ("result.get", {"id_": 5}, "GET result/5", {}, None),
    ("result.get", {"id_": 5, "include_task": True}, "GET result/5", {"include": "task"}, None),
    (
        "result.list",
        {"task": 1, "organization": 2, "state": "open", "node": 3, "port": 4,
         "include_task": True, "started": ("a", "b"), "assigned": ("c", None),
         "finished": (None, "d"), "include_metadata": False},
        "GET result",
        {"task_id": 1, "organization_id": 2, "state": "open", "node_id": 3, "port": 4,
         "started_from": "a", "started_till": "b", "assigned_from": "c", "finished_till": "d",
         "include": ["task", "payload"]},
        None,
    ),
    ("result.from_task", {"task_id": 5}, "GET result", {"task_id": 5}, None),
]  # fmt: skip


LISTS = sorted({name for name, *_ in CALLS if name.endswith(".list")})


class Recorder:
    """Plays a server that agrees with everything, and notes what it is asked."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any], Any]] = []

    def request(self, method, url, *, headers, json, params, timeout):
        path = url.removeprefix("https://server:443/api/")
        self.calls.append((f"{method} {path}", dict(params or {}), json))
        return Agreement(b"[]" if method == "GET" and "?" not in path else b"{}")

    def close(self):
        pass


class Agreement:
    status_code = 200

    def __init__(self, content):
        self.content, self.text = content, content.decode()

    def json(self):
        return [] if self.content == b"[]" else {"id": 5, "organizations": []}


@pytest.fixture
def recorder():
    return Recorder()


@pytest.fixture
def connected(recorder):
    client = Client("https://server", 443, "/api", session=recorder)
    client.whoami = WhoAmI("user", OWN_USER, "Ada", "north", OWN_ORGANIZATION)
    client.cryptor = DummyCryptor()
    return client


def method_of(client: Client, name: str) -> Any:
    sub_client, method = name.split(".")
    return getattr(getattr(client, sub_client), method)


@pytest.mark.parametrize(
    ("name", "arguments", "route", "query", "body"),
    CALLS,
    ids=[f"{number}-{row[0]}" for number, row in enumerate(CALLS)],
)
def test_a_method_makes_its_documented_call(
    connected, recorder, name, arguments, route, query, body
):
    method_of(connected, name)(**arguments)
    # Before a task is ordered, which of the nodes are offline.
    calls = [call for call in recorder.calls if call[0] != "GET collaboration/1/node"]
    ((asked, asked_query, asked_body),) = calls
    assert (asked, asked_query, asked_body) == (route, query, body)


@pytest.mark.parametrize("name", LISTS)
def test_a_list_without_metadata_does_not_ask_for_them(connected, recorder, name):
    method_of(connected, name)(include_metadata=False)
    (_, query, _) = recorder.calls[0]
    assert "metadata" not in query.get("include", [])


def test_only_an_organization_or_all_can_be_the_scope_of_collaborations(connected, recorder):
    assert connected.collaboration.list(scope="else") is None
    assert recorder.calls == []


def test_filters_of_one_call_do_not_leak_into_the_next(connected, recorder):
    connected.get_results(params={"port": 1}, state="open")
    connected.get_results()
    assert [query for _, query, _ in recorder.calls] == [{"port": 1, "state": "open"}, {}]


def test_a_method_that_http_does_not_know_reads(connected, recorder):
    connected.request("task", method="no such")
    assert recorder.calls[0][0] == "GET task"
