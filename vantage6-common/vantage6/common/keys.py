"""RSA keys of organizations: reading, naming and using them."""

import hashlib
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from vantage6.common.exceptions import EncryptionError
from vantage6.common.text import base64s_to_bytes

#: What a signature and the authenticated envelope ask of a key.
MIN_BITS, MAX_BITS = 2048, 16384

_HASH = hashes.SHA256()
_SIGNATURE = padding.PSS(mgf=padding.MGF1(_HASH), salt_length=padding.PSS.DIGEST_LENGTH)
_WRAPPING = padding.OAEP(mgf=padding.MGF1(_HASH), algorithm=_HASH, label=None)


def load_private_key(path: Path) -> RSAPrivateKey:
    """The private key of a PEM file without a passphrase.

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    EncryptionError
        When the file holds no RSA private key.
    """
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise EncryptionError(f"{path} holds no private key that can be read") from error
    if not isinstance(key, RSAPrivateKey):
        raise EncryptionError(f"The private key in {path} is not an RSA key")
    return key


def load_public_key(pubkey_base64s: str) -> RSAPublicKey:
    """The public key in base64 of PEM, as organizations carry it.

    Raises
    ------
    EncryptionError
        When it is missing or cannot be read.
    """
    if not pubkey_base64s:
        raise EncryptionError("The organization has no public key")
    try:
        key = serialization.load_pem_public_key(base64s_to_bytes(pubkey_base64s))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise EncryptionError("The public key of the organization cannot be read") from error
    if not isinstance(key, RSAPublicKey):
        raise EncryptionError("The public key of the organization is not an RSA key")
    return key


def fingerprint(key: RSAPublicKey) -> str:
    """The name of a key, however its PEM is written: SHA-256 of its DER form, in hexadecimal."""
    der = key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return hashlib.sha256(der).hexdigest()


def require_strength(key: RSAPublicKey) -> None:
    """EncryptionError for a key that is too short, or too long to be meant seriously."""
    if not MIN_BITS <= key.key_size <= MAX_BITS:
        raise EncryptionError(
            f"The RSA key has {key.key_size} bits; {MIN_BITS} to {MAX_BITS} are needed"
        )


def sign(key: RSAPrivateKey, digest: bytes) -> bytes:
    """RSA-PSS signature of a SHA-256 digest, with a salt of 32 bytes."""
    return key.sign(digest, _SIGNATURE, Prehashed(_HASH))


def is_signed(key: RSAPublicKey, digest: bytes, signature: bytes) -> bool:
    """Whether the owner of a key signed a SHA-256 digest."""
    try:
        key.verify(signature, digest, _SIGNATURE, Prehashed(_HASH))
    except InvalidSignature:
        return False
    return True


def wrap(key: RSAPublicKey, secret: bytes) -> bytes:
    """RSA-OAEP encryption of a short secret, SHA-256 in both places, without a label."""
    return key.encrypt(secret, _WRAPPING)


def unwrap(key: RSAPrivateKey, wrapped: bytes) -> bytes | None:
    """The secret of `wrap`; None when it was not made for this key."""
    try:
        return key.decrypt(wrapped, _WRAPPING)
    except ValueError:
        return None
