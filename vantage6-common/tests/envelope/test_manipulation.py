"""Whatever is changed in an envelope, it is refused, and nothing of it is handed out."""

import io
import itertools
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vantage6.common.authenticated import (
    InputContext,
    is_authenticated_envelope,
    open_,
    open_binary,
    open_stream,
    seal,
    seal_binary,
)
from vantage6.common.envelope import binary as binary_form
from vantage6.common.envelope.form import OVERHEAD
from vantage6.common.envelope.sealing import Sealer, new_material
from vantage6.common.exceptions import EncryptionError

CHUNK = 64
FRAME = CHUNK + OVERHEAD
#: Three frames, the last one not full.
DATA = bytes(range(CHUNK * 2 + 10))

Opens = Callable[[bytes], object]


@pytest.fixture(scope="module")
def text(sender, recipient, context) -> str:
    return seal(DATA, context, sender.private, recipient.public, chunk=CHUNK)


@pytest.fixture(scope="module")
def binary(sender, recipient, context) -> bytes:
    return seal_binary(DATA, context, sender.private, recipient.public, chunk=CHUNK)


@pytest.fixture
def refuses_text(sender, recipient) -> Callable[[str], None]:
    def check(text: str) -> None:
        with pytest.raises(EncryptionError):
            open_(text, recipient.private, sender.public)

    return check


@pytest.fixture
def refuses(sender, recipient, tmp_path) -> Callable[[bytes], None]:
    """Neither of the two readers takes it, and the one of streams leaves no file behind."""

    def check(data: bytes) -> None:
        with pytest.raises(EncryptionError):
            open_binary(data, recipient.private, sender.public)
        with pytest.raises(EncryptionError):
            open_stream(io.BytesIO(data), tmp_path / "p", recipient.private, sender.public)
        assert list(tmp_path.iterdir()) == []

    return check


def _frames(binary: bytes) -> tuple[bytes, list[bytes], bytes]:
    """What stands before the frames, the frames, and the rest."""
    body = binary_form.START_BYTES + binary_form.header_size(binary[: binary_form.START_BYTES])
    last = body + 2 * FRAME + 10 + OVERHEAD
    borders = [body, body + FRAME, body + 2 * FRAME, last]
    frames = [binary[a:b] for a, b in itertools.pairwise(borders)]
    return binary[:body], frames, binary[last:]


def test_every_changed_byte_of_the_binary_form_is_refused(binary, refuses):
    for at in range(len(binary)):
        changed = bytearray(binary)
        changed[at] ^= 1 << at % 8
        refuses(bytes(changed))


def test_every_changed_character_of_the_text_form_is_refused(text, refuses_text):
    for at, character in enumerate(text):
        for other in {"A", "B", "=", "$", chr(ord(character) ^ 1)} - {character}:
            refuses_text(text[:at] + other + text[at + 1 :])


def test_every_shortened_envelope_is_refused(text, binary, refuses, refuses_text):
    for at in range(len(binary)):
        refuses(binary[:at])
    for at in range(len(text)):
        refuses_text(text[:at])


@pytest.mark.parametrize("more", [1, 4, FRAME])
def test_what_is_appended_is_refused(text, binary, refuses, refuses_text, more):
    refuses(binary + bytes(more))
    refuses(binary + binary)
    refuses_text(text + "A" * more)
    refuses_text(text + "$" + "A" * more)
    refuses_text(text + "\n")


def test_frames_in_another_number_or_order_are_refused(binary, refuses):
    start, frames, end = _frames(binary)
    assert start + b"".join(frames) + end == binary
    first, second, last = frames
    others = [
        [second, first, last],
        [first, last],
        [second, last],
        [last],
        [],
        [first, second],
        [first, first, second, last],
        [first, second, second, last],
        [first, second, last, last],
        [first, second, last, first],
        [last, first, second],
        [first, second, struct.pack(">I", 16 | 1 << 31) + bytes(16)],
        [first, second, last, struct.pack(">I", 16 | 1 << 31) + bytes(16)],
    ]
    for order in others:
        refuses(start + b"".join(order) + end)


