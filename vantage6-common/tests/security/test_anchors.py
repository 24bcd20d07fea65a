"""One test per published hole and per class of holes that encryption answers for.

Named after the entries, as in the server's tests of that name. What there is to a subject stands
in `tests/envelope`, `tests/test_encryption.py`, `tests/test_pins.py`, `tests/test_capability.py`.
"""
# ruff: noqa: N802

import base64
import logging
import os
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric import padding

from vantage6.common import capability
from vantage6.common.authenticated import (
    InputContext,
    ResultContext,
    claimed,
    digest,
    open_,
    require,
    seal,
)
from vantage6.common.encryption import DummyCryptor, RSACryptor, is_envelope
from vantage6.common.exceptions import ContextMismatch, EncryptionError

IMAGE = "registry.example/average:1.0"
ASKED = InputContext(collaboration_id=1, image=IMAGE, sender=2, recipient=3)


@pytest.fixture(scope="module")
def asked(researcher: RSACryptor, hospital: RSACryptor) -> str:
    """An input of the researcher for the hospital."""
    return seal(b"secret", ASKED, researcher.private_key, hospital.private_key.public_key())


@pytest.mark.parametrize(
    "plain",
    [
        "",
        base64.b64encode(b'json.{"method": "average"}').decode(),
        base64.b64encode(bytes(5000)).decode(),
        "2$",
        "2$e30=$AAAA$AAAA",
        "2$" + "$".join(base64.b64encode(bytes(300)).decode() for _ in range(3)),
        "$".join(base64.b64encode(bytes(300)).decode() for _ in range(3)),
    ],
)
def test_anchor_A12_cve_2024_22193_plaintext_is_no_envelope(plain):
    """Unencrypted payloads were taken in encrypted collaborations."""
    assert not is_envelope(plain)


def test_anchor_A12_a_readable_body_in_the_form_of_an_envelope_is_none(asked):
    version, header, body, signature = asked.split("$")
    length = len(base64.b64decode(body))
    readable = base64.b64encode(b"json.{}".ljust(length)).decode()
    assert is_envelope(asked)
    assert not is_envelope("$".join([version, header, readable, signature]))


def test_anchor_B_malleable_results(researcher, hospital):
    """Whoever carries a classic result can change it; a signed one is refused."""
    answer = ResultContext.answering(ASKED, "0" * 64, task_id=4, result_id=5)
    text = seal(b"1000", answer, hospital.private_key, researcher.private_key.public_key())
    version, header, body, signature = text.split("$")
    changed = bytearray(base64.b64decode(body))
    changed[4] ^= 8
    forged = "$".join([version, header, base64.b64encode(changed).decode(), signature])
    with pytest.raises(EncryptionError):
        open_(forged, researcher.private_key, hospital.private_key.public_key())


def test_anchor_B_padding_oracle_of_the_classic_envelope(hospital):
    """Nothing tells a wrong padding from a key of a wrong length, or from somebody else's."""
    public = hospital.private_key.public_key()
    blocks = [
        os.urandom(256),
        bytes(256),
        bytes(255),
        b"\xff" * 256,
        public.encrypt(os.urandom(16), padding.PKCS1v15()),
        public.encrypt(b"", padding.PKCS1v15()),
        public.encrypt(os.urandom(33), padding.PKCS1v15()),
    ]
    said = set()
    for block in blocks:
        parts = (block, bytes(16), b"payload")
        text = "$".join(base64.b64encode(part).decode() for part in parts)
        with pytest.raises(EncryptionError) as caught:
            hospital.decrypt_str_to_bytes(text)
        said.add(str(caught.value))
    assert len(said) == 1


def test_anchor_B_padding_oracle_of_the_authenticated_envelope(
    asked, attacker, researcher, hospital, monkeypatch
):
    """Strangers cannot make the private key work at all."""
    monkeypatch.setattr("vantage6.common.keys.unwrap", lambda *_: pytest.fail("it was used"))
    own, sender = hospital.private_key, researcher.private_key.public_key()
    forged = seal(b"x", ASKED, attacker.private_key, hospital.private_key.public_key())
    signature = forged.rpartition("$")[2]
    for text in (forged, f"{asked.rpartition('$')[0]}${signature}"):
        with pytest.raises(EncryptionError):
            open_(text, own, sender)


