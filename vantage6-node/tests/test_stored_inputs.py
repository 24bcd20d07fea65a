"""Inputs out of the payload store: opened into a file, and a run's only once they are proven."""

import contextlib
import hashlib
import io

import pytest

from vantage6.common.authenticated import InputContext
from vantage6.common.client.download import Stored
from vantage6.common.exceptions import Damaged
from vantage6.common.image import canonical
from vantage6.common.letter import Letter
from vantage6.common.sealed import ClassicPayload, PlainPayload, SignedPayload
from vantage6.common.sources import Held
from vantage6.node.rules import Limits, Rules
from vantage6.node.runner.fake import RUNS_ON

INPUT = b'json.{"method": "mean", "text": "' + b"x" * 300_000 + b'"}'
NONCE = "0" * 31 + "1"


@pytest.fixture
def store(server):
    """Let runs have inputs in the payload store of the server."""
    kept = {}

    @contextlib.contextmanager
    def payload(result_id, field, stored, token=None):
        data = kept[result_id]
        if isinstance(data, Exception):
            raise data
        yield Letter(io.BytesIO(data), stored.form)

    def put(assignment, sealed, **values):
        data = b"".join(map(bytes, sealed.pieces()))
        stored = Stored(len(data), hashlib.sha256(data).hexdigest(), sealed.form)
        run = server.add(assignment(input="", stored_input=stored, **values))
        kept[run.result_id] = data
        return run

    server.payload, put.kept = payload, kept
    return put


def signed(key, **values):
    own = key.private_key
    given = {"collaboration_id": 3, "image": canonical("average"), "sender": 7, "recipient": 7}
    context = InputContext(**{**given, "nonce": NONCE, **values})
    return SignedPayload.new(Held(INPUT), context, own, own.public_key())


def inputs(tmp_path):
    return [path.read_bytes() for path in (tmp_path / "node" / "runs").glob("*/input")]


@pytest.mark.parametrize("kind", ["plain", "classic", "signed"])
def test_a_container_finds_its_input(node, server, store, assignment, key, runner, tmp_path, kind):
    runner.programs["average"] = lambda container: RUNS_ON
    cryptor = None if kind == "plain" else key
    if cryptor:
        server.public_keys[7] = key.public_key_str
    sealed = {
        "plain": lambda: PlainPayload(Held(INPUT)),
        "classic": lambda: ClassicPayload(Held(INPUT), key.public_key_str),
        "signed": lambda: signed(key),
    }[kind]()
    store(assignment, sealed)
    node(cryptor=cryptor)
    assert inputs(tmp_path) == [INPUT]
    assert list((tmp_path / "node" / "inbox").iterdir()) == []


@pytest.mark.parametrize(
    "change",
    [{"collaboration_id": 4}, {"image": canonical("other")}, {"recipient": 8}],
    ids=["collaboration", "image", "recipient"],
)
def test_an_input_for_another_occasion_is_not_fetched_to_its_end(
    node, server, store, assignment, key, tmp_path, change
):
    server.public_keys[7] = key.public_key_str
    run = store(assignment, signed(key, **change))
    # Nothing but the header could be read without an error.
    store.kept[run.result_id] = store.kept[run.result_id][:3000]
    node(cryptor=key)
    assert server.reports[run.result_id].status == "not allowed"
    assert "differs" in server.reports[run.result_id].log
    assert inputs(tmp_path) == []
    assert list((tmp_path / "node" / "inbox").iterdir()) == []


def test_an_input_that_was_changed_reaches_no_container(
    node, server, store, assignment, key, tmp_path
):
    server.public_keys[7] = key.public_key_str
    run = store(assignment, signed(key))
    content = bytearray(store.kept[run.result_id])
    content[-1] ^= 1
    store.kept[run.result_id] = bytes(content)
    node(cryptor=key)
    assert server.reports[run.result_id].status == "not allowed"
    assert inputs(tmp_path) == []


def test_an_input_that_is_sent_again_is_not_used_again(node, server, store, assignment, key):
    server.public_keys[7] = key.public_key_str
    sealed = signed(key)
    first, second = store(assignment, sealed), store(assignment, sealed)
    node(cryptor=key)
    assert server.reports[first.result_id].status == "completed"
    assert "used for another run already" in server.reports[second.result_id].log


def test_an_input_that_is_larger_than_the_owner_allows(
    node, server, store, assignment, doubles, tmp_path
):
    run = store(assignment, PlainPayload(Held(INPUT)))
    limits = Rules(Limits(input=1000))
    node(policy=doubles.policy("average", rules=limits))
    report = server.reports[run.result_id]
    assert report.status == "not allowed"
    assert "more than the 1000 bytes that this node allows" in report.log
    assert list((tmp_path / "node" / "inbox").iterdir()) == []


def test_a_server_that_says_too_little_does_not_get_more_in(
    node, server, store, assignment, doubles, tmp_path
):
    run = store(assignment, PlainPayload(Held(INPUT)))
    little = Stored(10, run.stored_input.digest, "text")
    server.runs[run.result_id] = type(run)(**{**vars(run), "stored_input": little})
    node(policy=doubles.policy("average", rules=Rules(Limits(input=1000))))
    assert server.reports[run.result_id].status == "not allowed"
    assert list((tmp_path / "node" / "inbox").iterdir()) == []


def test_an_input_that_the_store_has_lost_ends_the_run_with_a_reason(
    node, server, store, assignment
):
    run = store(assignment, PlainPayload(Held(INPUT)))
    store.kept[run.result_id] = Damaged("What the server sent is not the payload")
    node()
    assert server.reports[run.result_id].status == "start failed"
    assert "not the payload" in server.reports[run.result_id].log


def test_without_encryption_no_envelope_is_taken_for_an_input(node, server, store, assignment, key):
    run = store(assignment, ClassicPayload(Held(INPUT), key.public_key_str))
    node()
    assert "encryption is not set up" in server.reports[run.result_id].log
