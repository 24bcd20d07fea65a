"""The classic envelope, byte for byte, and what happens when it does not fit."""

import base64
import os
import stat

import pytest
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from vantage6.common.encryption import (
    DummyCryptor,
    RSACryptor,
    is_envelope,
    load_cryptor,
)
from vantage6.common.exceptions import EncryptionError


@pytest.fixture(scope="module")
def key_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("keys") / "private.pem"
    RSACryptor.create_new_rsa_key(path)
    return path


@pytest.fixture(scope="module")
def other_key_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("keys") / "other.pem"
    RSACryptor.create_new_rsa_key(path)
    return path


@pytest.fixture
def cryptor(key_file):
    return RSACryptor(key_file)


@pytest.mark.parametrize("data", [b"", b"x", b"json.{}", os.urandom(100_000)])
def test_what_is_encrypted_comes_back(cryptor, data):
    text = cryptor.encrypt_bytes_to_str(data, cryptor.public_key_str)
    assert is_envelope(text)
    assert cryptor.decrypt_str_to_bytes(text) == data


def test_the_envelope_is_the_classic_one(cryptor):
    """Take an envelope apart with nothing but the documented steps."""
    a, b, c = cryptor.encrypt_bytes_to_str(b"payload", cryptor.public_key_str).split("$")
    assert (len(a), len(b), len(c)) == (684, 24, 12)
    aes_key = cryptor.private_key.decrypt(base64.b64decode(a), padding.PKCS1v15())
    assert len(aes_key) == 32
    stream = Cipher(algorithms.AES(aes_key), modes.CTR(base64.b64decode(b))).decryptor()
    assert stream.update(base64.b64decode(c)) + stream.finalize() == b"payload"


def test_an_envelope_made_by_hand_is_read(cryptor):
    aes_key, start = os.urandom(32), os.urandom(16)
    stream = Cipher(algorithms.AES(aes_key), modes.CTR(start)).encryptor()
    parts = (
        cryptor.private_key.public_key().encrypt(aes_key, padding.PKCS1v15()),
        start,
        stream.update(b"from R") + stream.finalize(),
    )
    text = "$".join(base64.b64encode(part).decode() for part in parts)
    assert cryptor.decrypt_str_to_bytes(text) == b"from R"


def test_a_message_for_somebody_else_is_refused(cryptor, other_key_file):
    """A wrong key gives random bytes of random length, once in some hundred of a fitting one."""
    theirs = RSACryptor(other_key_file).public_key_str
    refused = 0
    for _ in range(8):
        text = cryptor.encrypt_bytes_to_str(b"secret", theirs)
        try:
            assert cryptor.decrypt_str_to_bytes(text) != b"secret"
        except EncryptionError:
            refused += 1
    assert refused >= 6


@pytest.mark.parametrize("text", ["", "abc", "a$b", "a$b$c$d", "$$", "äö$x$y"])
def test_what_is_no_envelope_is_refused(cryptor, text):
    assert not is_envelope(text)
    with pytest.raises(EncryptionError):
        cryptor.decrypt_str_to_bytes(text)


def test_without_a_public_key_nothing_is_encrypted(cryptor):
    with pytest.raises(EncryptionError, match="no public key"):
        cryptor.encrypt_bytes_to_str(b"secret", "")
    with pytest.raises(EncryptionError, match="cannot be read"):
        cryptor.encrypt_bytes_to_str(b"secret", base64.b64encode(b"rubbish").decode())


def test_key_files_are_for_their_owner_only(key_file):
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    assert key_file.read_bytes().startswith(b"-----BEGIN RSA PRIVATE KEY-----")
    assert [path.name for path in key_file.parent.iterdir()] == [key_file.name]


def test_keys_are_compared_by_their_numbers(cryptor, other_key_file):
    pem = base64.b64decode(cryptor.public_key_str)
    reformatted = base64.b64encode(pem.replace(b"\n", b"\r\n")).decode()
    assert cryptor.verify_public_key(reformatted)
    assert not cryptor.verify_public_key(RSACryptor(other_key_file).public_key_str)
    assert not cryptor.verify_public_key("")


def test_a_file_without_a_key_is_named(tmp_path):
    path = tmp_path / "no.pem"
    path.write_text("hello")
    with pytest.raises(EncryptionError, match=r"no\.pem"):
        RSACryptor(path)
    with pytest.raises(FileNotFoundError):
        RSACryptor(tmp_path / "missing.pem")


def test_without_encryption_payloads_are_base64(cryptor):
    dummy = load_cryptor(None)
    assert isinstance(dummy, DummyCryptor)
    assert dummy.encrypt_bytes_to_str(b"\x00\xff") == "AP8="
    assert dummy.decrypt_str_to_bytes("AP8=") == b"\x00\xff"
    envelope = cryptor.encrypt_bytes_to_str(b"secret", cryptor.public_key_str)
    with pytest.raises(EncryptionError, match="not set up"):
        dummy.decrypt_str_to_bytes(envelope)
    with pytest.raises(EncryptionError, match="base64"):
        dummy.decrypt_str_to_bytes("not base64!")
