"""End-to-end encryption of inputs and results: the classic `A$B$C` envelope.

A fresh AES-256 key encrypts the payload in counter mode and is itself encrypted with the
receiver's RSA key (PKCS#1 v1.5). The three parts - encrypted key, counter start, payload -
are base64 texts joined by `$`.
"""

import binascii
import os
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Protocol

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext, algorithms, modes

from vantage6.common.envelope import SEPARATOR, base64, is_envelope
from vantage6.common.envelope.streams import Peekable, Readable, Writable, read_up_to
from vantage6.common.exceptions import EncryptionError
from vantage6.common.files import write_private_file
from vantage6.common.keys import load_private_key, load_public_key
from vantage6.common.long_text import LongText, base64_length
from vantage6.common.text import base64s_to_bytes, bytes_to_base64s

__all__ = [
    "SEPARATOR",
    "ClassicText",
    "CryptorBase",
    "DummyCryptor",
    "RSACryptor",
    "counter_mode",
    "decoded",
    "is_envelope",
    "load_cryptor",
]

KEY_SIZE = 4096
KEY_BYTES = 32
START_BYTES = 16
# What is encrypted, and what is read, together: groups of base64 are not cut in two.
BLOCK = 3 * 2**18
_DIGITS = 4 * 2**18
_COUNTER_BLOCK = 16
# Of an encrypted key, with 16384 bits; and of the start of a counter.
_MOST_KEY_DIGITS = 2732
_START_DIGITS = 24


class CryptorBase(Protocol):
    """How payloads become text for the wire and back."""

    def encrypt_bytes_to_str(self, data: bytes, pubkey_base64s: str) -> str:
        """Text for the owner of the public key."""
        ...

    def decrypt_str_to_bytes(self, data: str) -> bytes:
        """The payload of a text meant for us."""
        ...


class _TextConversion:
    @staticmethod
    def bytes_to_str(data: bytes) -> str:
        """Encode bytes as base64 text."""
        return bytes_to_base64s(data)

    @staticmethod
    def str_to_bytes(data: str) -> bytes:
        """Decode base64 text; EncryptionError when it is none."""
        try:
            return base64s_to_bytes(data)
        except ValueError as error:
            raise EncryptionError("The text is not base64") from error


class DummyCryptor(_TextConversion):
    """For collaborations without encryption: base64 only."""

    def encrypt_bytes_to_str(self, data: bytes, pubkey_base64s: str = "") -> str:
        """Base64 of `data`; the public key is not used."""
        return self.bytes_to_str(data)

    def decrypt_str_to_bytes(self, data: str) -> bytes:
        """The bytes behind base64 text.

        Raises
        ------
        EncryptionError
            When the text is an encrypted envelope, or not base64 at all.
        """
        if is_envelope(data):
            raise EncryptionError("The payload is encrypted, but encryption is not set up here")
        return self.str_to_bytes(data)


class RSACryptor(_TextConversion):
    """Encrypts for other organizations and decrypts with our private key.

    Parameters
    ----------
    private_key_file : Path or str
        PEM file of an RSA private key without a passphrase.

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    EncryptionError
        When the file holds no RSA private key.
    """

    def __init__(self, private_key_file: Path | str) -> None:
        self.private_key = load_private_key(Path(private_key_file))

    @staticmethod
    def create_new_rsa_key(path: Path | str) -> RSAPrivateKey:
        """Write a new 4096-bit key to `path`, readable by its owner only, and return it.

        A file that is already there is replaced.
        """
        key = rsa.generate_private_key(public_exponent=65537, key_size=KEY_SIZE)
        pem = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
        write_private_file(Path(path), pem)
        return key

    @staticmethod
    def create_public_key_bytes(private_key: RSAPrivateKey) -> bytes:
        """PEM of the public half of a private key."""
        return private_key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    @property
    def public_key_bytes(self) -> bytes:
        """PEM of our public key."""
        return self.create_public_key_bytes(self.private_key)

    @property
    def public_key_str(self) -> str:
        """Base64 of the PEM of our public key, as organizations carry it."""
        return bytes_to_base64s(self.public_key_bytes)

    def verify_public_key(self, pubkey_base64: str) -> bool:
        """Whether this is our public key, however it is written."""
        try:
            theirs = load_public_key(pubkey_base64)
        except EncryptionError:
            return False
        return theirs.public_numbers() == self.private_key.public_key().public_numbers()

    def encrypt_bytes_to_str(self, data: bytes, pubkey_base64s: str) -> str:
        """Envelope of `data` for the owner of a public key.

        Raises
        ------
        EncryptionError
            When the public key is missing or cannot be read.
        """
        return b"".join(ClassicText(data, pubkey_base64s)).decode("ascii")

    def decrypt_str_to_bytes(self, data: str) -> bytes:
        """The payload of an envelope that was made for us.

        Raises
        ------
        EncryptionError
            When the text is no envelope, or was made for another key.
        """
        second = data.rfind(SEPARATOR)
        if data.count(SEPARATOR) != 2:
            raise EncryptionError("The payload is not encrypted, or not in the known form")
        encrypted_key, start = map(self.str_to_bytes, data[:second].split(SEPARATOR))
        aes_key, is_ours = self._decrypt_key(encrypted_key)
        opened = _opened(aes_key, start, data, second + 1)
        if not is_ours:
            raise EncryptionError("The payload was encrypted for another key")
        return opened

    def open_stream(self, source: Readable, target: Writable) -> None:
        """Open an envelope that comes in as a stream; the target is no use after an error.

        Raises
        ------
        EncryptionError
            As for `decrypt_str_to_bytes`.
        """
        digits = Peekable(source)
        encrypted_key = self.str_to_bytes(digits.read_until(SEPARATOR, _MOST_KEY_DIGITS))
        start = self.str_to_bytes(digits.read_until(SEPARATOR, _START_DIGITS))
        aes_key, is_ours = self._decrypt_key(encrypted_key)
        cipher = counter_mode(aes_key, start)
        for piece in decoded(digits):
            target.write(cipher.update(piece))
        if not is_ours:
            raise EncryptionError("The payload was encrypted for another key")

    def _decrypt_key(self, encrypted_key: bytes) -> tuple[bytes, bool]:
        """The content key; else a random one and False, so that neither path is the shorter one."""
        # With a wrong key OpenSSL gives random bytes of random length instead of an error
        # (implicit rejection), so only the length can tell.
        instead = os.urandom(KEY_BYTES)
        try:
            aes_key = self.private_key.decrypt(encrypted_key, padding.PKCS1v15())
        except ValueError:
            aes_key = b""
        is_ours = len(aes_key) == KEY_BYTES
        return (aes_key if is_ours else instead), is_ours


