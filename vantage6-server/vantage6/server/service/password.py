"""Passwords: how they are kept, compared, and what they must look like."""

import base64
import hashlib
import os
import string

import bcrypt

from vantage6.server.aside import Aside
from vantage6.server.exceptions import BadRequest

ROUNDS = 12
MINIMUM_LENGTH, MAXIMUM_LENGTH = 8, 128
_BCRYPT_LIMIT = 72
# A hash takes a fifth of a second, in which others are to be served.
_aside = Aside(os.cpu_count() or 1)

_POLICY = (
    (lambda text: len(text) >= MINIMUM_LENGTH, f"at least {MINIMUM_LENGTH} characters"),
    (lambda text: len(text) <= MAXIMUM_LENGTH, f"at most {MAXIMUM_LENGTH} characters"),
    (lambda text: any(char in string.digits for char in text), "a digit"),
    (lambda text: any(char in string.ascii_uppercase for char in text), "an upper-case letter"),
    (lambda text: any(char in string.ascii_lowercase for char in text), "a lower-case letter"),
    (lambda text: any(not char.isalnum() for char in text), "a special character"),
)


def hash_password(password: str) -> str:
    """The bcrypt hash of a password."""
    return _aside(bcrypt.hashpw, _fit(password), bcrypt.gensalt(ROUNDS)).decode()


def matches(password: str, password_hash: str | None) -> bool:
    """Whether a password fits a hash; takes as long when there is no hash to compare with."""
    # Made in any case: the first time it takes as long again.
    nobody = _nobody()
    fits = _aside(bcrypt.checkpw, _fit(password), (password_hash or nobody).encode())
    return fits and password_hash is not None


def check_policy(password: str) -> None:
    """Raise BadRequest with the first thing that a new password lacks."""
    for fulfilled, requirement in _POLICY:
        if not fulfilled(password):
            raise BadRequest(f"The password must have {requirement}")


def _fit(password: str) -> bytes:
    """What bcrypt gets to see: it reads 72 bytes, so anything longer is digested first."""
    plain = password.encode()
    if len(plain) <= _BCRYPT_LIMIT and b"\0" not in plain:
        return plain
    return base64.b64encode(hashlib.sha256(plain).digest())


_hash_of_nobody: dict[int, str] = {}


def _nobody() -> str:
    """A hash that stands in for accounts that do not exist, as expensive as the real ones."""
    if ROUNDS not in _hash_of_nobody:
        _hash_of_nobody[ROUNDS] = _aside(bcrypt.hashpw, b"nobody", bcrypt.gensalt(ROUNDS)).decode()
    return _hash_of_nobody[ROUNDS]
