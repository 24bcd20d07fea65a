"""From the binary to the text form of envelopes, in pieces and without a key."""

from collections.abc import Iterator
from typing import Any

import pytest

from vantage6.common.authenticated import InputContext, open_, seal_binary
from vantage6.common.envelope.text import EDGE, has_edges_of_envelope
from vantage6.common.envelope.transcoding import BinaryParts, to_text
from vantage6.common.exceptions import EncryptionError

# None, less than a chunk, full chunks only, and a bit more.
SIZES = (0, 1, 63, 64, 65, 4096, 5000)


def in_pieces(data: bytes, size: int) -> Iterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


def find(data: bytes) -> BinaryParts:
    return BinaryParts.find(len(data), lambda start, length: data[start : start + length])


@pytest.mark.parametrize("piece", [1, 7, 2**20])
@pytest.mark.parametrize("size", SIZES)
def test_the_text_says_what_the_bytes_said(
    sender: Any, recipient: Any, context: InputContext, size: int, piece: int
) -> None:
    payload = bytes(range(256)) * 20
    data = seal_binary(payload[:size], context, sender.private, recipient.public, chunk=64)
    parts = find(data)
    text = b"".join(
        to_text(parts, lambda start, length: in_pieces(data[start : start + length], piece))
    ).decode()
    assert len(text) == parts.text_size
    assert open_(text, recipient.private, sender.public).data == payload[:size]
    assert has_edges_of_envelope(text[:EDGE], text[-EDGE:])


@pytest.mark.parametrize("cut", [1, 2, 256, 300])
def test_what_lacks_its_end_is_no_envelope(
    sender: Any, recipient: Any, context: InputContext, cut: int
) -> None:
    data = seal_binary(bytes(1000), context, sender.private, recipient.public, chunk=64)
    for broken in (data[:-cut], data + bytes(cut)):
        with pytest.raises(EncryptionError):
            find(broken)


@pytest.mark.parametrize("text", ["", "2$", "2$$$", "2$QUJD$QUJD$QUJD", "QUJD" * 9000, "$" * 9])
def test_other_texts_have_no_edges_of_an_envelope(text: str) -> None:
    assert not has_edges_of_envelope(text[:EDGE], text[-EDGE:])
