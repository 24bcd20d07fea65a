"""One test per published hole, and per class of holes, that the researcher's client answers for.

Named after the entries, as in the tests of that name elsewhere. The server plays the attacker: it
answers whatever it likes.
"""
# ruff: noqa: N802

import base64
import copy
import os
import pickle
from pathlib import Path
from typing import Any

import pytest

from vantage6.client import Client, deserialization
from vantage6.common.client.base import WhoAmI
from vantage6.common.encryption import DummyCryptor, RSACryptor
from vantage6.common.exceptions import DeserializationException, EncryptionError, KeyChanged

ORGANIZATION = 7


class Hostile:
    """A server that answers by path as the script says, and keeps what it is sent."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.urls: list[str] = []
        self.sent: list[Any] = []

    def request(self, method, url, *, headers, json, params, timeout):
        self.urls.append(url)
        self.sent.append((headers, json))
        path = url.partition("/api/")[2] or url
        return Said(self.answers.get(f"{method.lower()} {path}", self.answers.get(path, {})))

    def close(self):
        pass


class Said:
    status_code, content, text = 200, b"x", "x"

    def __init__(self, body):
        self.json = lambda: copy.deepcopy(body)


class Evil:
    """A pickle that makes a file where it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


@pytest.fixture(scope="module")
def keys(tmp_path_factory) -> list[Path]:
    folder = tmp_path_factory.mktemp("keys")
    paths = [folder / name for name in ("own", "hospital", "attacker")]
    for path in paths:
        RSACryptor.create_new_rsa_key(path)
    return paths


def client_of(server: Hostile, tmp_path: Path, key: Path | None = None) -> Client:
    client = Client("http://server", 1, session=server, pins_file=tmp_path / "pins.json")
    client.whoami = WhoAmI("user", 1, "Ada", "north", ORGANIZATION)
    client._access_token = "token"
    client.cryptor = RSACryptor(key) if key else DummyCryptor()
    return client


def text(data: bytes) -> str:
    return base64.b64encode(data).decode()


@pytest.fixture
def evil(tmp_path) -> tuple[Path, str, str]:
    """Where it leaves its mark, and the payload with and without the name of its format."""
    mark = tmp_path / "mark"
    bare = pickle.dumps(Evil(mark))
    return mark, text(b"pickle." + bare), text(bare)


@pytest.mark.parametrize("named", [True, False], ids=["named", "bare"])
def test_anchor_A4_cve_2023_23930_a_pickled_result_is_not_run(evil, tmp_path, named):
    """Any node could run programs on the machine of the researcher."""
    mark, with_name, bare = evil
    result = {"id": 1, "result": with_name if named else bare, "input": bare}
    page = {"data": [dict(result)], "links": {}}
    client = client_of(Hostile(**{"result/1": dict(result), "result": page}), tmp_path)
    client.result.get(1)
    client.result.list()
    client.get_results(id=1)
    client.transport.session.answers["result"] = [dict(result)]
    with pytest.raises(DeserializationException):
        client.result.from_task(1)
    assert not mark.exists()


def test_anchor_A4_a_pickle_is_read_only_after_it_was_allowed(evil, tmp_path):
    mark, with_name, _ = evil
    server = Hostile(**{"result/1": {"id": 1, "result": with_name}})
    client = client_of(server, tmp_path)
    client.result.get(1, allow_pickle=False)
    assert not mark.exists()
    client.result.get(1, allow_pickle=True)
    assert mark.exists()


def test_anchor_A4_a_task_is_sent_as_json_unless_asked_otherwise(tmp_path):
    server = Hostile(**{"post task": {"id": 1}})
    client_of(server, tmp_path).task.create(1, [7], image="i", method="m")
    (_, body) = server.sent[-1]
    sent = base64.b64decode(body["organizations"][0]["input"])
    assert sent.startswith(b"json.{")
    assert b"output_format" in sent


def test_anchor_E1_a_value_is_data_whatever_it_says(evil, tmp_path):
    """Neither YAML tags nor words of Python are followed."""
    mark = evil[0]
    for word in (f"!!python/object/apply:os.mkdir ['{mark}']", f"__import__('os').mkdir('{mark}')"):
        server = Hostile(
            **{"result/1": {"id": 1, "result": text(b'json."' + word.encode() + b'"')}}
        )
        assert client_of(server, tmp_path).result.get(1)["result"] == word
    with pytest.raises(DeserializationException):
        deserialization.load_data(b"yaml." + word.encode())
    assert not mark.exists()


def test_anchor_A12_cve_2024_22193_a_plain_result_is_not_taken_for_an_encrypted_one(keys, tmp_path):
    """With a key set up, what the server could have written itself is nobody's answer."""
    plain = text(b"json.1000")
    server = Hostile(
        **{"result/1": {"id": 1, "result": plain, "organization": {"id": 8}, "task": {"id": 1}}}
    )
    client = client_of(server, tmp_path, keys[0])
    with pytest.raises(EncryptionError):
        client.result.get(1)


