"""What organizations say of themselves, and who is believed."""

import base64
import json

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from vantage6.common import capability, keys
from vantage6.common.exceptions import EncryptionError

MOMENT = 1_800_000_000


@pytest.fixture(scope="module")
def own():
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture(scope="module")
def text(own):
    return capability.make(own, 3, issued_at=MOMENT)


def test_a_statement_is_believed(own, text):
    found = capability.verify(text, own.public_key(), 3)
    assert found.envelopes == ("classic", "authenticated")
    assert found.reads_authenticated
    assert (found.organization_id, found.issued_at) == (3, MOMENT)
    assert found.key == keys.fingerprint(own.public_key())


def test_a_statement_has_a_date(own):
    assert capability.verify(capability.make(own, 3), own.public_key(), 3).issued_at > MOMENT / 2


def test_who_reads_classic_envelopes_only_says_so(own):
    text = capability.make(own, 3, [capability.CLASSIC])
    assert not capability.verify(text, own.public_key(), 3).reads_authenticated


def test_names_that_are_not_known_yet_do_no_harm(own):
    text = capability.make(own, 3, ["authenticated", "post-quantum"])
    assert capability.verify(text, own.public_key(), 3).reads_authenticated


def test_another_organization_or_key_is_not_believed(own, text):
    with pytest.raises(EncryptionError, match="another organization"):
        capability.verify(text, own.public_key(), 4)
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    with pytest.raises(EncryptionError, match="another key"):
        capability.verify(text, other.public_key(), 3)


def test_a_statement_that_names_a_key_but_is_not_signed_with_it_is_not_believed(own, monkeypatch):
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    named = keys.fingerprint(own.public_key())
    monkeypatch.setattr("vantage6.common.keys.fingerprint", lambda _: named)
    with pytest.raises(EncryptionError, match="was changed"):
        capability.verify(capability.make(other, 3), own.public_key(), 3)


def test_every_change_is_refused(own, text):
    for at, character in enumerate(text):
        for other in {"A", "=", "$", chr(ord(character) ^ 1)} - {character}:
            with pytest.raises(EncryptionError):
                capability.verify(text[:at] + other + text[at + 1 :], own.public_key(), 3)
    for at in range(len(text)):
        with pytest.raises(EncryptionError):
            capability.verify(text[:at], own.public_key(), 3)


@pytest.mark.parametrize(
    "change",
    [
        {"v": 2},
        {"more": 1},
        {"envelopes": []},
        {"envelopes": ["classic", "classic"]},
        {"envelopes": ["CLASSIC"]},
        {"envelopes": "classic"},
        {"envelopes": [1]},
        {"envelopes": [str(number) for number in range(17)]},
        {"issued_at": 1.5},
        {"issued_at": -1},
        {"organization_id": True},
        {"key": 1},
    ],
)
def test_signed_nonsense_is_refused(own, text, change):
    values = json.loads(base64.b64decode(text.split("$")[1])) | change
    refused(own, json.dumps(values, sort_keys=True, separators=(",", ":")).encode())


@pytest.mark.parametrize("raw", [b"", b"[]", b"1", b"{", b"[" * 4000, b'{"v":1}', b"\xff"])
def test_signed_rubbish_is_refused(own, raw):
    refused(own, raw)


def test_a_second_spelling_is_refused(own, text):
    raw = base64.b64decode(text.split("$")[1])
    refused(own, raw.replace(b",", b", ", 1))
    refused(own, raw[:-1] + b',"v":1}')


def refused(own, raw):
    """Sign something else than `make` would, and see that it is refused."""
    signature = keys.sign(own, capability._digest(raw))
    parts = ["capability-1", *(base64.b64encode(part).decode() for part in (raw, signature))]
    with pytest.raises(EncryptionError):
        capability.verify("$".join(parts), own.public_key(), 3)


@pytest.mark.parametrize("salt", [0, 20, 222])
def test_signatures_have_a_salt_of_32_bytes(own, salt):
    """One form only: others would be second signatures of the same statement."""
    digest, sha = bytes(32), hashes.SHA256()
    unusual = padding.PSS(padding.MGF1(sha), salt)
    signature = own.sign(digest, unusual, Prehashed(sha))
    assert not keys.is_signed(own.public_key(), digest, signature)
    usual = keys.sign(own, digest)
    own.public_key().verify(usual, digest, padding.PSS(padding.MGF1(sha), 32), Prehashed(sha))
    assert keys.is_signed(own.public_key(), digest, usual)


def test_short_keys_say_nothing():
    short = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    with pytest.raises(EncryptionError, match="1024 bits"):
        capability.make(short, 3)


@pytest.mark.parametrize(("number", "names"), [(0, ["classic"]), (3, []), (3, ["a b"])])
def test_nobody_makes_what_nobody_reads(own, number, names):
    with pytest.raises(EncryptionError):
        capability.make(own, number, names)