def test_a_frame_that_is_made_the_last_one_is_refused(binary, refuses):
    start, (first, second, _), end = _frames(binary)
    is_last = struct.pack(">I", (CHUNK + 16) | 1 << 31)
    refuses(start + first + is_last + second[4:] + end)
    refuses(start + is_last + first[4:] + end)


def test_a_sender_cannot_end_with_nothing(sender, recipient, context, refuses):
    """Two bodies would hold the same payload: one that ends full, and one that ends empty."""
    material = new_material(context, sender.private, recipient.public, CHUNK)
    sealer, frames = Sealer(material), []
    for data, is_last in ((bytes(CHUNK), False), (b"", True)):
        frames.append(bytearray(len(data) + OVERHEAD))
        sealer.write_frame(data, is_last, memoryview(frames[-1]))
    end = binary_form.end(sealer.signature())
    refuses(binary_form.start(sealer.raw_header) + b"".join(frames) + end)


def test_parts_of_two_envelopes_do_not_mix(sender, recipient, context, refuses, refuses_text):
    """Both are genuine, from and to the same, with the same payload."""
    keys = (sender.private, recipient.public)
    texts = [seal(DATA, context, *keys, chunk=CHUNK).split("$") for _ in range(2)]
    for choice in _mixtures(4, texts, fixed=1):
        refuses_text("$".join(choice))
    binaries = [_frames(seal_binary(DATA, context, *keys, chunk=CHUNK)) for _ in range(2)]
    parts = [[start, *frames, end] for start, frames, end in binaries]
    for choice in _mixtures(5, parts):
        refuses(b"".join(choice))


def _mixtures(parts: int, envelopes: list, fixed: int = 0) -> Iterator[list]:
    """Every choice of parts from both that is not one of them as a whole."""
    for choice in itertools.product((0, 1), repeat=parts - fixed):
        if len(set(choice)) > 1:
            whole = (0,) * fixed + choice
            yield [envelopes[which][at] for at, which in enumerate(whole)]


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(cut=st.data())
def test_random_damage_is_refused(binary, sender, recipient, cut):
    """Pieces taken out, doubled, swapped or overwritten, anywhere."""
    a, b, c = sorted(cut.draw(st.tuples(*[st.integers(0, len(binary))] * 3)))
    rubbish = cut.draw(st.binary(max_size=40))
    damaged = cut.draw(
        st.sampled_from(
            [
                binary[:a] + binary[b:],
                binary[:a] + binary[b:c] + binary[a:b] + binary[c:],
                binary[:b] + binary[a:],
                binary[:a] + rubbish + binary[a:],
                binary[:a] + rubbish + binary[a + len(rubbish) :],
            ]
        )
    )
    if damaged != binary:
        with pytest.raises(EncryptionError):
            open_binary(damaged, recipient.private, sender.public)


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.text(), st.text(alphabet="2$AZaz09+/=").map(lambda text: "2$" + text)))
def test_rubbish_is_no_envelope(text):
    assert not is_authenticated_envelope(text)


@pytest.mark.parametrize("wrong", "$=-_\n ä")
def test_an_envelope_with_rubbish_in_its_body_is_none(text, wrong):
    at = text.index("$", 2) + 60
    assert is_authenticated_envelope(text)
    assert not is_authenticated_envelope(text[:at] + wrong + text[at + 1 :])


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.binary(), st.binary().map(lambda data: binary_form.MAGIC + data)))
def test_rubbish_is_refused_with_the_right_error(sender, recipient, data):
    with pytest.raises(EncryptionError):
        open_binary(data, recipient.private, sender.public)


def test_other_people_and_other_keys_are_refused(text, sender, recipient, stranger):
    with pytest.raises(EncryptionError, match="signed with another key"):
        open_(text, recipient.private, stranger.public)
    with pytest.raises(EncryptionError, match="made for another key"):
        open_(text, stranger.private, sender.public)


