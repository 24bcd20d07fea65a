"""Payloads for the payload store: the same bytes from any place on, and never one key twice."""

import hashlib
from io import BytesIO

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from vantage6.common import authenticated
from vantage6.common.authenticated import InputContext
from vantage6.common.encryption import RSACryptor
from vantage6.common.envelope.conversion import as_binary
from vantage6.common.exceptions import EncryptionError
from vantage6.common.letter import Letter
from vantage6.common.sealed import BINARY, TEXT, ClassicPayload, PlainPayload, SignedPayload
from vantage6.common.sources import Base64Of, Held, Joined, OnDisk, whole
from vantage6.common.text import base64s_to_bytes, bytes_to_base64s

DATA = hashlib.shake_256(b"payload").digest(3 * 2**18 * 2 + 12345)
CONTEXT = InputContext(3, "docker.io/library/average:latest", 1, 2)
SIZES = [0, 1, 64, 1000, 3 * 2**18, 2**20, len(DATA)]


@pytest.fixture(scope="module")
def key():
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture(scope="module")
def cryptor(key, tmp_path_factory):
    cryptor = RSACryptor.__new__(RSACryptor)
    cryptor.private_key = key
    return cryptor


def signed(source, key):
    return SignedPayload.new(source, CONTEXT, key, key.public_key(), chunk=4**8)


KINDS = {
    "plain": lambda source, cryptor: PlainPayload(source),
    "classic": lambda source, cryptor: ClassicPayload(source, cryptor.public_key_str),
    "signed": lambda source, cryptor: signed(source, cryptor.private_key),
}


def opened(sealed, cryptor):
    """What comes out of a payload, as whoever gets it reads it."""
    target = BytesIO()
    letter = Letter(BytesIO(b"".join(sealed.pieces())), sealed.form)
    envelope = letter.envelope()
    if envelope:
        own_key = cryptor.private_key
        envelope.open_into(target, own_key, own_key.public_key())
    elif isinstance(sealed, ClassicPayload):
        cryptor.open_stream(letter.source, target)
    else:
        letter.open_plain(target)
    return target.getvalue()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_sealed_can_be_opened_and_has_the_size_that_was_announced(kind, size, cryptor):
    sealed = KINDS[kind](Held(DATA[:size]), cryptor)
    assert opened(sealed, cryptor) == DATA[:size]
    assert len(b"".join(sealed.pieces())) == sealed.size


