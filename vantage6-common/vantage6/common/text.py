"""Small conversions between text and bytes, and questions about text."""

import base64
import binascii
import ipaddress
import json
from typing import Any

from vantage6.common.globals import STRING_ENCODING


def bytes_to_base64s(data: bytes) -> str:
    """Encode `data` as standard base64 text."""
    return base64.b64encode(data).decode(STRING_ENCODING)


def base64s_to_bytes(text: str) -> bytes:
    """Decode standard base64 `text`; ValueError when it is not base64."""
    # Not the function of `base64`: it makes bytes of the text before it reads it.
    return binascii.a2b_base64(text, strict_mode=True)


def is_ip_address(text: str) -> bool:
    """Whether `text` is an IPv4 or IPv6 address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def printable(text: str) -> str:
    """One line of text that others wrote, without what would steer a terminal.

    Control characters, and those that turn the direction of writing, become question marks.
    """
    if text.isprintable():
        return text
    letters = text.replace("\t", " ")
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in letters)


def logger_name(special__name__: str) -> str:
    """The last part of a module's name, cut to fourteen characters for aligned logs."""
    name = special__name__.rsplit(".", maxsplit=1)[-1]
    return name if len(name) <= 14 else f"{name[:11]}.."


def canonical_json(values: Any) -> bytes:
    """The one spelling of JSON that digests are made of: sorted, without spaces, in ASCII."""
    return json.dumps(values, sort_keys=True, separators=(",", ":")).encode("ascii")
