"""The base of all clients, against a session that plays a server."""

import base64
import json

import pytest
import requests

from vantage6.common.client.base import ClientBase, WhoAmI
from vantage6.common.client.letters import pins_file
from vantage6.common.client.transport import Transport
from vantage6.common.encryption import RSACryptor
from vantage6.common.exceptions import (
    AuthenticationException,
    Conflict,
    EncryptionError,
    Forbidden,
    KeyChanged,
    NotFound,
    ServerError,
    ServerUnreachable,
    Unauthorized,
)


class Answer:
    def __init__(self, status, body):
        self.status_code = status
        self.content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.text = self.content.decode()

    def json(self):
        return json.loads(self.content)


class Server:
    """Plays the server: answers by (method, path) and remembers what it was asked."""

    def __init__(self, answers):
        self.answers = answers
        self.calls = []

    def request(self, method, url, *, headers, json, params, timeout):
        path = url.removeprefix("http://server:5000/api/")
        self.calls.append((method, path, headers.get("Authorization"), json, params))
        answer = self.answers[method, path]
        answer = answer.pop(0) if isinstance(answer, list) else answer
        if isinstance(answer, Exception):
            raise answer
        return Answer(*answer)

    def close(self):
        pass


TOKENS = {"access_token": "a1", "refresh_token": "r1", "refresh_url": "/api/token/refresh"}


def client(**answers):
    server = Server({("POST", "token/user"): (200, TOKENS), **answers.pop("also", {}), **answers})
    made = ClientBase("http://server", 5000, session=server)
    made.whoami = WhoAmI("user", 1, "Ada", "north", 7)
    return made, server


@pytest.fixture(scope="module")
def key_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("keys") / "private.pem"
    RSACryptor.create_new_rsa_key(path)
    return path


@pytest.fixture(scope="module")
def public_key(key_file):
    return RSACryptor(key_file).public_key_str


def test_urls():
    made = ClientBase("https://server/", "443", "/api")
    assert made.generate_path_to("/task") == "https://server:443/api/task"
    assert ClientBase("https://server", None, "").generate_path_to("task") == "https://server/task"


def test_what_needs_a_log_in_says_so():
    made = ClientBase("http://server", 5000)
    for use in (lambda: made.token, lambda: made.name, made.refresh_token):
        with pytest.raises(AuthenticationException, match="authenticate"):
            use()
    assert made.headers == {}


def test_secrets_are_not_shown():
    made, _ = client()
    made.authenticate({"username": "ada", "password": "geheim"})
    assert "a1" not in repr(made)
    assert "r1" not in repr(made)


def test_a_log_in_that_is_refused_raises():
    made, server = client()
    server.answers["POST", "token/user"] = (401, {"msg": "Wrong username or password"})
    with pytest.raises(AuthenticationException, match="Wrong username"):
        made.authenticate({})


def test_a_second_factor_is_asked_for():
    made, server = client()
    server.answers["POST", "token/user"] = (200, {"msg": "Give the code of your second factor"})
    with pytest.raises(AuthenticationException, match="second factor"):
        made.authenticate({})


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (403, Forbidden),
        (404, NotFound),
        (409, Conflict),
        (500, ServerError),
        (302, ServerError),
    ],
)
def test_a_refusal_is_raised_by_send_and_returned_by_request(status, error):
    made, _ = client(also={("GET", "task/1"): (status, {"msg": "no"})})
    with pytest.raises(error, match="no") as caught:
        made.send("get", "task/1")
    assert caught.value.status == status
    assert made.request("task/1") == {"msg": "no"}


def test_an_expired_token_is_renewed_once():
    made, server = client(
        also={
            ("GET", "task/1"): [(401, {"msg": "expired"}), (200, {"id": 1})],
            ("POST", "token/refresh"): (200, {"access_token": "a2", "refresh_token": "r2"}),
        }
    )
    made.authenticate({})
    assert made.send("get", "task/1") == {"id": 1}
    assert [call[2] for call in server.calls[1:]] == ["Bearer a1", "Bearer r1", "Bearer a2"]


def test_a_token_that_stays_refused_is_not_renewed_for_ever():
    made, server = client(
        also={
            ("GET", "task/1"): (401, {"msg": "expired"}),
            ("POST", "token/refresh"): (200, {"access_token": "a2"}),
        }
    )
    made.authenticate({})
    with pytest.raises(Unauthorized):
        made.send("get", "task/1")
    assert len(server.calls) == 4


def test_no_answer_is_one_sentence():
    made, _ = client(also={("GET", "version"): requests.ConnectionError("[Errno 111] refused")})
    with pytest.raises(ServerUnreachable, match=r"http://server:5000/api: .*refused"):
        made.request("version")


def test_a_real_refused_connection_is_one_sentence():
    with pytest.raises(ServerUnreachable) as caught:
        Transport("http://127.0.0.1:9/api").call("get", "version")
    assert str(caught.value).endswith("127.0.0.1:9/api: Connection refused")


def test_a_proxy_in_between_is_named_without_its_password():
    with requests.Session() as session:
        session.proxies = {"http": "http://me:hush@127.0.0.1:9"}
        with pytest.raises(ServerUnreachable) as caught:
            Transport("http://server.test/api", session).call("get", "version")
    assert "over the proxy 127.0.0.1:9: " in str(caught.value)
    assert "hush" not in str(caught.value)