def test_anchor_B_content_keys_are_not_logged(asked, researcher, hospital, caplog):
    """The classic node wrote the AES key of every message to its log."""
    with caplog.at_level(logging.DEBUG):
        classic = researcher.encrypt_bytes_to_str(b"secret", hospital.public_key_str)
        hospital.decrypt_str_to_bytes(classic)
        open_(asked, hospital.private_key, researcher.private_key.public_key())
    assert caplog.text == ""


def test_anchor_B_on_whose_authority(attacker, researcher, hospital):
    """Everybody can encrypt for the hospital; only the researcher can say he is the researcher."""
    forged = seal(b"evil", ASKED, attacker.private_key, hospital.private_key.public_key())
    assert claimed(forged).context.sender == ASKED.sender
    with pytest.raises(EncryptionError):
        open_(forged, hospital.private_key, researcher.private_key.public_key())


def test_anchor_B_a_signature_cannot_be_replaced_by_ones_own(asked, attacker, researcher, hospital):
    """Who strips a signature cannot pass the payload off as his: the header names the sender."""
    own = seal(b"other!", ASKED, attacker.private_key, hospital.private_key.public_key())
    version, header, body, _ = asked.split("$")
    _, own_header, _, own_signature = own.split("$")
    for text in (
        "$".join([version, own_header, body, own_signature]),
        "$".join([version, header, body, own_signature]),
    ):
        for key in (attacker, researcher):
            with pytest.raises(EncryptionError):
                open_(text, hospital.private_key, key.private_key.public_key())


def test_anchor_E8_a_substituted_key_opens_nothing_and_is_noticed(attacker, researcher, hospital):
    """With a key of the server in place of the hospital's, the hospital refuses what arrives."""
    text = seal(b"secret", ASKED, researcher.private_key, attacker.private_key.public_key())
    with pytest.raises(EncryptionError, match="made for another key"):
        open_(text, hospital.private_key, researcher.private_key.public_key())


def test_anchor_E8_downgrade_to_the_classic_envelope(asked, hospital):
    """No part of an authenticated envelope can be read as a classic or as a plain one."""
    parts = asked.split("$")
    for first in range(4):
        for last in range(first + 1, 5):
            part = "$".join(parts[first:last])
            with pytest.raises(EncryptionError):
                hospital.decrypt_str_to_bytes(part)
    with pytest.raises(EncryptionError, match="encrypted"):
        DummyCryptor().decrypt_str_to_bytes(asked)


def test_anchor_E8_downgrade_by_what_an_organization_is_said_to_read(attacker, hospital):
    """The server cannot say in its name that the hospital reads classic envelopes only."""
    key = hospital.private_key.public_key()
    genuine = capability.make(hospital.private_key, 3)
    forged = capability.make(attacker.private_key, 3, [capability.CLASSIC])
    mixed = "$".join([*forged.split("$")[:2], genuine.split("$")[2]])
    assert capability.verify(genuine, key, 3).reads_authenticated
    for text in (forged, mixed):
        with pytest.raises(EncryptionError):
            capability.verify(text, key, 3)


@pytest.mark.parametrize(
    ("field", "other"),
    [
        ("collaboration_id", 9),
        ("image", "registry.example/other:1.0"),
        ("recipient", 9),
        ("sender", 9),
        ("nonce", "f" * 32),
        ("direction", "result"),
    ],
)
def test_anchor_E8_an_input_is_of_no_use_elsewhere(asked, researcher, hospital, field, other):
    """The server may send it on to another collaboration, image or run; it is refused there."""
    opened = open_(asked, hospital.private_key, researcher.private_key.public_key())
    with pytest.raises(ContextMismatch, match=field):
        require(opened.context, **{field: other})


@pytest.mark.parametrize("field", ["task_id", "result_id", "input_digest"])
def test_anchor_E8_a_result_is_of_no_use_for_another_run(asked, researcher, hospital, field):
    """Not even for the same question, asked twice."""
    answer = ResultContext.answering(ASKED, digest(asked), task_id=4, result_id=5)
    text = seal(b"1", answer, hospital.private_key, researcher.private_key.public_key())
    opened = open_(text, researcher.private_key, hospital.private_key.public_key())
    others = {"task_id": 6, "result_id": 7, "input_digest": "0" * 64}
    require(opened.context, task_id=4, result_id=5, input_digest=digest(asked))
    with pytest.raises(ContextMismatch, match=field):
        require(opened.context, **{field: others[field]})
    assert replace(answer, **{field: others[field]}) != opened.context