def load_cryptor(private_key_file: Path | str | None) -> "RSACryptor | DummyCryptor":
    """The cryptor for a key file, or the one without encryption for None."""
    return DummyCryptor() if private_key_file is None else RSACryptor(private_key_file)


def counter_mode(key: bytes, start: bytes, at: int = 0) -> CipherContext:
    """AES in counter mode from a byte on, a multiple of 16; the same encrypts and decrypts.

    Raises
    ------
    EncryptionError
        When the start of the counter is no such.
    """
    if at:
        counter = int.from_bytes(start, "big") + at // _COUNTER_BLOCK
        start = (counter % 2 ** (8 * START_BYTES)).to_bytes(START_BYTES, "big")
    try:
        return Cipher(algorithms.AES(key), modes.CTR(start)).encryptor()
    except ValueError as error:
        raise EncryptionError("The counter start of the envelope has a wrong length") from error


def decoded(digits: Readable) -> Iterator[bytes]:
    """The bytes of base64 that comes in as a stream; EncryptionError when it is none."""
    text, following = read_up_to(digits, _DIGITS), b""
    while text:
        following = read_up_to(digits, _DIGITS)
        if following and text.endswith(b"="):
            raise EncryptionError("The text is not base64")
        try:
            yield binascii.a2b_base64(text, strict_mode=True)
        except ValueError as error:
            raise EncryptionError("The text is not base64") from error
        text = following


def _opened(key: bytes, start: bytes, text: str, at: int) -> bytes:
    """The payload whose base64 stands at the end of a text, without a second copy of either."""
    cipher, opened = counter_mode(key, start), BytesIO()
    for begin in range(at, len(text), _DIGITS):
        digits = text[begin : begin + _DIGITS]
        # Nothing may follow what ends the payload.
        if len(text) > begin + _DIGITS and digits.endswith("="):
            raise EncryptionError("The text is not base64")
        opened.write(cipher.update(_TextConversion.str_to_bytes(digits)))
    return opened.getvalue()


class ClassicText(LongText):
    """The classic envelope of some bytes, made while it is sent.

    Parameters
    ----------
    data : bytes
    public_key : str
        Of the organization that is to read it, as organizations carry it.

    Raises
    ------
    EncryptionError
        When the public key is missing or cannot be read.
    """

    def __init__(self, data: bytes, public_key: str) -> None:
        self._data = memoryview(data)
        self._key, self._start = os.urandom(KEY_BYTES), os.urandom(START_BYTES)
        encrypted_key = load_public_key(public_key).encrypt(self._key, padding.PKCS1v15())
        parts = (bytes_to_base64s(encrypted_key), bytes_to_base64s(self._start), "")
        self._head = SEPARATOR.join(parts).encode()

    def __len__(self) -> int:
        return len(self._head) + base64_length(len(self._data))

    def __iter__(self) -> Iterator[bytes]:
        yield self._head
        cipher = counter_mode(self._key, self._start)
        for begin in range(0, len(self._data), BLOCK):
            yield base64.digits(cipher.update(self._data[begin : begin + BLOCK]))
