"""The form of the envelope, held by examples that never change.

`docs/reference/envelope.md` tells readers in other languages to check themselves with
`vectors.json`. Where a test here fails, envelopes that are on their way can no longer be read.
"""

import base64
import hashlib
import json
import struct
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from vantage6.common import capability, keys
from vantage6.common.authenticated import digest, open_, open_binary
from vantage6.common.envelope.context import from_dict
from vantage6.common.envelope.form import Header
from vantage6.common.envelope.sealing import Material, seal_binary_with, seal_text_with

VECTORS = json.loads(Path(__file__).with_name("vectors.json").read_text(encoding="utf-8"))
MAGIC = bytes.fromhex("895636450d0a1a0a02")

every_vector = pytest.mark.parametrize(
    "vector", VECTORS["envelopes"], ids=lambda vector: vector["name"]
)


def key_of(organization: int) -> RSAPrivateKey:
    key = serialization.load_pem_private_key(VECTORS["keys"][str(organization)].encode(), None)
    assert isinstance(key, RSAPrivateKey)
    return key


def people(vector: dict[str, Any]) -> tuple[RSAPrivateKey, RSAPrivateKey]:
    """The keys of the sender and of the recipient."""
    return key_of(vector["context"]["sender"]), key_of(vector["context"]["recipient"])


def text_of(vector: dict[str, Any]) -> str:
    return "$".join(["2", vector["header"], vector["body"], vector["signature"]])


def binary_of(vector: dict[str, Any]) -> bytes:
    """The binary form, put together as it is described."""
    header, body, signature = (
        base64.b64decode(vector[part]) for part in ("header", "body", "signature")
    )
    sizes = struct.pack(">I", len(header)), struct.pack(">H", len(signature))
    return MAGIC + sizes[0] + header + body + sizes[1] + signature


@every_vector
def test_examples_are_opened(vector):
    sender, recipient = people(vector)
    for opened in (
        open_(text_of(vector), recipient, sender.public_key()),
        open_binary(binary_of(vector), recipient, sender.public_key()),
    ):
        assert opened.data.hex() == vector["payload"]
        assert opened.context == from_dict(vector["context"])
        assert opened.digest == digest(text_of(vector)) == vector["digest"]


@every_vector
def test_examples_are_made_again(vector):
    """All but the signature, which is another one each time."""
    sender, recipient = people(vector)
    header = Header(
        from_dict(vector["context"]),
        vector["chunk"],
        base64.b64decode(vector["wrapped_key"]),
        keys.fingerprint(sender.public_key()),
        keys.fingerprint(recipient.public_key()),
    )
    material = Material(header, bytes.fromhex(vector["content_key"]), sender)
    payload = bytes.fromhex(vector["payload"])
    made = seal_text_with(material, payload).decode()
    assert made.split("$")[:3] == text_of(vector).split("$")[:3]
    binary = seal_binary_with(material, payload)
    size = len(base64.b64decode(vector["signature"]))
    assert binary[:-size] == binary_of(vector)[:-size]


@every_vector
def test_the_description_is_enough_to_open_one(vector):
    """Nothing of ours: the steps of the page, with a library for AES, RSA and SHA."""
    sender, recipient = people(vector)
    mgf, sha = padding.MGF1(hashes.SHA256()), hashes.SHA256()
    version, *parts = text_of(vector).split("$")
    raw_header, body, signature = map(base64.b64decode, parts)
    header = json.loads(raw_header)
    header_hash = hashlib.sha256(raw_header).digest()
    frames = []
    while body:
        (prefix,) = struct.unpack(">I", body[:4])
        is_last, size = prefix >> 31, prefix & 0x7FFFFFFF
        frames.append((is_last, body[4 : 4 + size]))
        body = body[4 + size :]
    assert version == "2"
    assert [is_last for is_last, _ in frames] == [0] * (len(frames) - 1) + [1]

    statement = b"vantage6-envelope-2\0" + header_hash + b"".join(f[-16:] for _, f in frames)
    sender.public_key().verify(signature, statement, padding.PSS(mgf, 32), sha)

    content_key = recipient.decrypt(
        base64.b64decode(header["key"]), padding.OAEP(mgf, sha, label=None)
    )
    assert content_key.hex() == vector["content_key"]
    payload = b"".join(
        AESGCM(content_key).decrypt(
            bytes(7) + struct.pack(">IB", index, is_last), sealed, header_hash
        )
        for index, (is_last, sealed) in enumerate(frames)
    )
    assert payload.hex() == vector["payload"]
    name = hashlib.sha256(b"vantage6-envelope-digest-2\0" + header_hash + signature).hexdigest()
    assert name == vector["digest"]


@pytest.mark.parametrize("organization", [2, 3])
def test_the_fingerprint_of_a_key_is_that_of_its_der_form(organization):
    public = key_of(organization).public_key()
    pem = public.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    der = base64.b64decode(b"".join(pem.splitlines()[1:-1]))
    expected = VECTORS["fingerprints"][str(organization)]
    assert keys.fingerprint(public) == hashlib.sha256(der).hexdigest() == expected


def test_the_statement_of_an_organization_is_read():
    example = VECTORS["capability"]
    organization = example["organization_id"]
    found = capability.verify(example["statement"], key_of(organization).public_key(), organization)
    assert (list(found.envelopes), found.issued_at) == (example["envelopes"], example["issued_at"])
