"""The outer form of encrypted payloads; the server knows no more of them than this."""

import re

SEPARATOR = "$"

_BASE64 = r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?"
# An RSA key of at least 1024 bits and a counter start of 16 bytes, then the payload.
_HEAD = re.compile(r"[A-Za-z0-9+/]{170,}={0,2}\$[A-Za-z0-9+/]{22}==\$")
_BODY = re.compile(_BASE64)


def is_envelope(text: str) -> bool:
    """Whether `text` has the form of an encrypted payload, `A$B$C`."""
    head = _HEAD.match(text)
    return head is not None and _BODY.fullmatch(text, head.end()) is not None