def test_anchor_A12_an_input_never_leaves_plain_where_a_key_is_set_up(keys, tmp_path):
    hospital = RSACryptor(keys[1])
    server = Hostile(
        **{
            "organization/8": {"id": 8, "name": "h", "public_key": hospital.public_key_str},
            "post task": {"id": 1},
        }
    )
    client = client_of(server, tmp_path, keys[0])
    client.task.create(1, [8], image="i", method="secret-method")
    assert "secret-method" not in repr(server.sent), "not as the name of the task either"
    sent = server.sent[-1][1]["organizations"][0]["input"]
    assert b"secret-method" in hospital.decrypt_str_to_bytes(sent)


def test_anchor_A12_nothing_leaves_for_an_organization_without_a_key(keys, tmp_path):
    server = Hostile(**{"organization/8": {"id": 8, "name": "h", "public_key": ""}})
    with pytest.raises(EncryptionError):
        client_of(server, tmp_path, keys[0]).task.create(1, [8], image="i", method="m")
    assert not any(url.endswith("/task") for url in server.urls)


def test_anchor_B_a_substituted_public_key_is_noticed(keys, tmp_path):
    """End-to-end encryption is void if the server may choose the keys."""
    hospital, attacker = (RSACryptor(path) for path in keys[1:])
    shown = {"id": 8, "name": "hospital", "public_key": hospital.public_key_str}
    server = Hostile(**{"organization/8": shown, "post task": {"id": 1}})
    client = client_of(server, tmp_path, keys[0])
    client.task.create(1, [8], image="i", method="m")
    shown["public_key"] = attacker.public_key_str
    orders = len(server.urls)
    with pytest.raises(KeyChanged, match="hospital"):
        client.task.create(1, [8], image="i", method="m")
    assert not any(url.endswith("/task") for url in server.urls[orders:])


def test_anchor_B_the_own_key_is_not_replaced_in_silence(keys, tmp_path):
    """A server that shows another key as ours would have us lock ourselves out."""
    other = RSACryptor(keys[2]).public_key_str
    server = Hostile(**{f"organization/{ORGANIZATION}": {"id": ORGANIZATION, "public_key": other}})
    client = client_of(server, tmp_path)
    with pytest.raises(EncryptionError, match="another public key"):
        client.setup_encryption(keys[0])
    assert [method for method, _ in server.sent if method == "PATCH"] == []


def test_anchor_B_a_private_key_is_for_its_owner_alone(tmp_path):
    """Keys were written as everybody may read."""
    own = {"id": ORGANIZATION, "public_key": ""}
    client = client_of(Hostile(**{f"organization/{ORGANIZATION}": own}), tmp_path)
    client.util.generate_private_key(tmp_path / "private_key.pem")
    assert (tmp_path / "private_key.pem").stat().st_mode & 0o777 == 0o600


def test_anchor_B_the_pinned_keys_are_for_their_owner_alone(keys, tmp_path):
    hospital = RSACryptor(keys[1]).public_key_str
    server = Hostile(**{"organization/8": {"id": 8, "name": "h", "public_key": hospital}})
    client_of(server, tmp_path, keys[0]).task.create(1, [8], image="i", method="m")
    assert (tmp_path / "pins.json").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    "place",
    ["https://evil.example/r", "//evil.example/r", "@evil.example/r", ".evil.example/r"],
    ids=["whole", "host", "user", "domain"],
)
def test_anchor_A3_a_refresh_token_goes_to_no_other_host(tmp_path, place):
    """The server names the path to renew at; not the host."""
    client = client_of(Hostile(), tmp_path)
    server = Hostile(
        **{"token/user": {"access_token": "a", "refresh_token": "r", "refresh_url": place}}
    )
    client.transport.session = server
    server.answers[f"http://server:1/{place.lstrip('/')}"] = {"access_token": "b"}
    super(Client, client).authenticate({"username": "u", "password": "p"})
    client.refresh_token()
    assert all(url.startswith("http://server:1/") for url in server.urls)


def test_anchor_A17_a_second_factor_is_never_sent_where_it_is_not_given(tmp_path):
    server = Hostile(**{"token/user": {"msg": "code please"}})
    client = client_of(server, tmp_path)
    with pytest.raises(Exception, match="code please"):
        client.authenticate("u", "p")
    assert server.sent[-1][1] == {"username": "u", "password": "p"}


def test_anchor_C_a_certificate_that_cannot_be_trusted_is_not_overridden():
    """There is no switch for it: neither argument nor variable of ours turns checking off."""
    with pytest.raises(TypeError):
        Client("https://server", 443, verify=False)
    client = Client("https://server", 443)
    assert client.transport.session.verify is not False


def test_anchor_A4_nothing_here_reads_what_runs_programs():
    """Importing the client brings no pickle reader that is reachable without being asked for."""
    folder = Path(deserialization.__file__).parent
    found = [
        (path.name, word)
        for path in folder.rglob("*.py")
        for word in (
            "pickle.load",
            "yaml.load(",
            "eval(",
            "exec(",
            "joblib",
            "marshal",
            "shell=True",
        )
        if word in path.read_text(encoding="utf-8")
    ]
    assert found == []


@pytest.mark.parametrize("name", ["os.environ", "x; id", "../../etc/passwd", "http://x"])
def test_anchor_E9_a_name_goes_as_data(tmp_path, name):
    server = Hostile(**{"post task": {"id": 1}})
    client_of(server, tmp_path).task.create(
        1, [7], name, "i", description=name, input={"method": "m"}
    )
    assert (server.sent[-1][1]["name"], server.sent[-1][1]["description"]) == (name, name)
