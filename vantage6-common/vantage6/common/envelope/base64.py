"""Base64 of payloads, without a second copy of them and without a regular expression."""

import binascii

_DIGITS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_GROUP = 4
#: Digits that are looked at together: few enough to stay near the processor.
_BLOCK = 2**18


def encode(data: bytes | bytearray | memoryview) -> str:
    """Base64 of some bytes."""
    return digits(data).decode("ascii")


def digits(data: bytes | bytearray | memoryview) -> bytes:
    """The letters of base64 as bytes."""
    return binascii.b2a_base64(data, newline=False)


def decode(text: str) -> bytes:
    """The bytes behind base64 text; ValueError for all but the one spelling of them."""
    raw = binascii.a2b_base64(text, strict_mode=True)
    if encode(raw[-(len(raw) % 3 or 3) :]) != text[-_GROUP:]:
        raise ValueError("the last digit of the text says more than its bytes do")
    return raw


def is_base64(text: str, start: int, end: int) -> bool:
    """Whether a part of a text is base64 in its one spelling; for large parts, too."""
    if (end - start) % _GROUP:
        return False
    last = max(start, end - _GROUP)
    return _are_digits(text, start, last) and _is_group(text[last:end])


def _are_digits(text: str, start: int, end: int) -> bool:
    for at in range(start, end, _BLOCK):
        block = text[at : min(at + _BLOCK, end)]
        if not block.isascii() or block.encode("ascii").translate(None, _DIGITS):
            return False
    return True


def _is_group(text: str) -> bool:
    try:
        decode(text)
    except ValueError:
        return False
    return True
