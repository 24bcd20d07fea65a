"""Texts that are made while they are sent are those that are made at once."""

import base64
import json
import os

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from vantage6.common import authenticated
from vantage6.common.authenticated import InputContext, SealedText
from vantage6.common.client.large import LongTexts, body_of
from vantage6.common.encryption import ClassicText, RSACryptor
from vantage6.common.exceptions import EncryptionError
from vantage6.common.image import canonical
from vantage6.common.long_text import Base64Text

CONTEXT = InputContext(1, canonical("image"), 2, 3)
SIZES = [0, 1, 2, 3, 2**18 * 3, 2**18 * 3 + 1, 2**20 + 5]
every_size = pytest.mark.parametrize("size", SIZES)


@pytest.fixture(scope="module")
def cryptor(tmp_path_factory):
    path = tmp_path_factory.mktemp("keys") / "key.pem"
    RSACryptor.create_new_rsa_key(path)
    return RSACryptor(path)


def whole(text):
    """All of it; the same each time, and as long as it says."""
    written = b"".join(text)
    assert len(text) == len(written)
    assert b"".join(text) == written
    return written.decode("ascii")


@every_size
def test_base64_in_pieces_is_base64(size):
    data = os.urandom(size)
    assert base64.b64decode(whole(Base64Text(data)), validate=True) == data


@every_size
def test_a_classic_envelope_in_pieces_is_opened(size, cryptor):
    data = os.urandom(size)
    text = whole(ClassicText(data, cryptor.public_key_str))
    assert cryptor.decrypt_str_to_bytes(text) == data


@every_size
def test_an_authenticated_envelope_in_pieces_is_opened_and_named(size, cryptor):
    data, key = os.urandom(size), cryptor.private_key
    text = SealedText(data, CONTEXT, key, key.public_key())
    assert text.digest is None
    envelope = whole(text)
    assert authenticated.open_(envelope, key, key.public_key()).data == data
    assert authenticated.digest(envelope) == text.digest


def test_a_key_that_is_too_short_is_refused_before_anything_is_sent():
    weak = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    with pytest.raises(EncryptionError):
        SealedText(b"data", CONTEXT, weak, weak.public_key())


@pytest.mark.parametrize("digits", [8, 4 * 2**18], ids=["within", "at the end of a piece"])
def test_nothing_may_follow_the_end_of_a_classic_payload(digits, cryptor):
    text = whole(ClassicText(os.urandom(2**20), cryptor.public_key_str))
    at = text.rindex("$") + 1 + digits
    with pytest.raises(ValueError, match="not base64"):
        cryptor.decrypt_str_to_bytes(f"{text[: at - 2]}=={text[at:]}")


def test_long_texts_stand_where_they_belong():
    value = {
        "name": 'a "name" \\ with é',
        "organizations": [
            {"id": 1, "input": Base64Text(b"one")},
            {"id": 2, "input": Base64Text(b"two" * 2**20)},
        ],
        "last": None,
    }
    body = LongTexts(value)
    written = json.loads(whole(body))
    inputs = [entry.pop("input") for entry in written["organizations"]]
    assert [base64.b64decode(text) for text in inputs] == [b"one", b"two" * 2**20]
    assert written == {**value, "organizations": [{"id": 1}, {"id": 2}]}


def test_a_body_without_long_texts_is_sent_as_any_other():
    assert body_of({"name": "x", "organizations": [{"id": 1, "input": "eA=="}]}) is None
    assert body_of(None) is None


def test_a_body_with_something_else_in_it_is_refused():
    with pytest.raises(TypeError, match="type object"):
        LongTexts({"name": object()})