def test_nobody_else_can_sign_in_the_name_of_the_sender(sender, recipient, stranger, context):
    """Everybody has the public key of the recipient, so everybody can encrypt for it."""
    forged = seal(b"evil", context, stranger.private, recipient.public)
    with pytest.raises(EncryptionError, match="signed with another key"):
        open_(forged, recipient.private, sender.public)


def test_refusals_do_not_say_what_was_wrong(binary, sender, recipient, tmp_path):
    """Whether a key, a tag or the signature did not fit would be an oracle."""
    start, (first, *rest), end = _frames(binary)
    no_tag = start + first[:-1] + bytes([first[-1] ^ 1]) + b"".join(rest) + end
    no_text = start + first[:9] + bytes([first[9] ^ 1]) + first[10:] + b"".join(rest) + end
    no_signature = binary[:-1] + bytes([binary[-1] ^ 1])
    messages = set()
    for damaged in (no_tag, no_text, no_signature):
        with pytest.raises(EncryptionError) as caught:
            open_binary(damaged, recipient.private, sender.public)
        messages.add(str(caught.value))
        with pytest.raises(EncryptionError) as caught:
            open_stream(io.BytesIO(damaged), tmp_path / "p", recipient.private, sender.public)
        messages.add(str(caught.value))
    assert messages == {"The envelope was changed, or is not from its sender"}


def test_the_private_key_is_not_used_before_the_signature_is_right(
    binary, sender, recipient, monkeypatch
):
    def used(*_: object) -> None:
        raise AssertionError("the private key was used")

    monkeypatch.setattr("vantage6.common.keys.unwrap", used)
    with pytest.raises(EncryptionError):
        open_binary(binary[:-1] + b"\0", recipient.private, sender.public)
    with pytest.raises(AssertionError):
        open_binary(binary, recipient.private, sender.public)


def test_a_key_that_was_not_encrypted_is_refused_like_any_other_change(
    sender, recipient, context, tmp_path, monkeypatch
):
    """Signed by the sender, but no content key in it: like a wrong tag, not like a wrong key."""
    monkeypatch.setattr("vantage6.common.keys.wrap", lambda *_: b"\1" * 256)
    data = seal_binary(b"x", context, sender.private, recipient.public)
    with pytest.raises(EncryptionError, match="was changed"):
        open_binary(data, recipient.private, sender.public)
    with pytest.raises(EncryptionError, match="was changed"):
        open_stream(io.BytesIO(data), tmp_path / "p", recipient.private, sender.public)


def test_after_a_refusal_the_file_is_what_it_was(binary, sender, recipient, tmp_path):
    target: Path = tmp_path / "payload"
    target.write_bytes(b"old")
    with pytest.raises(EncryptionError):
        open_stream(io.BytesIO(binary[:-1]), target, recipient.private, sender.public)
    assert (list(tmp_path.iterdir()), target.read_bytes()) == ([target], b"old")
    open_stream(io.BytesIO(binary), target, recipient.private, sender.public)
    assert target.stat().st_mode & 0o777 == 0o600


def test_a_source_without_an_end_does_not_fill_the_disk(binary, sender, recipient, tmp_path):
    target = tmp_path / "payload"
    with pytest.raises(EncryptionError, match="more than 137 bytes"):
        open_stream(io.BytesIO(binary), target, recipient.private, sender.public, limit=137)
    assert list(tmp_path.iterdir()) == []
    open_stream(io.BytesIO(binary), target, recipient.private, sender.public, limit=138)
    assert target.read_bytes() == DATA


def test_a_repetition_has_the_nonce_of_the_first(sender, recipient):
    """Who remembers the nonces knows a replayed input, also when it is sealed anew."""
    first = InputContext(1, "docker.io/library/average:latest", 2, 3)
    second = InputContext(1, "docker.io/library/average:latest", 2, 3)
    assert first.nonce != second.nonce
