"""Large payloads between a researcher, a real server and a node, in each kind of envelope."""

import hashlib
import json

import pytest

from vantage6.client import File
from vantage6.common.client import parcels
from vantage6.common.exceptions import (
    EncryptionError,
    ServerError,
    ServerUnreachable,
    TaskUnfinished,
)
from vantage6.common.serialization import deserialize

DATA = hashlib.shake_256(b"large").digest(3 * 2**20)
TEXT = DATA.hex()
ANSWER = f'json."{TEXT}"'.encode()


@pytest.fixture
def client(site):
    return site.client()


@pytest.fixture
def task(site, client):
    return client.task.create(site.collaboration, [site.id], image="algorithm", method="size")["id"]


@pytest.fixture
def answered(site, task):
    """The id of a result that is in the payload store."""
    return site.answer_by_upload(task, ANSWER)


def test_calls_give_a_large_result_as_ever(site, client, task, answered):
    assert client.task.results(task, show_progress=False) == [TEXT]
    assert client.get_results(task_id=task)[0]["result"] == ANSWER
    assert client.result.get(answered)["result"] == TEXT
    assert client.result.from_task(task)[0]["result"] == TEXT
    assert client.result.list(task=task)["data"][0]["result"] == TEXT


def test_a_list_without_payloads_fetches_none(site, client, task, answered, monkeypatch):
    monkeypatch.setattr(client, "open", lambda *_: pytest.fail("a payload was fetched"))
    (result,) = client.result.list(task=task, include_payload=False)["data"]
    assert (result["id"], result["result"], result["input"]) == (answered, None, None)
    assert result["result_stored"]["size"] > 0
    (result,) = client.result.list(task=task, include_payload=False, fields=["id"])
    assert result == {"id": answered}


def test_a_result_is_written_to_a_file(client, answered, tmp_path):
    path = client.result.download(answered, tmp_path / "answer.json", show_progress=False)
    assert path.read_bytes() == ANSWER
    assert [one.name for one in tmp_path.iterdir() if "answer" in one.name] == ["answer.json"]


def test_a_small_result_is_written_to_a_file_as_well(site, client, task, tmp_path):
    site.answer(task, b"json.4")
    (result,) = client.result.from_task(task)
    assert client.result.download(result["id"], tmp_path / "answer").read_bytes() == b"json.4"


def test_a_file_that_is_there_is_replaced_on_request_only(client, answered, tmp_path):
    path = tmp_path / "answer"
    path.write_text("mine")
    with pytest.raises(FileExistsError, match="overwrite=True"):
        client.result.download(answered, path)
    assert path.read_text() == "mine"
    client.result.download(answered, path, overwrite=True, show_progress=False)
    assert path.read_bytes() == ANSWER


def test_a_result_that_is_not_there_yet(client, task, tmp_path):
    (result,) = client.result.from_task(task)
    with pytest.raises(TaskUnfinished, match="not there yet"):
        client.result.download(result["id"], tmp_path / "answer")
    assert not (tmp_path / "answer").exists()


def test_a_download_goes_on_in_another_process(site, client, answered, tmp_path, monkeypatch):
    asked, path = [], tmp_path / "answer"

    def cut(self, headers):
        raise ServerUnreachable("No answer")

    def noted(one):
        def open_(endpoint, headers):
            asked.append(headers.get("Range"))
            answer = type(one).open(one, endpoint, headers)
            iterate = answer.iter_content

            def half(size):
                for number, piece in enumerate(iterate(size)):
                    if number == 8 and len(asked) == 1:
                        raise ConnectionError
                    yield piece

            answer.iter_content = half
            return answer

        return open_

    with monkeypatch.context() as patch:
        patch.setattr("vantage6.common.client.download.PATIENCE", 0)
        patch.setattr(
            parcels.Download.__init__,
            "__kwdefaults__",
            {**parcels.Download.__init__.__kwdefaults__, "patience": 0},
        )
        patch.setattr(client, "open", noted(client))
        with pytest.raises(ServerUnreachable):
            client.result.download(answered, path, show_progress=False)
    assert not path.exists()
    (kept,) = tmp_path.glob(".answer.*.part")
    assert kept.stat().st_size == 8 * 2**16
    other = site.client()
    monkeypatch.setattr(other, "open", noted(other))
    other.result.download(answered, path, show_progress=False)
    assert asked == [None, f"bytes={8 * 2**16}-"]
    assert path.read_bytes() == ANSWER
    assert list(tmp_path.glob(".answer.*")) == []


def test_a_damaged_result_never_has_its_name(site, client, answered, tmp_path, monkeypatch):
    store = next(tmp_path.rglob("payloads"))
    (stored,) = [one for one in store.rglob("*") if one.is_file() and one.stat().st_size > 10**6]
    content = bytearray(stored.read_bytes())
    content[-1000] ^= 1
    stored.chmod(0o600)
    stored.write_bytes(content)
    with pytest.raises(EncryptionError, match="not the payload"):
        client.result.download(answered, tmp_path / "answer", show_progress=False)
    assert list(tmp_path.glob("*answer*")) == []
    with pytest.raises(EncryptionError):
        client.task.results(client.result.get(answered)["task"]["id"], show_progress=False)


def test_a_file_is_an_argument(site, client, tmp_path):
    path = tmp_path / "model.bin"
    path.write_bytes(DATA)
    task = client.task.create(
        site.collaboration,
        [site.id],
        image="algorithm",
        method="load",
        args=[1],
        kwargs={"model": File(path), "name": "net"},
    )
    asked = deserialize(site.open_input(task["id"]))
    assert (asked["method"], asked["args"], asked["kwargs"]["name"]) == ("load", [1], "net")
    argument = json.loads(json.dumps(asked["kwargs"]["model"]))
    assert deserialize(b"json." + json.dumps(argument).encode()) == DATA


def test_a_large_input_is_not_shown_inline_and_is_in_the_results_all_the_same(site, client):
    input_ = {"method": "size", "kwargs": {"text": TEXT}}
    task = client.task.create(site.collaboration, [site.id], image="algorithm", input=input_)
    (shown,) = client.send("get", "result", params={"task_id": task["id"], "inline": 2**20})
    assert shown["input"] is None
    assert shown["input_stored"]["form"] == (
        "binary" if site.envelope == "authenticated" else "text"
    )
    (result,) = client.get_results(task_id=task["id"])
    assert deserialize(result["input"])["kwargs"]["text"] == TEXT


def test_nothing_is_left_of_an_input_whose_task_is_refused(site, client):
    deleted = []
    send = client.send

    def noted(method, endpoint, **more):
        if method == "delete":
            deleted.append(endpoint)
        return send(method, endpoint, **more)

    client.send = noted
    reply = client.task.create(
        site.collaboration,
        [site.id],
        image="algorithm",
        # Too long for the server
        database="x" * 10_000,
        input={"method": "x", "args": [TEXT]},
    )
    assert "id" not in reply
    (endpoint,) = deleted
    with pytest.raises(ServerError):
        send("get", endpoint)
