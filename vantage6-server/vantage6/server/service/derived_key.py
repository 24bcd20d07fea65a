"""Keys for one purpose each, made from the one secret of the server.

Whatever is signed or sealed for one purpose is worth nothing for another. Who replaces the
secret makes all of it void.
"""

import base64
import hashlib
import hmac


def derive(secret: str, purpose: str) -> bytes:
    """The key of 32 bytes for a purpose."""
    return hmac.digest(secret.encode(), f"vantage6 {purpose}".encode(), hashlib.sha256)


def derive_for_sealing(secret: str, purpose: str) -> bytes:
    """The same in the form that Fernet takes."""
    return base64.urlsafe_b64encode(derive(secret, purpose))