def test_an_answer_that_is_not_json():
    made, _ = client(also={("GET", "version"): (200, b"<html>")})
    with pytest.raises(ServerError, match="API path"):
        made.send("get", "version")


def test_a_public_key_is_made_known_where_there_is_none(key_file, public_key):
    made, server = client(
        also={
            ("GET", "organization/7"): (200, {"public_key": ""}),
            ("PATCH", "organization/7"): (200, {}),
        }
    )
    made.setup_encryption(key_file)
    assert server.calls[-1][3] == {"public_key": public_key}


def test_another_public_key_is_not_replaced_in_silence(key_file, tmp_path):
    other = tmp_path / "other.pem"
    RSACryptor.create_new_rsa_key(other)
    answer = (200, {"public_key": RSACryptor(other).public_key_str})
    made, server = client(also={("GET", "organization/7"): answer})
    with pytest.raises(EncryptionError, match="another public key"):
        made.setup_encryption(key_file)
    assert made.cryptor is None
    assert not [call for call in server.calls if call[0] == "PATCH"]


def test_a_task_is_encrypted_for_each_organization(key_file, public_key):
    organization = {"name": "north", "public_key": public_key}
    made, server = client(
        also={
            ("GET", "organization/7"): (200, organization),
            ("GET", "organization/8"): (200, organization),
            ("POST", "task"): (201, {"id": 3}),
        }
    )
    made.setup_encryption(key_file)
    assert made.post_task("n", "image", 1, {"method": "m"}, organization_ids=[7, 8]) == {"id": 3}
    body = server.calls[-1][3]
    inputs = [made.cryptor.decrypt_str_to_bytes(item["input"]) for item in body["organizations"]]
    assert [item["id"] for item in body["organizations"]] == [7, 8]
    assert inputs == [b'json.{"output_format": "json", "method": "m"}'] * 2
    assert body["database"] == "default"


def test_a_changed_key_stops_what_leaves(key_file, public_key, tmp_path):
    RSACryptor.create_new_rsa_key(tmp_path / "other.pem")
    other = RSACryptor(tmp_path / "other.pem").public_key_str
    shown = {"name": "south", "public_key": other}
    made, _ = client(
        also={
            ("GET", "organization/7"): (200, {"public_key": public_key}),
            ("GET", "organization/8"): (200, shown),
            ("POST", "task"): (201, {"id": 3}),
        }
    )
    made.setup_encryption(key_file)
    made.post_task("n", "image", 1, {}, organization_ids=[8])
    shown["public_key"] = public_key
    for send in (made.encrypt_for, lambda id_, data: made.post_task("n", "i", 1, {}, "", [id_])):
        with pytest.raises(KeyChanged, match=r"'south'.*client\.util\.confirm_key\(8\)"):
            send(8, b"")


def test_where_keys_are_pinned(monkeypatch, tmp_path):
    monkeypatch.setenv("VANTAGE6_PINS_FILE", str(tmp_path / "named.json"))
    assert pins_file() == tmp_path / "named.json"
    assert pins_file(tmp_path / "chosen.json") == tmp_path / "chosen.json"
    monkeypatch.delenv("VANTAGE6_PINS_FILE")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert pins_file().relative_to(tmp_path).name == "pins.json"


def test_without_set_up_nothing_leaves():
    made, server = client()
    with pytest.raises(EncryptionError, match="setup_encryption"):
        made.post_task("n", "image", 1, {}, organization_ids=[7])
    assert server.calls == []


def test_an_organization_without_a_key_is_named(key_file, public_key):
    made, _ = client(
        also={
            ("GET", "organization/7"): (200, {"public_key": public_key}),
            ("GET", "organization/8"): (200, {"name": "south", "public_key": ""}),
        }
    )
    made.setup_encryption(key_file)
    with pytest.raises(EncryptionError, match="south"):
        made.post_task("n", "image", 1, {}, organization_ids=[8])


def test_results_are_decrypted_in_every_form(key_file, public_key):
    made, server = client(also={("GET", "organization/7"): (200, {"public_key": public_key})})
    made.setup_encryption(key_file)
    own = made.cryptor.encrypt_bytes_to_str(b"json.1", public_key)
    foreign = own.replace(own[:8], "AAAAAAAA")

    def row():
        run = {"id": 1, "task": {"id": 3}, "organization": {"id": 8}}
        return {**run, "input": foreign, "result": own}

    server.answers["GET", "result/1"] = (200, row())
    server.answers["GET", "result"] = [(200, [row()]), (200, {"data": [row()], "links": {}})]
    assert made.get_results(id=1)["result"] == b"json.1"
    assert made.get_results(task_id=3)[0]["result"] == b"json.1"
    page = made.get_results(task_id=3, params={"include": "metadata"})
    assert page["data"][0]["result"] == b"json.1"
    assert server.calls[-1][4] == {"include": "metadata", "task_id": 3}
    assert made.get_results.__defaults__[-1] is None


def test_an_unfinished_result_stays_none():
    made, _ = client(also={("GET", "result/1"): (200, {"id": 1, "input": None, "result": None})})
    made.setup_encryption(None)
    assert made.get_results(id=1) == {"id": 1, "input": None, "result": None}


def test_without_encryption_payloads_are_base64():
    made, server = client(also={("POST", "task"): (201, {"id": 3})})
    made.setup_encryption(None)
    made.post_task("n", "image", 1, [1], organization_ids=[7])
    (organization,) = server.calls[-1][3]["organizations"]
    assert base64.b64decode(organization["input"]) == b"json.[1]"
