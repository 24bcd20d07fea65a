"""What is put into an envelope comes out of it: both forms, all sizes, all ways."""

import io
import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vantage6.common import authenticated
from vantage6.common.authenticated import (
    ResultContext,
    open_,
    open_binary,
    open_stream,
    seal,
    seal_binary,
    seal_stream,
)
from vantage6.common.encryption import RSACryptor, is_envelope
from vantage6.common.exceptions import EncryptionError

CHUNK = 64
#: Around every border that there is: of chunks, of groups of base64, of nothing at all.
SIZES = [0, 1, 2, 3, 4, *(CHUNK * n + d for n in (1, 2, 3) for d in (-2, -1, 0, 1, 2))]


def test_a_payload_comes_back(sender, recipient, context):
    data = os.urandom(3_000_000)
    text = seal(data, context, sender.private, recipient.public)
    opened = open_(text, recipient.private, sender.public)
    assert (opened.data, opened.context) == (data, context)
    assert opened.digest == authenticated.digest(text)


@pytest.mark.parametrize("size", SIZES)
def test_every_size_comes_back_in_every_form(sender, recipient, context, tmp_path, size):
    data = os.urandom(size)
    keys = (sender.private, recipient.public)
    text = seal(data, context, *keys, chunk=CHUNK)
    assert is_envelope(text)
    assert open_(text, recipient.private, sender.public).data == data
    binary = seal_binary(data, context, *keys, chunk=CHUNK)
    assert open_binary(binary, recipient.private, sender.public).data == data
    written = io.BytesIO()
    digest = seal_stream(io.BytesIO(data), written, context, *keys, chunk=CHUNK)
    assert len(written.getvalue()) == len(binary)
    opened = open_binary(written.getvalue(), recipient.private, sender.public)
    assert (opened.data, opened.digest) == (data, digest)
    target = tmp_path / "payload"
    streamed = open_stream(io.BytesIO(binary), target, recipient.private, sender.public)
    assert (target.read_bytes(), streamed.size) == (data, size)
    assert streamed.context == context


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    size=st.integers(0, 5 * 256 + 3),
    chunk=st.sampled_from([64, 256]),
    steps=st.lists(st.integers(1, 700), min_size=1, max_size=4),
)
def test_a_source_may_give_as_little_as_it_likes(
    sender, recipient, context, tmp_path, size, chunk, steps
):
    """Pipes and sockets give what they have, not what was asked for."""

    class Drops(io.BytesIO):
        def read(self, size=-1):
            step = steps[self.tell() % len(steps)]
            return super().read(min(size, step))

    data, written, target = os.urandom(size), io.BytesIO(), tmp_path / "payload"
    seal_stream(Drops(data), written, context, sender.private, recipient.public, chunk=chunk)
    open_stream(Drops(written.getvalue()), target, recipient.private, sender.public)
    assert target.read_bytes() == data


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_a_payload_may_be_any_kind_of_bytes(sender, recipient, context, kind):
    text = seal(kind(b"payload"), context, sender.private, recipient.public)
    assert open_(text, recipient.private, sender.public).data == b"payload"
    binary = seal_binary(kind(b"payload"), context, sender.private, recipient.public)
    assert open_binary(kind(binary), recipient.private, sender.public).data == b"payload"


def test_a_result_answers_its_input(sender, recipient, context):
    asked = open_(
        seal(b"?", context, sender.private, recipient.public), recipient.private, sender.public
    )
    answer = ResultContext.answering(context, asked.digest, task_id=7, result_id=9)
    assert (answer.sender, answer.recipient) == (context.recipient, context.sender)
    text = seal(b"!", answer, recipient.private, sender.public)
    opened = open_(text, sender.private, recipient.public)
    assert (opened.data, opened.context) == (b"!", answer)
    authenticated.require(opened.context, direction="result", input_digest=asked.digest)


def test_the_claims_of_an_envelope_can_be_read_by_all(sender, recipient, context):
    text = seal(b"secret", context, sender.private, recipient.public)
    assert authenticated.claimed(text).context == context


def test_no_two_envelopes_are_alike(sender, recipient, context):
    texts = {seal(b"x", context, sender.private, recipient.public) for _ in range(3)}
    assert len(texts) == len({authenticated.digest(text) for text in texts}) == 3


def test_a_classic_reader_refuses_it(sender, recipient, context, tmp_path):
    RSACryptor.create_new_rsa_key(tmp_path / "key.pem")
    text = seal(b"secret", context, sender.private, recipient.public)
    with pytest.raises(EncryptionError):
        RSACryptor(tmp_path / "key.pem").decrypt_str_to_bytes(text)


def test_who_sent_an_envelope_is_proven_without_opening_it(sender, recipient, stranger, context):
    text = seal(b"secret", context, sender.private, recipient.public)
    found = authenticated.verify(text, sender.public)
    assert (found.context, found.digest) == (context, authenticated.digest(text))
    other = seal(b"secret", context, sender.private, recipient.public)
    mixed = f"{text.rpartition('$')[0]}${other.rpartition('$')[2]}"
    for damaged, key in ((text, stranger.public), (mixed, sender.public)):
        with pytest.raises(EncryptionError):
            authenticated.verify(damaged, key)