@pytest.mark.parametrize("kind", KINDS)
def test_a_payload_is_the_same_bytes_from_any_place_on(kind, cryptor):
    sealed = KINDS[kind](Held(DATA), cryptor)
    sent = b"".join(sealed.pieces())
    for start in (0, 1, 500, len(sent) // 3, len(sent) - 300, len(sent) - 1, len(sent)):
        assert b"".join(sealed.pieces(start)) == sent[start:]


def test_a_classic_payload_is_what_classic_readers_know(cryptor):
    sealed = ClassicPayload(Held(DATA), cryptor.public_key_str)
    text = b"".join(sealed.pieces()).decode()
    assert sealed.form == TEXT
    assert cryptor.decrypt_str_to_bytes(text) == DATA


def test_a_plain_payload_is_base64():
    assert base64s_to_bytes(b"".join(PlainPayload(Held(DATA)).pieces()).decode()) == DATA


def test_a_signed_payload_has_the_digest_of_its_envelope(key):
    sealed = signed(Held(DATA), key)
    assert sealed.digest is None
    sent = b"".join(sealed.pieces())
    assert sealed.form == BINARY
    assert sealed.digest == authenticated.open_binary(sent, key, key.public_key()).digest


@pytest.mark.parametrize("kind", ["classic", "signed"])
def test_a_source_that_changed_is_found_out_before_its_key_is_used_twice(kind, cryptor, tmp_path):
    path = tmp_path / "data"
    path.write_bytes(DATA)
    sealed = KINDS[kind](OnDisk(path), cryptor)
    for _ in sealed.pieces():
        pass
    path.write_bytes(DATA[:-1] + b"?")
    with pytest.raises(EncryptionError, match="changed while it was sent"):
        list(sealed.pieces())


def test_a_file_that_became_shorter_is_found_out(tmp_path):
    path = tmp_path / "data"
    path.write_bytes(DATA)
    source = OnDisk(path)
    path.write_bytes(DATA[:-1])
    with pytest.raises(EncryptionError, match="changed while it was sent"):
        whole(source)


def test_another_process_makes_the_same_classic_envelope(cryptor):
    sealed = ClassicPayload(Held(DATA), cryptor.public_key_str)
    again = ClassicPayload(Held(DATA), "", sealed.state())
    assert b"".join(again.pieces(1000)) == b"".join(sealed.pieces(1000))


@pytest.mark.parametrize("at", [0, 100_000, -100])
def test_another_process_makes_the_same_signed_envelope(key, at):
    states = []
    sealed = SignedPayload.new(
        Held(DATA), CONTEXT, key, key.public_key(), chunk=4**8, keep=states.append
    )
    first = sealed.state()
    sent = b"".join(sealed.pieces())
    # The signature is kept before it leaves, and until then nothing of it can have been sent.
    (last,) = states
    again = SignedPayload.again(Held(DATA), last, CONTEXT, key, key.public_key())
    start = at % len(sent)
    assert b"".join(again.pieces(start)) == sent[start:]
    before = SignedPayload.again(Held(DATA), first, CONTEXT, key, key.public_key())
    resumed = sent[:100_000] + b"".join(before.pieces(100_000))
    assert authenticated.open_binary(resumed, key, key.public_key()).data == DATA


def test_what_was_sealed_for_another_occasion_is_not_taken_up(key):
    state = signed(Held(DATA), key).state()
    other = InputContext(4, CONTEXT.image, 1, 2)
    with pytest.raises(EncryptionError, match="another occasion"):
        SignedPayload.again(Held(DATA), state, other, key, key.public_key())


@pytest.mark.parametrize("size", [0, 1, 47, 48, 49, 100_000, 2 * 2**20, len(DATA)])
def test_the_text_form_comes_out_as_the_binary_one(key, size):
    text = authenticated.seal(DATA[:size], CONTEXT, key, key.public_key(), chunk=4**6)
    letter = Letter(BytesIO(text.encode()), TEXT)
    target = BytesIO()
    told = letter.envelope().open_into(target, key, key.public_key())
    assert target.getvalue() == DATA[:size]
    assert told.digest == authenticated.digest(text)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text[:-1],
        lambda text: text + "A",
        lambda text: text[:2] + text[2:].replace("$", "", 1),
        lambda text: text[: len(text) // 2] + "=" + text[len(text) // 2 + 1 :],
        lambda text: text[: len(text) // 2],
        lambda text: text.rpartition("$")[0],
        lambda text: text[:3000] + "\u00e9" + text[3001:],
    ],
    ids=["short", "long", "sign", "padding", "half", "unsigned", "letter"],
)
def test_a_text_that_was_damaged_is_refused_as_a_stream(key, change):
    text = change(authenticated.seal(DATA[:5000], CONTEXT, key, key.public_key(), chunk=64))
    with pytest.raises(EncryptionError):
        Letter(BytesIO(text.encode()), TEXT).envelope().open_into(BytesIO(), key, key.public_key())


def test_an_envelope_is_verified_without_being_opened(key):
    sealed = signed(Held(DATA), key)
    sent = b"".join(sealed.pieces())
    told = Letter(BytesIO(sent), BINARY).envelope().verify(key.public_key())
    assert (told.context, told.digest) == (CONTEXT, sealed.digest)
    with pytest.raises(EncryptionError):
        Letter(BytesIO(sent[:-1]), BINARY).envelope().verify(key.public_key())


def test_nothing_encrypted_is_taken_for_plain(cryptor):
    for kind in ("classic", "signed"):
        sealed = KINDS[kind](Held(DATA[:1000]), cryptor)
        letter = Letter(BytesIO(b"".join(sealed.pieces())), sealed.form)
        with pytest.raises(EncryptionError, match="encryption is not set up"):
            letter.open_plain(BytesIO())


def test_plain_json_of_a_script_stays_as_it_is():
    target, text = BytesIO(), b'{"method": "mean", "price": "$5$"}'
    Letter(BytesIO(text), TEXT).open_plain(target)
    assert target.getvalue() == text


def test_base64_that_ends_in_the_middle_is_refused():
    text = bytes_to_base64s(DATA[:-1]) + "QUJD"
    with pytest.raises(EncryptionError, match="not base64"):
        Letter(BytesIO(text.encode()), TEXT).open_plain(BytesIO())


def test_the_end_of_an_envelope_exactly_where_a_block_ends(key):
    # All positions of the separator within the blocks in which base64 is read
    for size in range(2**20 * 3 // 4 - 40, 2**20 * 3 // 4 + 4):
        text = b"2$AAAA$" + bytes_to_base64s(bytes(size)).encode() + b"$AAAA"
        stream = as_binary(BytesIO(text))
        assert len(stream_bytes(stream)) == 13 + 3 + size + 2 + 3


def stream_bytes(stream):
    parts = []
    while piece := stream.read(2**20):
        parts.append(piece)
    return b"".join(parts)


@pytest.mark.parametrize("start", [0, 1, 2, 3, 4, 5, 99, 100, 101, 140])
@pytest.mark.parametrize("length", [0, 1, 2, 3, 4, 5, 60])
def test_parts_of_joined_sources_are_those_of_the_whole(tmp_path, start, length):
    path = tmp_path / "data"
    path.write_bytes(DATA[:100])
    joined = Joined([Held(b'{"a": "'), Base64Of(OnDisk(path)), Held(b'"}')])
    expected = b'{"a": "' + bytes_to_base64s(DATA[:100]).encode() + b'"}'
    assert joined.size == len(expected)
    assert bytes(joined.read_at(start, length)) == expected[start : start + length]
