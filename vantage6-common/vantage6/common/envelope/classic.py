"""The outer form of the classic envelope, `A$B$C`."""

import re

from vantage6.common.envelope.base64 import is_base64

SEPARATOR = "$"

# An RSA key of at least 1024 bits and a counter start of 16 bytes, then the payload.
_HEAD = re.compile(r"[A-Za-z0-9+/]{170,}+={0,2}\$[A-Za-z0-9+/]{22}==\$")


def is_classic_envelope(text: str) -> bool:
    """Whether `text` has the form of an encrypted payload, `A$B$C`."""
    head = _HEAD.match(text)
    return head is not None and is_base64(text, head.end(), len(text))


def has_head_of_envelope(head: str) -> bool:
    """Whether a text that begins so, with 4096 letters or all it has, is an envelope, if at all."""
    return _HEAD.match(head) is not None
