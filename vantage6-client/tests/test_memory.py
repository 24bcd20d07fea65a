"""A large payload needs a few times its own memory in the researcher's process, not more."""

import hashlib

import pytest

from vantage6.common.serialization import serialize

SIZE = 24 * 2**20
LARGER = 96 * 2**20
MOST = 4
# Two pieces of an upload, and what TLS, hashes and ciphers need
MOST_HELD = 64 * 2**20


def test_a_large_input_is_sent(site):
    told, said = site.run("send", size=SIZE)
    assert told["growth"] <= MOST * SIZE
    assert site.open_input(told["answer"]).count(b"x") >= SIZE
    # In the binary form there is no base64.
    size = "25.2" if site.envelope == "authenticated" else "33.6"
    assert f"Sent {size} MB in " in said


@pytest.mark.parametrize("action", ["results", "bytes"])
def test_a_large_result_is_fetched_beside_a_large_input(site, action):
    task = site.client().task.create(
        site.collaboration, [site.id], image="algorithm", method="size", args=["x" * SIZE]
    )
    text = "y" * SIZE
    payload = serialize(text)
    site.answer(task["id"], payload)
    told, _ = site.run(action, size=SIZE, task=task["id"])
    expected = text.encode() if action == "results" else payload
    assert told["answer"] == hashlib.sha256(expected).hexdigest()
    # The classic way gives the input too, so there are two payloads.
    payloads = 2 if action == "bytes" else 1
    assert told["growth"] <= MOST * SIZE * payloads


def test_a_file_is_sent_and_comes_back_without_memory_of_its_size(site, tmp_path):
    data = tmp_path / "data"
    data.write_bytes(hashlib.shake_256(b"data").digest(LARGER))
    told, _ = site.run("file", size=LARGER, path=str(data))
    assert told["growth"] <= MOST_HELD
    site.answer_by_upload(told["answer"], data.read_bytes())
    told, _ = site.run("download", size=LARGER, task=told["answer"], path=str(tmp_path / "result"))
    assert told["growth"] <= MOST_HELD
    assert (tmp_path / "result").read_bytes() == data.read_bytes()
