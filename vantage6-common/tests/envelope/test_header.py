"""One spelling of every header, and what a reader refuses though it is signed."""

import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from vantage6.common.authenticated import (
    is_authenticated_envelope,
    open_,
    open_binary,
    open_stream,
    seal,
    seal_binary,
    seal_stream,
)
from vantage6.common.envelope import base64, chunks
from vantage6.common.envelope.form import CHUNKS, Header, Layout
from vantage6.common.exceptions import EncryptionError


@pytest.fixture(scope="module")
def header(sender, recipient, context) -> bytes:
    text = seal(b"", context, sender.private, recipient.public)
    return base64.decode(text.split("$")[1])


def test_a_header_comes_back_as_it_was(header):
    assert Header.decode(header).encode() == header


def _changed(**change: Any) -> Callable[[dict[str, Any]], object]:
    return lambda values: {**values, **change}


@pytest.mark.parametrize(
    "change",
    [
        _changed(v=3),
        _changed(v="2"),
        _changed(v=2.0),
        _changed(more=1),
        _changed(algorithms={"content": "AES-256-CTR"}),
        _changed(algorithms=None),
        _changed(chunk=0),
        _changed(chunk=63),
        _changed(chunk=4**13),
        _changed(chunk=True),
        _changed(chunk="64"),
        _changed(key=""),
        _changed(key=None),
        _changed(key=base64.encode(bytes(255))),
        _changed(key=base64.encode(bytes(2049))),
        _changed(key=base64.encode(bytes(256))[:-1]),
        _changed(sender_key="0" * 63),
        _changed(sender_key="A" * 64),
        _changed(recipient_key=None),
        _changed(context=None),
        lambda values: [values],
        lambda values: {name: value for name, value in values.items() if name != "chunk"},
    ],
)
def test_other_values_are_refused(header, change):
    raw = json.dumps(change(json.loads(header)), sort_keys=True, separators=(",", ":")).encode()
    with pytest.raises(EncryptionError):
        Header.decode(raw)


@pytest.mark.parametrize(
    "respell",
    [
        lambda raw: raw + b"\n",
        lambda raw: b" " + raw,
        lambda raw: raw.replace(b",", b", ", 1),
        lambda raw: raw.replace(b'"v":2', b'"v":2,"v":2'),
        lambda raw: raw.replace(b'"v":2', b'"v":3,"v":2'),
        lambda raw: raw.replace(b'"v":2', b'"\\u0076":2'),
        lambda raw: raw.replace(b'"sender":2', b'"sender":2e0'),
        lambda raw: json.dumps(json.loads(raw)).encode(),
        lambda raw: json.dumps(dict(reversed(json.loads(raw).items()))).encode(),
        lambda raw: raw.decode().encode("utf-16"),
        lambda raw: b"\xef\xbb\xbf" + raw,
        lambda _: b"[" * 8000,
        lambda _: b'{"v":' + b"9" * 8000 + b"}",
        lambda _: b'{"v":NaN}',
        lambda _: b"",
    ],
)
def test_other_spellings_are_refused(header, respell):
    respelled = respell(header)
    assert respelled != header
    with pytest.raises(EncryptionError):
        Header.decode(respelled)


def test_base64_has_one_spelling():
    assert base64.decode("") == b""
    assert base64.decode("YQ==") == b"a"
    for text in ("YR==", "YQ=", "YQ", "Y===", "YQ==YQ==", "Y\nQ==", " YQ==", "YQ==\n", "Yä=="):
        with pytest.raises(ValueError):
            base64.decode(text)
        assert not base64.is_base64(text, 0, len(text))


@pytest.mark.parametrize("size", [0, 1, 2, 3, 2**18 - 1, 2**18, 2**18 + 1, 700_001])
def test_large_base64_is_known_and_every_wrong_character_seen(size):
    text = base64.encode(bytes(size))
    assert base64.is_base64(text, 0, len(text))
    for at in {0, len(text) // 2, 2**18 - 1, 2**18, len(text) - 5} & set(range(len(text) - 4)):
        for wrong in "$=\n-ä":
            assert not base64.is_base64(text[:at] + wrong + text[at + 1 :], 0, len(text))


@pytest.mark.parametrize("chunk", sorted(CHUNKS)[:3])
def test_a_body_has_one_layout_or_none(chunk):
    sizes = {Layout(chunk, payload).body: payload for payload in range(4 * chunk)}
    for size in range(max(sizes)):
        if size in sizes:
            assert Layout.of_body(chunk, size) == Layout(chunk, sizes[size])
        else:
            with pytest.raises(EncryptionError):
                Layout.of_body(chunk, size)


@pytest.mark.parametrize("chunk", CHUNKS)
def test_full_frames_are_whole_groups_of_base64(chunk):
    frame = Layout(chunk, chunk + 1).frame_at(0)
    assert (frame.stop - frame.start) % 3 == 0


def test_a_header_that_is_too_long_is_not_read(sender, recipient, context):
    text = seal(b"", context, sender.private, recipient.public)
    _, header, body, signature = text.split("$")
    long = base64.encode(base64.decode(header) + b" " * 8000)
    assert not is_authenticated_envelope(f"2${long}${body}${signature}")


@pytest.mark.parametrize("bits", [1024, 2047])
def test_short_keys_are_refused(sender, recipient, context, bits):
    short = rsa.generate_private_key(public_exponent=65537, key_size=bits)
    text = seal(b"x", context, sender.private, recipient.public)
    for action in (
        lambda: seal(b"x", context, short, recipient.public),
        lambda: seal(b"x", context, sender.private, short.public_key()),
        lambda: open_(text, short, sender.public),
        lambda: open_(text, recipient.private, short.public_key()),
    ):
        with pytest.raises(EncryptionError, match=f"{bits} bits"):
            action()


@pytest.mark.parametrize("bits", [2049, 3072, 4096])
def test_keys_of_every_length_fit(sender, context, bits):
    other = rsa.generate_private_key(public_exponent=65537, key_size=bits)
    for own, theirs in ((sender.private, other), (other, sender.private)):
        binary = seal_binary(b"x", context, own, theirs.public_key())
        assert open_binary(binary, theirs, own.public_key()).data == b"x"


def test_older_libraries_do_the_same(sender, recipient, context, tmp_path, monkeypatch):
    """Which cannot encrypt into memory that is there already."""

    class Older:
        def __init__(self, key: bytes) -> None:
            self._cipher = chunks_aes(key)

        def encrypt(self, *parts: Any) -> bytes:
            return self._cipher.encrypt(*parts)

        def decrypt(self, *parts: Any) -> bytes:
            return self._cipher.decrypt(*parts)

    chunks_aes = chunks.AESGCM
    data, written = bytes(1000), io.BytesIO()
    keys = (sender.private, recipient.public)
    text = seal(data, context, *keys, chunk=64)
    monkeypatch.setattr(chunks, "AESGCM", Older)
    assert open_(text, recipient.private, sender.public).data == data
    seal_stream(io.BytesIO(data), written, context, *keys, chunk=64)
    monkeypatch.undo()
    written.seek(0)
    open_stream(written, tmp_path / "p", recipient.private, sender.public)
    assert (tmp_path / "p").read_bytes() == data
